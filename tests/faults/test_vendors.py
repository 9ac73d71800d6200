"""G1, G4 and G8 as callers of the four vendors' APIs have them: one winner, and whatever breaks, nobody loses a sign-in for good.

Most of these callers send no `Idempotency-Key`, so a proof that is settled was won by exactly one caller who was told so.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from services.dev.plan import Plan
from tests.clusters import House, running_house, start_stopped_stores, until_verifiers_ready
from tests.faults.balancer import balancing
from tests.vendor_calls import VENDORS, Json, Said, Vendor, WorkOS, somebody

CALLERS = 3
PROOFS = 8
VERIFIERS = ("verifier", "verifier-2")


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A cluster of this module's own, because its tests stop and kill its parts; compat reaches both verifiers."""
    limits = {"MAGICLINK_RATE_PER_ADDRESS": "1000000", "MAGICLINK_RATE_PER_KEY": "1000000"}
    async with balancing() as balancer:
        environment = {"*": limits, "compat": {"MAGICLINK_VERIFIER_URL": balancer.url}}
        plan = Plan(verifiers=2, compats=1, environment=environment)
        async with running_house(tmp_path_factory.mktemp("vendors"), plan) as house:
            balancer.targets += [house.cluster.ports[name] for name in VERIFIERS]
            yield house


@pytest.fixture(autouse=True)
async def whole_again(house: House) -> AsyncIterator[None]:
    """Whatever a test left broken is started again."""
    yield
    await start_stopped_stores(house)
    for name in (*VERIFIERS, "compat"):
        if not house.cluster.part(name).running:
            await house.cluster.start_part(name)
    await until_verifiers_ready(house)


@dataclass
class Attempt:
    """One proof, and what each of those who redeemed it was told."""

    vendor: Vendor
    proof: Json
    told: list[Said] = field(default_factory=list)

    def wins(self) -> int:
        return self.told.count(Said.WON)

    async def ask(self) -> None:
        self.told.append(await self.vendor.ask(self.proof))

    async def settle(self) -> None:
        """Ask again, as one caller after another would, until it is told for good that the proof is used."""
        for _ in range(10):
            await self.ask()
            if self.told[-1] is Said.LOST:
                return
            if self.told[-1] is not Said.WON:
                await asyncio.sleep(0.2)
        raise AssertionError(f"{self.vendor.name} does not settle: {self.told}")

    def __repr__(self) -> str:
        return f"<{self.vendor.name}: {[said.value for said in self.told]}>"


async def begun(house: House, count: int = PROOFS) -> list[Attempt]:
    """Start sign-ins with each vendor, interleaved."""
    vendors = [vendor.of(house) for vendor in VENDORS]

    async def begin(vendor: Vendor) -> list[Attempt]:
        return [Attempt(vendor, await vendor.begin()) for _ in range(count)]

    rows = await asyncio.gather(*(begin(vendor) for vendor in vendors))
    return [attempt for together in zip(*rows, strict=True) for attempt in together]


async def redeem_while(attempts: list[Attempt], breaking: Callable[[], Awaitable[None]]) -> None:
    """Let several callers redeem each proof at once; break something when a quarter of them was answered."""
    queue = [attempt for attempt in attempts for _ in range(CALLERS)]

    async def worker(mine: list[Attempt]) -> None:
        for attempt in mine:
            await attempt.ask()

    redeeming = asyncio.gather(*(worker(queue[at::24]) for at in range(24)))
    while sum(len(attempt.told) for attempt in attempts) < len(queue) // 4 and not redeeming.done():
        await asyncio.sleep(0.005)
    await breaking()
    await redeeming


async def settled(attempts: list[Attempt]) -> None:
    await asyncio.gather(*(attempt.settle() for attempt in attempts))


async def each_has_one_winner(attempts: list[Attempt]) -> None:
    """Every proof works still, or was won by the one caller who was told so."""
    await settled(attempts)
    assert [attempt for attempt in attempts if attempt.wins() != 1] == []


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
async def test_of_fifty_callers_at_once_one_is_signed_in(house: House, vendor: type[Vendor]) -> None:
    caller = vendor.of(house)
    for _ in range(3):
        proof = await caller.begin()
        told = Counter(await asyncio.gather(*(caller.ask(proof) for _ in range(50))))
        assert told[Said.WON] == 1, told
        assert told.keys() <= {Said.WON, Said.LOST, Said.AWAY}


async def test_with_postgresql_stopped_in_the_middle_each_proof_has_one_winner(house: House) -> None:
    attempts = await begun(house)

    async def stop() -> None:
        await house.cluster.stop_part("postgres")
        await asyncio.sleep(1)
        await house.cluster.start_part("postgres")

    await redeem_while(attempts, stop)
    await each_has_one_winner(attempts)


async def test_with_postgresql_killed_until_callers_are_told_to_ask_again_each_proof_has_one_winner(
    house: House,
) -> None:
    attempts = await begun(house)

    async def kill() -> None:
        await house.cluster.kill("postgres")
        async with asyncio.timeout(20):
            while not any(Said.AWAY in attempt.told for attempt in attempts):
                await asyncio.sleep(0.05)
        await house.cluster.start_part("postgres")

    await redeem_while(attempts, kill)
    await each_has_one_winner(attempts)


async def test_with_a_verifier_killed_in_the_middle_the_other_signs_everybody_in(house: House) -> None:
    attempts = await begun(house)
    await redeem_while(attempts, lambda: house.cluster.kill("verifier"))
    assert not house.cluster.part("verifier").running
    await each_has_one_winner(attempts)


async def test_with_both_verifiers_killed_and_started_again_each_proof_has_one_winner(house: House) -> None:
    attempts = await begun(house)

    async def kill() -> None:
        await asyncio.gather(*(house.cluster.kill(name) for name in VERIFIERS))
        await asyncio.gather(*(house.cluster.start_part(name) for name in VERIFIERS))

    await redeem_while(attempts, kill)
    await each_has_one_winner(attempts)


async def test_with_redis_gone_each_proof_has_one_winner(house: House) -> None:
    attempts = await begun(house)
    await redeem_while(attempts, lambda: house.cluster.kill("redis"))
    await each_has_one_winner(attempts)
    # Nor does an empty Redis know of a proof that is free again.
    await house.cluster.restart("redis", empty=True)
    await each_has_one_winner(attempts)


async def test_compat_stopped_as_an_update_stops_it_tells_each_winner(house: House) -> None:
    attempts = await begun(house)

    async def restart() -> None:
        """Somebody knocks all the while: on a quick machine compat answers all the others before it closes its door."""
        restarting = asyncio.create_task(house.cluster.restart("compat"))
        while not restarting.done():
            await attempts[0].ask()
            await asyncio.sleep(0.02)
        await restarting

    await redeem_while(attempts, restart)
    assert any(Said.NOTHING in attempt.told for attempt in attempts), "nobody met the closed door"
    await each_has_one_winner(attempts)


async def test_compat_killed_makes_no_second_winner_and_loses_only_what_it_was_answering(
    house: House,
) -> None:
    """A win that died with the process had no name that its caller could ask by (decision 0012)."""
    attempts = await begun(house)

    async def kill() -> None:
        await house.cluster.kill("compat")
        await house.cluster.start_part("compat")

    await redeem_while(attempts, kill)
    unanswered = [attempt for attempt in attempts if Said.NOTHING in attempt.told]
    assert unanswered, "nobody was being answered"
    await settled(attempts)
    assert [attempt for attempt in attempts if attempt.wins() > 1] == []
    assert [attempt for attempt in attempts if attempt.wins() < 1 and attempt not in unanswered] == []


async def test_callers_who_name_their_attempt_get_their_win_from_a_compat_that_was_killed(
    house: House,
) -> None:
    """WorkOS's Python SDK repeats a POST with the same `Idempotency-Key`."""
    product = WorkOS.of(house)
    proofs = [await product.begin() for _ in range(20)]
    keys = [[uuid4().hex for _ in range(CALLERS)] for _ in proofs]
    calls = [(proof, key) for proof, mine in zip(proofs, keys, strict=True) for key in mine]
    tasks = [asyncio.create_task(product.ask(proof, **{"Idempotency-Key": key})) for proof, key in calls]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await house.cluster.kill("compat")
    first = await asyncio.gather(*tasks)
    await house.cluster.start_part("compat")
    assert Said.NOTHING in first
    again = [await product.ask(proof, **{"Idempotency-Key": key}) for proof, key in calls]
    winners = [Counter(again[at : at + CALLERS])[Said.WON] for at in range(0, len(calls), CALLERS)]
    assert winners == [1] * len(proofs)
    # Whoever was told anything for good is told the same.
    told = [pair for pair in zip(first, again, strict=True) if pair[0] in (Said.WON, Said.LOST)]
    assert [pair for pair in told if pair[0] is not pair[1]] == []


async def test_a_repeated_post_of_workos_gives_the_same_also_when_redis_forgot_everything(
    house: House,
) -> None:
    product = WorkOS.of(house)
    key, email = uuid4().hex, somebody()

    async def all_of_it() -> list[Any]:
        repeated = {"Idempotency-Key": key}
        session = await product.new_session(email, "s", **repeated)
        made = await product.new_code(email, **repeated)
        proof = {"email": email, "code": made["code"]}
        status, signed_in = await product.redeem(proof, **repeated)
        assert status == 200, signed_in
        return [session, made, signed_in["refresh_token"], signed_in["user"]["id"]]

    first = await all_of_it()
    assert await all_of_it() == first
    await house.cluster.restart("redis", empty=True)
    assert await all_of_it() == first
    other = await product.new_session(email, "s", **{"Idempotency-Key": uuid4().hex})
    assert (other["id"], other["link"]) != (first[0]["id"], first[0]["link"])
    assert await product.ask({"email": email, "code": first[1]["code"]}) is Said.LOST


async def test_a_key_that_was_used_for_another_request_of_workos_is_refused(house: House) -> None:
    product = WorkOS.of(house)
    key = {"Idempotency-Key": uuid4().hex}
    await product.new_session(somebody(), **key)
    body = {"email": somebody(), "type": "MagicLink", "redirect_uri": product.given["redirect_uri"]}
    status, answer = await product.call("POST", "/passwordless/sessions", body, **product.credentials, **key)
    assert (status, answer["code"]) == (409, "idempotency_conflict")


async def test_all_services_lived_through_this_and_logged_no_unexpected_failure(house: House) -> None:
    for name in ("issuer", *VERIFIERS, "notifier", "compat"):
        assert house.cluster.part(name).running, f"{name} ended"
        log = (house.cluster.logs_dir / f"{name}.log").read_text()
        for bad in ("request_failed", "task_failed", "Traceback"):
            assert bad not in log, f"{name}: {bad}"
