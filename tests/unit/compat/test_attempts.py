"""Attempts whose outcome nobody knows are gone on with, by one caller at a time."""

import asyncio
from uuid import UUID

import pytest

from services.compat.attempts import KEEP_SECONDS, Attempts
from services.compat.native import NativeRefusal
from shared.client import ApiError
from shared.errors import Unavailable

APP = UUID(int=1)
OTHER_APP = UUID(int=2)


def refused(code: str, status: int = 409) -> NativeRefusal:
    return NativeRefusal(ApiError(status=status, code=code, title="refused"))


class Verifier:
    """Wins for the first key it hears of while it is well, or remembers the win it could not tell."""

    def __init__(self) -> None:
        self.winner: str | None = None
        self.asked: list[str] = []
        self.away = False
        self.commits_while_away = False

    async def redeem(self, key: str) -> str:
        self.asked.append(key)
        await asyncio.sleep(0)
        if self.away:
            if self.commits_while_away and self.winner is None:
                self.winner = key
            raise Unavailable
        self.winner = self.winner or key
        if key != self.winner:
            raise refused("link_consumed")
        return "won"


async def test_a_win_that_an_outage_hid_goes_to_whoever_asks_next() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False
    assert await attempts.redeem(APP, "token", verifier.redeem) == "won"
    assert len(set(verifier.asked)) == 1


async def test_after_an_outage_one_of_many_callers_wins() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    lost = await asyncio.gather(
        *(attempts.redeem(APP, "token", verifier.redeem) for _ in range(20)), return_exceptions=True
    )
    assert all(isinstance(error, Unavailable) for error in lost)
    verifier.away = False
    told = await asyncio.gather(
        *(attempts.redeem(APP, "token", verifier.redeem) for _ in range(50)), return_exceptions=True
    )
    assert [one for one in told if one == "won"] == ["won"]


async def test_a_win_that_was_told_is_told_to_nobody_else() -> None:
    attempts, verifier = Attempts(), Verifier()
    assert await attempts.redeem(APP, "token", verifier.redeem) == "won"
    with pytest.raises(NativeRefusal, match="refused"):
        await attempts.redeem(APP, "token", verifier.redeem)


async def test_an_outage_that_goes_on_keeps_what_it_hid() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False
    assert await attempts.redeem(APP, "token", verifier.redeem) == "won"


async def test_a_caller_who_hangs_up_leaves_the_attempt_to_the_next() -> None:
    attempts, verifier = Attempts(), Verifier()
    hung = asyncio.Event()

    async def never(key: str) -> str:
        verifier.winner = key
        hung.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.create_task(attempts.redeem(APP, "token", never))
    await hung.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await attempts.redeem(APP, "token", verifier.redeem) == "won"


@pytest.mark.parametrize(("app", "secret"), [(OTHER_APP, "token"), (APP, "another")])
async def test_only_the_same_secret_of_the_same_app_goes_on(app: UUID, secret: str) -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False
    with pytest.raises(NativeRefusal):
        await attempts.redeem(app, secret, verifier.redeem)


async def test_a_refusal_of_the_link_itself_is_told_at_once() -> None:
    attempts, asked = Attempts(), []

    async def expired(key: str) -> str:
        asked.append(key)
        raise refused("link_expired", 410)

    with pytest.raises(NativeRefusal):
        await attempts.redeem(APP, "token", expired)
    assert len(asked) == 1


async def test_keys_are_forgotten_after_a_while() -> None:
    now = [0.0]
    attempts, verifier = Attempts(clock=lambda: now[0]), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False
    now[0] = KEEP_SECONDS + 1
    with pytest.raises(NativeRefusal):
        await attempts.redeem(APP, "token", verifier.redeem)
