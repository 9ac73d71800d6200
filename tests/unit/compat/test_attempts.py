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


@pytest.mark.parametrize(("code", "status"), [("rate_limited", 429), ("link_in_progress", 409)])
async def test_a_refusal_that_decides_nothing_keeps_what_an_outage_hid(code: str, status: int) -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False

    async def busy(_key: str) -> str:
        raise refused(code, status)

    with pytest.raises(NativeRefusal):
        await attempts.redeem(APP, "token", busy)
    assert await attempts.redeem(APP, "token", verifier.redeem) == "won"


@pytest.mark.parametrize(
    "code", ["link_consumed", "link_invalid", "passcode_invalid", "grant_invalid", "challenge_invalid", "refresh_token_invalid"]
)  # fmt: skip
async def test_of_several_hidden_attempts_the_one_that_won_is_found(code: str) -> None:
    attempts, keys = Attempts(), []

    async def away(key: str) -> str:
        keys.append(key)
        await asyncio.sleep(0)
        raise Unavailable

    await asyncio.gather(*(attempts.redeem(APP, "token", away) for _ in range(3)), return_exceptions=True)

    async def redeem(key: str) -> str:
        if key != keys[-1]:
            raise refused(code)
        return "won"

    assert await attempts.redeem(APP, "token", redeem) == "won"


async def test_a_refusal_of_other_terms_keeps_what_an_outage_hid() -> None:
    """The win is behind the first key still: from the right address its owner gets it."""
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False

    async def from_elsewhere(_key: str) -> str:
        raise refused("client_mismatch", 403)

    with pytest.raises(NativeRefusal):
        await attempts.redeem(APP, "token", from_elsewhere)
    assert await attempts.redeem(APP, "token", verifier.redeem) == "won"


async def test_whoever_was_asked_for_a_second_factor_was_told_of_the_win() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem)
    verifier.away = False

    async def half_way(_key: str) -> str:
        raise refused("second_factor_required", 403)

    with pytest.raises(NativeRefusal):
        await attempts.redeem(APP, "token", half_way)
    with pytest.raises(NativeRefusal, match="refused"):
        await attempts.redeem(APP, "token", verifier.redeem)


async def test_a_callers_own_key_is_the_attempts_and_repeats_it() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem, "mine")
    verifier.away = False
    for _ in range(3):
        assert await attempts.redeem(APP, "token", verifier.redeem, "mine") == "won"
    assert verifier.asked == ["mine"] * 4


async def test_who_asks_again_by_another_key_goes_on_and_the_first_key_wins_no_second_time() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await attempts.redeem(APP, "token", verifier.redeem, "first")
    verifier.away = False
    assert await attempts.redeem(APP, "token", verifier.redeem, "second") == "won"
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem, "first")


async def test_a_key_that_somebody_else_could_not_go_on_with_is_its_owners_again() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    for key in ("first", "second"):
        with pytest.raises(Unavailable):
            await attempts.redeem(APP, "token", verifier.redeem, key)
    verifier.away = False
    assert await attempts.redeem(APP, "token", verifier.redeem, "first") == "won"


async def test_a_key_that_lost_for_somebody_else_is_its_owners_again() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = True
    with pytest.raises(Unavailable):
        await attempts.redeem(APP, "token", verifier.redeem, "first")
    verifier.away, verifier.winner = False, "winner"
    for key in ("second", "first"):
        with pytest.raises(NativeRefusal, match="refused"):
            await attempts.redeem(APP, "token", verifier.redeem, key)


async def test_of_two_keys_of_an_outage_one_wins_whoever_comes_first() -> None:
    attempts, verifier = Attempts(), Verifier()
    verifier.away = verifier.commits_while_away = True
    for key in ("first", "second"):
        with pytest.raises(Unavailable):
            await attempts.redeem(APP, "token", verifier.redeem, key)
    verifier.away = False
    outcomes = await asyncio.gather(
        *(attempts.redeem(APP, "token", verifier.redeem, key) for key in ("second", "first", "third")),
        return_exceptions=True,
    )
    assert outcomes.count("won") == 1


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
