"""`POST /v1/passcodes/verify`: the other door of a link, five tries, and one answer for whatever is wrong."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest

from services.verifier.consume import Consume
from services.verifier.passcode_store import Holder, PasscodeStore
from services.verifier.passcodes import Passcodes, TypedPasscode, Watch
from services.verifier.refusals import Refusals
from services.verifier.store import SQL, VerifierStore
from services.verifier.visits import note_nothing
from shared.cache import Cache
from shared.database import Pool
from shared.errors import PasscodeInvalid, Unavailable
from shared.guesses import GuessLimits
from shared.outbox import OutboxBell
from shared.tokens import LinkRef, make_passcode
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import RINGS, SeededApp, SeededLink, Seeds, one_row

RING = RINGS["verifier"]
LOST = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


async def link_with_passcode(
    seeds: Seeds, app: SeededApp, form: str = "digits:6", **columns: Any
) -> SeededLink:
    return await seeds.link(app, passcode_format=form, **columns)


def passcode_of(link: SeededLink, form: str = "digits:6", epoch: int = 0) -> str:
    return make_passcode(RING, link.ref, epoch, form)


def wrong(link: SeededLink, number: int = 0) -> str:
    """A passcode of the right shape that is not the link's."""
    return f"{(int(passcode_of(link)) + 1 + number) % 1_000_000:06}"


def by_id(link: SeededLink) -> dict[str, str]:
    return {"link_id": str(link.id)}


async def tries_of(owner: asyncpg.Connection, link: SeededLink) -> int:
    row = await one_row(owner, "SELECT passcode_tries FROM magiclink.links WHERE id = $1", link.id)
    return int(row["passcode_tries"])


async def test_the_right_passcode_consumes_the_link_and_is_answered_as_verify_is(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app, channel="sms", state='"s"')
    answer = await verifier.verify_passcode(app, passcode_of(link), **by_id(link))
    assert answer.status == 200
    assert (answer.json["link"]["id"], answer.json["link"]["status"]) == (str(link.id), "consumed")
    assert answer.json["state"] == "s"
    assert answer.json["user"]["id"] == str(link.user_id)
    claims = jwt.decode(answer.json["jwt"], options={"verify_signature": False})
    assert claims["amr"] == ["otp", "sms"]
    row = await one_row(owner, "SELECT consumed_via FROM magiclink.links WHERE id = $1", link.id)
    assert row["consumed_via"] == "passcode"
    # One record, two doors: the link is used too, and a passcode gives no grant.
    assert (await verifier.verify(app, link.token)).code == "link_consumed"
    assert (await verifier.get(link.token)).status == 409


@pytest.mark.parametrize(
    ("form", "typed"),
    [
        ("digits:6", lambda code: f" {code[:3]} {code[3:]} "),
        ("digits:8", lambda code: f"{code[:4]}-{code[4:]}"),
        ("digits:6", lambda code: f"{code[:3]}\N{EN DASH}{code[3:]}"),
        (
            "digits:6",
            lambda code: "".join(chr(ord("\N{FULLWIDTH DIGIT ZERO}") + int(digit)) for digit in code),
        ),
        ("letters:8", str.lower),
        ("alphanumeric:8", lambda code: code.lower()[:4] + " " + code.lower()[4:]),
        ("bytes:8", str.upper),
    ],
)
async def test_a_passcode_is_read_as_people_type_it(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, form: str, typed: Any
) -> None:
    link = await link_with_passcode(seeds, app, form)
    answer = await verifier.verify_passcode(app, typed(passcode_of(link, form)), **by_id(link))
    assert answer.status == 200


async def test_by_address_it_is_the_newest_live_link_with_a_passcode(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old = await link_with_passcode(seeds, app)
    new = await link_with_passcode(seeds, app)
    await seeds.link(app)  # newer, without a passcode
    await link_with_passcode(seeds, app, lives_seconds=-1)
    await link_with_passcode(seeds, app, starts_in_seconds=60)
    await owner.execute("UPDATE magiclink.users SET phone = '+4930123456' WHERE id = $1", new.user_id)
    assert (await verifier.verify_passcode(app, passcode_of(old), email="ann@example.com")).status == 400
    answer = await verifier.verify_passcode(app, passcode_of(new), email="Ann@EXAMPLE.com")
    assert answer.json["link"]["id"] == str(new.id)
    answer = await verifier.verify_passcode(app, passcode_of(old), phone="+49 30 123456")
    assert answer.json["link"]["id"] == str(old.id)


async def test_whatever_is_wrong_has_one_answer(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    stranger = await seeds.app()
    used = await link_with_passcode(seeds, app)
    late = await link_with_passcode(seeds, app, lives_seconds=-1)
    early = await link_with_passcode(seeds, app, starts_in_seconds=60)
    assert (await verifier.verify_passcode(app, passcode_of(used), **by_id(used))).status == 200
    revoked, locked, free = [await link_with_passcode(seeds, app) for _ in range(3)]
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", revoked.id)
    await owner.execute("UPDATE magiclink.links SET passcode_tries = 5 WHERE id = $1", locked.id)
    superseded = await link_with_passcode(seeds, app, slot="default")
    without, unknown_key = await seeds.link(app), await link_with_passcode(seeds, app, kid="Z")
    nobody = LinkRef(RING.newest["passcode"], UUID(int=0))
    asked = [
        (app, passcode_of(link), by_id(link))
        for link in (used, late, early, revoked, locked, superseded, without)
    ]
    asked += [
        (app, "123456", by_id(unknown_key)),
        (app, wrong(free), by_id(free)),
        (app, "-", by_id(free)),
        (
            app,
            make_passcode(RING, nobody, 0, "digits:6"),
            by_id(locked),
        ),  # what is derived where nothing is compared
        (stranger, passcode_of(free), by_id(free)),
        (app, passcode_of(free), {"link_id": str(uuid4())}),
        (app, passcode_of(free), {"email": "nobody@example.com"}),
        (app, passcode_of(free), {"phone": "+4930999999"}),
    ]
    answers = []
    for caller, passcode, holder in asked:
        answer = await verifier.verify_passcode(caller, passcode, **holder)
        answers.append((answer.status, {k: v for k, v in answer.json.items() if k != "request_id"}))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 400
    assert answers[0][1]["code"] == "passcode_invalid"
    assert (await verifier.verify_passcode(app, passcode_of(free), **by_id(free))).status == 200


async def test_a_body_that_names_nobody_or_two_is_refused(verifier: RunningVerifier, app: SeededApp) -> None:
    for holder in ({}, {"email": "a@example.com", "phone": "+4930123456"}):
        answer = await verifier.verify_passcode(app, "123456", **holder)
        assert (answer.status, answer.json["errors"][0]["rule"]) == (422, "one_holder")
    answer = await verifier.verify_passcode(app, "", email="no address", more=1)
    assert {problem["field"] for problem in answer.json["errors"]} == {"passcode", "email", "more"}


async def test_it_needs_the_scope(verifier: RunningVerifier, seeds: Seeds) -> None:
    app = await seeds.app(scopes=("links:create",))
    link = await link_with_passcode(seeds, app)
    assert (await verifier.verify_passcode(app, passcode_of(link), **by_id(link))).status == 403


async def test_fifty_wrong_guesses_at_once_are_five_tries_and_then_the_right_one_is_not_compared(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    link = await link_with_passcode(seeds, app)
    guesses = [
        (verifier if number % 2 else second_verifier).verify_passcode(app, wrong(link, number), **by_id(link))
        for number in range(50)
    ]
    answers = await asyncio.gather(*guesses)
    assert Counter(answer.code for answer in answers) == {"passcode_invalid": 50}
    assert await tries_of(owner, link) == 5
    days = await one_row(
        owner,
        "SELECT tries FROM magiclink.passcode_days WHERE app_id = $1 AND user_id = $2",
        app.id,
        link.user_id,
    )
    assert days["tries"] == 5
    assert (await verifier.verify_passcode(app, passcode_of(link), **by_id(link))).code == "passcode_invalid"
    # Locked is the passcode, not the link.
    assert (await verifier.verify(app, link.token)).status == 200


def passcodes_of(pool: Any, cache: Cache, bell: OutboxBell) -> Passcodes:
    watch = Watch(note_nothing, Refusals(PasscodeStore(pool), bell), GuessLimits(cache))
    return Passcodes(PasscodeStore(pool), Consume(VerifierStore(pool), cache, bell), RING, watch)


async def test_no_more_than_five_of_many_right_and_wrong_guesses_are_compared(
    verifier_pool: Pool, cache: Cache, app: SeededApp, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await link_with_passcode(seeds, app)
    bell = OutboxBell(verifier_pool)
    passcodes = passcodes_of(verifier_pool, cache, bell)
    compared: list[UUID] = []
    real = make_passcode

    def counted(ring: Any, ref: Any, epoch: int, form: str) -> str:
        compared.append(ref.link_id)
        return real(ring, ref, epoch, form)

    monkeypatch.setattr("services.verifier.passcodes.make_passcode", counted)
    typed = [TypedPasscode(wrong(link, n), Holder(link.id), app.id, f"k{n}", "r") for n in range(50)]
    results = await asyncio.gather(*map(passcodes.redeem, typed), return_exceptions=True)
    assert all(isinstance(result, PasscodeInvalid) for result in results)
    assert compared.count(link.id) == 5
    assert len(compared) == 50  # and as many derivations for nothing, so that time tells nothing
    await bell.close()


async def test_a_new_link_does_not_give_a_guesser_more_than_the_day_allows(
    verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app(passcode_tries_per_day=7)
    links = [await link_with_passcode(seeds, app) for _ in range(3)]
    for link in links:
        for number in range(3):
            await verifier.verify_passcode(app, wrong(link, number), **by_id(link))
    assert [await tries_of(owner, link) for link in links] == [3, 3, 1]
    assert (await verifier.verify_passcode(app, passcode_of(links[2]), **by_id(links[2]))).status == 400
    await owner.execute("UPDATE magiclink.passcode_days SET day = day - 1 WHERE app_id = $1", app.id)
    assert (await verifier.verify_passcode(app, passcode_of(links[2]), **by_id(links[2]))).status == 200


async def test_a_guess_at_nobody_costs_the_same_write_and_is_charged_to_nobody(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app)
    await verifier.verify_passcode(app, "123456", email="nobody@example.com")
    await verifier.verify_passcode(app, "123456", link_id=str(uuid4()))
    rows = await owner.fetch("SELECT user_id, tries FROM magiclink.passcode_days WHERE app_id = $1", app.id)
    assert sum(row["tries"] for row in rows) == 2
    assert all(UUID(str(row["user_id"])).int < 256 for row in rows)
    assert await tries_of(owner, link) == 0


async def test_the_link_and_its_passcode_at_once_have_one_winner(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for _ in range(10):
        link = await link_with_passcode(seeds, app)
        answers = await asyncio.gather(
            verifier.verify(app, link.token),
            second_verifier.verify_passcode(app, passcode_of(link), **by_id(link)),
            second_verifier.press(link.token),
            verifier.verify_passcode(app, passcode_of(link), email="ann@example.com"),
        )
        assert sum(answer.status in (200, 303) for answer in answers) == 1


@pytest.mark.parametrize("by", ["link_id", "email"])
async def test_the_winner_gets_the_answer_again_when_the_tries_are_used_up_and_nobody_else_does(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
    by: str,
) -> None:
    link = await link_with_passcode(seeds, app)
    holder = {"link_id": str(link.id)} if by == "link_id" else {"email": "ann@example.com"}
    for number in range(4):
        await verifier.verify_passcode(app, wrong(link, number), **holder)
    first = await verifier.verify_passcode(app, passcode_of(link), "key-1", **holder)
    assert first.status == 200
    assert await tries_of(owner, link) == 5
    again = await second_verifier.verify_passcode(app, passcode_of(link), "key-1", **holder)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.json["link"] == first.json["link"]
    for passcode, key in ((passcode_of(link), "key-2"), (passcode_of(link), None), (wrong(link), "key-1")):
        assert (await verifier.verify_passcode(app, passcode, key, **holder)).code == "passcode_invalid"


async def test_the_same_attempt_again_is_one_try_and_after_a_resend_a_new_one(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app)
    for _ in range(4):
        await verifier.verify_passcode(app, wrong(link), "one-key", **by_id(link))
    assert await tries_of(owner, link) == 1
    await owner.execute("UPDATE magiclink.links SET passcode_epoch = 1 WHERE id = $1", link.id)
    await verifier.verify_passcode(app, wrong(link), "one-key", **by_id(link))
    assert await tries_of(owner, link) == 2
    assert (await verifier.verify_passcode(app, passcode_of(link), **by_id(link))).status == 400
    assert (await verifier.verify_passcode(app, passcode_of(link, epoch=1), **by_id(link))).status == 200


async def test_the_right_passcode_sent_twice_at_once_under_one_key_is_answered_twice(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for _ in range(10):
        link = await link_with_passcode(seeds, app)
        passcode, holder = passcode_of(link), by_id(link)
        answers = await asyncio.gather(
            *(
                running.verify_passcode(app, passcode, "one-key", **holder)
                for running in (verifier, second_verifier) * 4
            )
        )
        assert [answer.status for answer in answers] == [200] * 8
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1


class FailingPool:
    """Passes statements on, but loses the answer of, or never sends, the consuming one."""

    def __init__(self, pool: Pool, failing: str | None) -> None:
        self.pool = pool
        self.failing = failing

    async def fetch(self, query: str, *args: Any) -> Any:
        if self.failing == "away" and query in (SQL.consume, SQL.look):
            raise LOST
        return await self.pool.fetch(query, *args)


async def test_a_503_burns_no_link_and_the_same_attempt_needs_no_further_try(
    verifier_pool: Pool, cache: Cache, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app, passcode_tries=4)
    pool = FailingPool(verifier_pool, "away")
    bell = OutboxBell(verifier_pool)
    passcodes = passcodes_of(pool, cache, bell)
    typed = TypedPasscode(passcode_of(link), Holder(link.id), app.id, "k", "r")
    with pytest.raises(Unavailable):
        await passcodes.redeem(typed)
    assert await tries_of(owner, link) == 5
    pool.failing = None
    assert (await passcodes.redeem(typed)).row["consumed_via"] == "passcode"
    assert (await passcodes.redeem(typed)).replayed
    await bell.close()


class RevokingPool(FailingPool):
    """Lets somebody else revoke every link after the passcode was compared, before the link is consumed."""

    def __init__(self, pool: Pool, owner: asyncpg.Connection, app: SeededApp) -> None:
        super().__init__(pool, None)
        self.owner = owner
        self.app = app

    async def fetch(self, query: str, *args: Any) -> Any:
        if query == SQL.consume:
            await self.owner.execute(
                "UPDATE magiclink.links SET revoked_at = now() WHERE app_id = $1", self.app.id
            )
        return await super().fetch(query, *args)


async def test_a_link_that_ends_between_comparison_and_consumption_gives_the_one_answer(
    verifier_pool: Pool, cache: Cache, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app)
    bell = OutboxBell(verifier_pool)
    passcodes = passcodes_of(RevokingPool(verifier_pool, owner, app), cache, bell)
    with pytest.raises(PasscodeInvalid):
        await passcodes.redeem(TypedPasscode(passcode_of(link), Holder(link.id), app.id, "k", "r"))
    await bell.close()


async def test_a_foreign_app_uses_up_no_tries(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link, stranger = await link_with_passcode(seeds, app), await seeds.app()
    for number in range(6):
        await verifier.verify_passcode(stranger, wrong(link, number), **by_id(link))
    assert await tries_of(owner, link) == 0


async def test_a_refused_guess_stands_in_the_links_visits(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await link_with_passcode(seeds, app)
    await verifier.verify_passcode(app, wrong(link), **by_id(link))
    for _ in range(40):
        rows = await owner.fetch("SELECT * FROM magiclink.link_visits WHERE link_id = $1", link.id)
        if rows:
            break
        await asyncio.sleep(0.1)
    assert [(row["event"], row["visitor"], row["detail"]) for row in rows] == [
        ("refused", "api", "passcode_invalid")
    ]
