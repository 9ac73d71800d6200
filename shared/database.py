"""PostgreSQL: pools, prepared blocks, and what an error says about the outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import asyncpg
import orjson

from shared.sql_blocks import SqlBlocks

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

# The statement dies before the client gives up, so that a slow statement has a known outcome.
STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 2_000
CONNECT_TIMEOUT_SECONDS = 5
COMMAND_TIMEOUT_SECONDS = 10

# The last is the server's own fault (class XX), such as "pfree called with invalid pointer", seen once of PostgreSQL 18.4 where many updated
# one row. It is rolled back, as the others are, so the batch may run again.
_RETRY_WHOLE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.InternalServerError)
_DATA = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,  # 57P01 and its kin: the server is going away
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
# A cancelled statement is rolled back: its outcome is known, the database is merely slow.
_KNOWN = (asyncpg.QueryCanceledError,)
_BUSY = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,  # its disk or memory is full
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary that became one
)


class Row(Protocol):
    """A row as code reads it: a record of the driver, or a dict in a test."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Database:
    """How to reach the database: URL, connections, and the name shown in `pg_stat_activity`.

    `generic_plans`: plan each statement once for all parameters. For services whose every statement looks rows up by id: a plan
    for 256 known ids takes PostgreSQL longer to make than to run, and without fresh statistics it reads the whole range of ids.
    """

    url: str
    pool_size: int
    name: str
    generic_plans: bool = False


async def create_pool(database: Database) -> Pool:
    """Open a pool. Raises what connecting raises: a service without its database does not start."""
    return await asyncpg.create_pool(
        database.url,
        min_size=min(2, database.pool_size),
        max_size=database.pool_size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        init=_prepare_connection,
        reset=_leave_as_it_is,
        server_settings={
            "application_name": f"magiclink-{database.name}",
            "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": "10000",
            # Plans are for few partitions and small batches: compiling them costs more than running them.
            "jit": "off",
            # A plan that was made while a table was empty reads all of it when it is large (docs/decisions/0016).
            "enable_seqscan": "off",
            "plan_cache_mode": "force_generic_plan" if database.generic_plans else "auto",
        },
    )


async def _prepare_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec(
        "jsonb", encoder=_dumps, decoder=orjson.loads, schema="pg_catalog", format="text"
    )


async def _leave_as_it_is(_: object) -> None:
    """Ask nothing of a connection that goes back to the pool; the driver has rolled back what was open.

    Its own four statements (`RESET ALL` and the like) are a round trip after each transaction, one of seven when links are issued. They undo what
    nobody here does: settings are made with `SET LOCAL` only, and `LISTEN` has a connection of its own.
    """


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


async def prepare_all(pool: Pool, blocks: Iterable[SqlBlocks]) -> None:
    """Prepare every block, so that a wrong column stops the start and not the first call that needs it."""
    async with pool.acquire() as connection:
        for block in blocks:
            for name, text in block.blocks.items():
                try:
                    await connection.prepare(text)
                except asyncpg.PostgresError as error:
                    raise RuntimeError(
                        f"{block.path.name}: {name}: {error} (was `magiclink migrate` run?)"
                    ) from error


def is_lost(error: BaseException) -> bool:
    """Say whether the connection died, so that the statement may or may not have taken effect."""
    return isinstance(error, _LOST) and not isinstance(error, _KNOWN)


def is_away(error: BaseException) -> bool:
    """Say whether the database is away or too busy, as opposed to refusing what it was asked."""
    return is_lost(error) or isinstance(error, _BUSY + _RETRY_WHOLE)


T = TypeVar("T")
R = TypeVar("R")


async def run_batch(
    items: list[T], execute: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]]
) -> Sequence[R | BaseException]:
    """Run a batch so that one bad item fails alone (DESIGN §7).

    A data error (SQLSTATE classes 22 and 23) halves the batch until the bad item stands alone; a serialization failure, a
    deadlock or an internal fault of the server retries it whole, three times; everything else is the caller's to judge.
    """
    for pause_seconds in (0.01, 0.05, None):
        try:
            return await execute(items)
        except _DATA as error:
            if len(items) == 1:
                return [error]
            half = len(items) // 2
            return [*await run_batch(items[:half], execute), *await run_batch(items[half:], execute)]
        except _RETRY_WHOLE:
            if pause_seconds is None:
                raise
            await asyncio.sleep(pause_seconds)
    raise AssertionError("unreachable")
