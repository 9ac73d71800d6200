"""Limits on guessing hold over crashes and without Redis (G8); an outage burns no link by its passcode either (G1, G4)."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio

from services.dev.plan import Plan
from tests.clusters import House, running_house, start_stopped_stores, until_verifiers_ready

PASSING = ("unavailable", "link_in_progress")


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A cluster of this module's own, because its tests stop and kill its parts."""
    async with running_house(tmp_path_factory.mktemp("passcodes"), Plan(verifiers=2)) as house:
        yield house


@pytest.fixture(autouse=True)
async def whole_again(house: House) -> AsyncIterator[None]:
    """Whatever a test left broken is started again."""
    yield
    await start_stopped_stores(house)
    await until_verifiers_ready(house)


async def redeem(
    house: House, link: dict[str, Any], passcode: str, key: str | None = None, replica: int = 0
) -> str:
    """Redeem by passcode; return "won" or the code of the refusal."""
    url = f"{house.cluster.verifier_urls[replica % 2]}/v1/passcodes/verify"
    body = {"passcode": passcode, "link_id": link["id"], "jwt": False}
    status, answer, headers = await house.call("POST", url, body, key=key)
    assert status != 503 or int(headers["Retry-After"]) >= 1
    return "won" if status == 200 else str(answer["code"])


def wrong(link: dict[str, Any], number: int) -> str:
    return f"{(int(link['passcode']) + 1 + number) % 10 ** len(link['passcode']):0{len(link['passcode'])}}"


async def tries_of(house: House, link: dict[str, Any]) -> int:
    owner = await house.database()
    tries = await owner.fetchval("SELECT passcode_tries FROM magiclink.links WHERE id = $1", link["id"])
    await owner.close()
    return int(tries)


async def test_tries_outlive_a_crash_of_postgresql(house: House) -> None:
    (link,) = await house.make_links(1, passcode=True)
    for number in range(3):
        assert await redeem(house, link, wrong(link, number)) == "passcode_invalid"
    await house.cluster.kill("postgres")
    assert await redeem(house, link, wrong(link, 3)) == "unavailable"
    await house.cluster.start_part("postgres")
    await until_verifiers_ready(house)
    assert await tries_of(house, link) == 3
    for number in range(10):
        assert await redeem(house, link, wrong(link, number), replica=number) == "passcode_invalid"
    assert await tries_of(house, link) == 5
    assert await redeem(house, link, link["passcode"]) == "passcode_invalid"
    assert (await house.verify(link["token"]))[0] == 200


async def test_a_crash_in_the_middle_of_a_storm_gives_a_guesser_no_sixth_try(house: House) -> None:
    links = await house.make_links(20, passcode=True)
    # Ten wrong guesses at each link, of which five may count, interleaved with a crash.
    guesses = [(link, number) for number in range(10) for link in links]

    async def worker(mine: list[tuple[dict[str, Any], int]]) -> None:
        for link, number in mine:
            assert await redeem(house, link, wrong(link, number), replica=number) in (
                "passcode_invalid",
                *PASSING,
            )

    storming = asyncio.gather(*(worker(guesses[at::20]) for at in range(20)))
    await asyncio.sleep(0.3)
    await house.cluster.kill("postgres")
    await asyncio.sleep(0.5)
    await house.cluster.start_part("postgres")
    await storming
    await until_verifiers_ready(house)
    for link in links:
        for number in range(10):
            assert await redeem(house, link, wrong(link, number)) == "passcode_invalid"
        assert await tries_of(house, link) == 5
        assert await redeem(house, link, link["passcode"]) == "passcode_invalid"


async def test_without_redis_and_with_an_empty_one_five_tries_are_five(house: House) -> None:
    locked, free = await house.make_links(2, passcode=True)
    client = redis.asyncio.Redis.from_url(house.cluster.backends.redis_url)
    for number in range(4):
        assert await redeem(house, locked, wrong(locked, number)) == "passcode_invalid"
        await client.flushall()
    await client.aclose()
    await house.cluster.kill("redis")
    assert await redeem(house, locked, wrong(locked, 4)) == "passcode_invalid"
    assert await redeem(house, locked, locked["passcode"]) == "passcode_invalid"
    assert await redeem(house, free, free["passcode"]) == "won"
    await house.cluster.restart("redis", empty=True)
    assert await redeem(house, locked, locked["passcode"]) == "passcode_invalid"
    assert await redeem(house, free, free["passcode"]) == "passcode_invalid"


async def test_with_postgresql_stopped_the_answer_is_503_and_afterwards_every_passcode_works(
    house: House,
) -> None:
    links = await house.make_links(20, passcode=True)
    await house.cluster.stop_part("postgres")
    assert {await redeem(house, link, link["passcode"], link["id"]) for link in links} == {"unavailable"}
    await house.cluster.start_part("postgres")
    await until_verifiers_ready(house)
    assert [await redeem(house, link, link["passcode"], link["id"]) for link in links] == ["won"] * 20


async def test_killing_backends_around_the_commit_leaves_each_link_one_winner_of_two_doors(
    house: House,
) -> None:
    links = await house.make_links(60, passcode=True)
    superuser = await house.database(superuser=True)
    told: dict[str, dict[str, str]] = {link["id"]: {} for link in links}

    async def through(door: str, link: dict[str, Any], key: str) -> str:
        if door == "passcode":
            return await redeem(house, link, link["passcode"], key, replica=1)
        status, body = await house.verify(link["token"], key=key)
        return "won" if status == 200 else str(body["code"])

    async def worker(mine: list[dict[str, Any]], door: str) -> None:
        for link in mine:
            told[link["id"]][door] = await through(door, link, f"{door}-{link['id']}")

    doors = ("passcode", "link")
    redeeming = asyncio.gather(*(worker(links[at::10], door) for at in range(10) for door in doors))
    kills, deadline = 0, monotonic() + 5
    while not redeeming.done() and monotonic() < deadline:
        kills += await superuser.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'magiclink-verifier'"
        )
        await asyncio.sleep(0.02)
    await redeeming
    await superuser.close()
    assert kills > 3
    await until_verifiers_ready(house)
    for link in links:
        # The same attempts ask again: the passcode needs no further try for it.
        winners = {door for door in doors if await through(door, link, f"{door}-{link['id']}") == "won"}
        assert len(winners) == 1, f"{winners} after {told[link['id']]}"
        assert {door for door, said in told[link["id"]].items() if said == "won"} <= winners
        assert await tries_of(house, link) <= 1


async def test_a_lost_answer_is_found_by_whoever_asks_again_at_another_replica(house: House) -> None:
    (link,) = await house.make_links(1, passcode=True)
    key = uuid4().hex
    assert await redeem(house, link, link["passcode"], key) == "won"
    await house.cluster.kill("redis")
    assert await redeem(house, link, link["passcode"], key, replica=1) == "won"
    assert await redeem(house, link, link["passcode"], uuid4().hex, replica=1) == "passcode_invalid"


async def test_the_verifiers_lived_through_this_and_logged_no_unexpected_failure(house: House) -> None:
    for name in ("verifier", "verifier-2"):
        assert house.cluster.part(name).running, f"{name} ended"
        log = (house.cluster.logs_dir / f"{name}.log").read_text()
        for bad in ("request_failed", "task_failed", "Traceback"):
            assert bad not in log, f"{name}: {bad}"
