"""What every service opens first: its database pool, Redis, and the bell of the outbox."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.cache import Cache
from shared.database import Database, Pool, create_pool, prepare_all
from shared.lifecycle import Service
from shared.outbox import OutboxBell
from shared.settings import ServiceSettings
from shared.sql_blocks import SqlBlocks


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of one process; the service closes them last."""

    pool: Pool
    cache: Cache
    bell: OutboxBell


async def open_stores(
    service: Service, settings: ServiceSettings, sql: Sequence[SqlBlocks], *, generic_plans: bool = False
) -> Stores:
    """Open them and prepare every SQL block. Raises what connecting raises: a service without its database does not start."""
    database_url = settings.database_url.get_secret_value()
    pool = await create_pool(
        Database(database_url, settings.database_pool_size, service.name, generic_plans=generic_plans)
    )
    service.on_stop(pool.close)
    await prepare_all(pool, sql)
    cache = Cache(settings.redis_url.get_secret_value(), budget_seconds=settings.redis_budget_ms / 1000)
    service.on_stop(cache.close)
    bell = OutboxBell(pool)
    service.on_stop(bell.close)
    return Stores(pool, cache, bell)
