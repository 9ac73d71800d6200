"""Wires the issuer: HTTP, Kafka intake, relay and sweeper. The only place where its parts meet."""

from services.issuer.intake import Intake
from services.issuer.issue import Issue
from services.issuer.lag import LaneLag
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.relay import LaneRelay
from services.issuer.routes import RouteParts, issuer_routes
from services.issuer.settings import IssuerSettings
from services.issuer.store import SQL, IssuerStore
from services.issuer.sweep import Sweeper, SweepRules
from services.issuer.wakeup import listen_for_bell
from shared.api_keys import SQL as API_KEYS_SQL
from shared.api_keys import ApiKeys
from shared.bus import INTAKE_GROUP, LANES, LINK_REQUESTS
from shared.cache import Cache
from shared.changes import forget_on_change
from shared.consumer import Subscription, consume_batches
from shared.database import Database, Pool, create_pool, prepare_all
from shared.http.edge import Edge
from shared.http.ops import Health
from shared.lifecycle import Service, run_service
from shared.limits import FailOpenBucket
from shared.outbox import SQL as OUTBOX_SQL
from shared.outbox import OutboxBell
from shared.settings import load_settings, parse_networks

_INTAKE_BATCH = 500


def main() -> int:
    """Run the issuer until it is told to stop."""
    settings = load_settings(IssuerSettings)
    return run_service("issuer", settings, lambda service: start(service, settings))


async def start(service: Service, settings: IssuerSettings) -> None:
    """Start in order: stores, background loops, then the listeners."""
    database_url = settings.database_url.get_secret_value()
    pool = await create_pool(Database(database_url, settings.database_pool_size, "issuer"))
    service.on_stop(pool.close)
    cache = Cache(settings.redis_url.get_secret_value(), budget_seconds=settings.redis_budget_ms / 1000)
    service.on_stop(cache.close)
    bell = OutboxBell(pool)
    service.on_stop(bell.close)

    store = IssuerStore(pool, settings.queue_lease_seconds)
    issue = Issue(store, settings.ring, bell)
    service.on_stop(issue.drain)
    apps = Apps(pool, SQL, allow_http=settings.is_dev)
    api_keys = ApiKeys(pool)
    parts = RouteParts(
        pool=pool, cache=cache, bell=bell, issue=issue, apps=apps, lanes=Lanes(cache), settings=settings
    )
    routes = issuer_routes(parts)
    await prepare_all(pool, [SQL, OUTBOX_SQL, API_KEYS_SQL, *parts.sql])

    start_loops(service, settings, parts, store)
    service.run_task(forget_on_change(cache, lambda: forget_all(apps, api_keys)), "forget-on-change")

    edge = Edge(
        api_keys=api_keys,
        address_limit=FailOpenBucket(cache, "address", settings.rate_per_address),
        key_limit=FailOpenBucket(cache, "key", settings.rate_per_key),
        request_timeout_seconds=settings.request_timeout_seconds,
        trusted_proxies=parse_networks(settings.trusted_proxies),
    )
    health = Health({"postgresql": lambda: _ask(pool), "redis": cache.ping}, optional=frozenset({"redis"}))
    await service.serve(edge.application(routes), health)


def start_loops(service: Service, settings: IssuerSettings, parts: RouteParts, store: IssuerStore) -> None:
    """Start relay, sweeper and intake."""
    relays = [LaneRelay(lane, parts.pool, settings) for lane in (*LANES, "events")]
    for relay in relays:
        service.run_task(relay.run(), f"relay-{relay.lane}")
    direct_url = (settings.database_direct_url or settings.database_url).get_secret_value()

    def wake_relays() -> None:
        for relay in relays:
            relay.wake()

    parts.bell.nearby.append(wake_relays)
    service.run_task(listen_for_bell(direct_url, wake_relays), "listen-for-bell")
    rules = SweepRules(
        every_seconds=settings.sweep_seconds,
        batch=settings.sweep_batch,
        queue_lease_seconds=settings.queue_lease_seconds,
        callback_wait_seconds=settings.callback_wait_seconds,
    )
    service.run_task(Sweeper(parts.pool, LaneLag(settings), parts.bell, rules).run(), "sweep")
    intake = Intake(parts.issue, parts.apps, parts.lanes, store, settings.ring)
    intake.retention_days = settings.event_retention_days
    subscription = Subscription(LINK_REQUESTS, INTAKE_GROUP, _INTAKE_BATCH)
    service.run_task(consume_batches(settings, subscription, intake.handle), "intake")


def forget_all(apps: Apps, api_keys: ApiKeys) -> None:
    """Forget what is cached of apps and keys."""
    apps.forget()
    api_keys.forget()


async def _ask(pool: Pool) -> object:
    return await pool.fetchval("SELECT 1")
