import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from shared import database
from shared.database import is_away, is_lost, run_batch


async def refuse_bad(items: list[str]) -> Sequence[str | BaseException]:
    if any(item.startswith("bad") for item in items):
        raise asyncpg.CharacterNotInRepertoireError("no such character")
    return [item.upper() for item in items]


@pytest.mark.parametrize("bad_places", [(), (0,), (3,), (6,), (2, 3), (0, 6), tuple(range(7))])
async def test_a_bad_item_fails_alone(bad_places: tuple[int, ...]) -> None:
    items = [f"bad{n}" if n in bad_places else f"good{n}" for n in range(7)]
    results = await run_batch(items, refuse_bad)
    assert [isinstance(result, asyncpg.DataError) for result in results] == [
        n in bad_places for n in range(7)
    ]
    assert [result for result in results if isinstance(result, str)] == [
        item.upper() for item in items if item.startswith("good")
    ]


@pytest.mark.parametrize(
    "error", [asyncpg.UniqueViolationError("x"), asyncpg.NumericValueOutOfRangeError("x")]
)
async def test_errors_of_the_classes_22_and_23_split_a_batch(error: asyncpg.PostgresError) -> None:
    sizes = []

    async def execute(items: list[int]) -> Sequence[int | BaseException]:
        sizes.append(len(items))
        if 3 in items:
            raise error
        return items

    assert await run_batch([1, 2, 3, 4], execute) == [1, 2, error, 4]
    assert sizes == [4, 2, 2, 1, 1]


@pytest.mark.parametrize(
    "error",
    [asyncpg.DeadlockDetectedError("x"), asyncpg.SerializationError("x"), asyncpg.InternalServerError("x")],
)
async def test_a_deadlock_runs_the_whole_batch_again(error: asyncpg.PostgresError) -> None:
    runs: list[list[int]] = []

    async def execute(items: list[int]) -> Sequence[int | BaseException]:
        runs.append(list(items))
        if len(runs) < 3:
            raise error
        return items

    assert await run_batch([1, 2], execute) == [1, 2]
    assert runs == [[1, 2]] * 3


async def test_a_deadlock_that_stays_is_told_after_three_tries() -> None:
    runs = 0

    async def execute(_: list[int]) -> Sequence[int | BaseException]:
        nonlocal runs
        runs += 1
        raise asyncpg.DeadlockDetectedError("x")

    with pytest.raises(asyncpg.DeadlockDetectedError):
        await run_batch([1, 2], execute)
    assert runs == 3


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("x"),
        OSError("x"),
        asyncpg.UndefinedColumnError("x"),
        ValueError("x"),
    ],
)
async def test_whatever_else_fails_is_the_callers_to_judge_and_runs_once(error: Exception) -> None:
    runs = 0

    async def execute(_: list[int]) -> Sequence[int | BaseException]:
        nonlocal runs
        runs += 1
        raise error

    with pytest.raises(type(error)):
        await run_batch([1, 2], execute)
    assert runs == 1


@pytest.mark.parametrize(
    ("error", "lost", "away"),
    [
        (asyncpg.ConnectionDoesNotExistError("x"), True, True),
        (asyncpg.AdminShutdownError("x"), True, True),
        (asyncpg.CannotConnectNowError("x"), True, True),
        (asyncpg.InterfaceError("x"), True, True),
        (asyncpg.TooManyConnectionsError("x"), True, True),
        (ConnectionResetError("x"), True, True),
        (TimeoutError("x"), True, True),
        # Rolled back: the outcome is known.
        (asyncpg.QueryCanceledError("x"), False, True),
        (asyncpg.LockNotAvailableError("x"), False, True),
        (asyncpg.DeadlockDetectedError("x"), False, True),
        # The database answers, and what it says is about what it was asked.
        (asyncpg.UniqueViolationError("x"), False, False),
        (asyncpg.UndefinedTableError("x"), False, False),
        (asyncpg.InsufficientPrivilegeError("x"), False, False),
        (ValueError("x"), False, False),
        (asyncio.CancelledError(), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_says_whether_its_outcome_is_known_and_whether_to_ask_later(
    error: BaseException, lost: bool, away: bool
) -> None:
    assert is_lost(error) is lost
    assert is_away(error) is away


def test_a_statement_dies_before_its_client_gives_up() -> None:
    assert database.LOCK_TIMEOUT_MS < database.STATEMENT_TIMEOUT_MS < database.COMMAND_TIMEOUT_SECONDS * 1000
