"""G1, G4 and G8: at most one winner a link, whatever breaks in between; an outage never burns a link."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest

from services.dev.plan import Plan
from tests.clusters import House, running_house, start_stopped_stores, until_verifiers_ready

ATTEMPTS = 50

# By token and attempt: "won", or the code of the refusal.
Answers = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A cluster of this module's own, because its tests stop and kill its parts."""
    async with running_house(tmp_path_factory.mktemp("consume-once"), Plan(verifiers=2)) as house:
        yield house


@pytest.fixture(autouse=True)
async def whole_again(house: House) -> AsyncIterator[None]:
    """Whatever a test left broken is started again."""
    yield
    await start_stopped_stores(house)


async def storm(house: House, tokens: list[str], attempts: int = ATTEMPTS) -> dict[str, Counter[str]]:
    """Redeem every token many times at once, over both verifiers; return the verdicts of each."""
    verdicts: dict[str, Counter[str]] = {token: Counter() for token in tokens}

    async def one(token: str, number: int) -> None:
        status, body = await house.verify(token, replica=number)
        verdicts[token]["won" if status == 200 else body["code"]] += 1

    # Token by token interleaved, so that the attempts on one token really meet.
    queue = [(token, number) for token in tokens for number in range(attempts)]

    async def worker(mine: list[tuple[str, int]]) -> None:
        for token, number in mine:
            await one(token, number)

    await asyncio.gather(*(worker(queue[start::100]) for start in range(100)))
    return verdicts


def winners(verdicts: dict[str, Counter[str]]) -> Counter[int]:
    return Counter(verdict["won"] for verdict in verdicts.values())


async def tokens_of(house: House, count: int) -> list[str]:
    return [link["token"] for link in await house.make_links(count)]


async def test_fifty_attempts_on_each_of_two_hundred_links_have_two_hundred_winners(house: House) -> None:
    verdicts = await storm(house, await tokens_of(house, 200))
    assert winners(verdicts) == {1: 200}
    others = sum((verdict for verdict in verdicts.values()), Counter())
    assert set(others) <= {"won", "link_consumed", "link_in_progress"}


async def test_flushing_redis_in_the_middle_makes_no_second_winner(house: House) -> None:
    tokens = await tokens_of(house, 200)
    redis = await _redis(house)
    storming = asyncio.create_task(storm(house, tokens))
    flushes = 0
    while not storming.done():
        await redis.flushall()
        flushes += 1
        await asyncio.sleep(0.05)
    await redis.aclose()
    assert flushes > 3
    assert winners(await storming) == {1: 200}


async def _redis(house: House):  # type: ignore[no-untyped-def] # noqa: ANN202 - redis-py's client is a type of its own making
    import redis.asyncio

    return redis.asyncio.Redis.from_url(house.cluster.backends.redis_url)


async def test_stopping_redis_and_starting_it_empty_makes_no_second_winner(house: House) -> None:
    tokens = await tokens_of(house, 200)
    storming = asyncio.create_task(storm(house, tokens))
    await asyncio.sleep(0.5)
    await house.cluster.kill("redis")
    await asyncio.sleep(1.5)
    await house.cluster.restart("redis", empty=True)
    assert winners(await storming) == {1: 200}
    # And none of the losers' later tries, asked of an empty Redis, finds a link that is free again.
    again = await storm(house, tokens, attempts=2)
    assert winners(again) == {0: 200}


async def test_with_redis_down_links_are_verified_still_once(house: House) -> None:
    await house.cluster.kill("redis")
    verdicts = await storm(house, await tokens_of(house, 40))
    assert winners(verdicts) == {1: 40}


async def test_with_postgresql_stopped_the_answer_is_503_and_afterwards_every_link_works(
    house: House,
) -> None:
    links = await house.make_links(30)
    keys = {link["token"]: uuid4().hex for link in links}
    await house.cluster.stop_part("postgres")
    for token, key in keys.items():
        status, body, headers = await house.call(
            "POST", f"{house.verifier_url}/v1/links/verify", {"token": token}, key=key
        )
        assert (status, body["code"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) >= 1
    await house.cluster.start_part("postgres")
    await until_verifiers_ready(house)
    outcomes = [
        (await house.verify(token, replica=n, key=key))[0] for n, (token, key) in enumerate(keys.items())
    ]
    assert outcomes == [200] * 30


async def test_killing_backends_around_the_commit_burns_no_link_and_makes_no_second_winner(
    house: House,
) -> None:
    links = await house.make_links(150)
    keys = {link["token"]: [uuid4().hex for _ in range(4)] for link in links}
    owner = await house.database(superuser=True)
    first: Answers = {token: {} for token in keys}
    redeeming = asyncio.create_task(_redeem(house, keys, first))
    kills, deadline = 0, monotonic() + 5
    while not redeeming.done() and monotonic() < deadline:
        kills += await owner.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'magiclink-verifier'"
        )
        await asyncio.sleep(0.02)
    await redeeming
    assert kills > 10
    await _everything_settles(house, keys, first, owner)


async def test_a_crash_of_postgresql_in_the_middle_burns_no_link_and_makes_no_second_winner(
    house: House,
) -> None:
    links = await house.make_links(400)
    keys = {link["token"]: [uuid4().hex for _ in range(4)] for link in links}
    first: Answers = {token: {} for token in keys}
    redeeming = asyncio.create_task(_redeem(house, keys, first))
    while sum(map(len, first.values())) < 200:
        await asyncio.sleep(0.01)
    await house.cluster.kill("postgres")
    # Down until somebody has been turned away: whoever merely waits for an outcome learns it from a database that is back soon.
    async with asyncio.timeout(20):
        while "unavailable" not in {told for verdicts in first.values() for told in verdicts.values()}:
            await asyncio.sleep(0.1)
    await house.cluster.start_part("postgres")
    await redeeming
    await until_verifiers_ready(house)
    owner = await house.database()
    await _everything_settles(house, keys, first, owner)


async def _redeem(house: House, keys: dict[str, list[str]], found: Answers) -> None:
    """Each link is asked for by four attempts at once; note what each attempt was told."""
    queue = [(token, number, key) for token, attempts in keys.items() for number, key in enumerate(attempts)]

    async def worker(mine: list[tuple[str, int, str]]) -> None:
        for token, number, key in mine:
            status, body = await house.verify(token, replica=number, key=key)
            found[token][key] = "won" if status == 200 else body["code"]

    await asyncio.gather(*(worker(queue[start::50]) for start in range(50)))


async def _everything_settles(
    house: House, keys: dict[str, list[str]], first: Answers, owner: asyncpg.Connection
) -> None:
    """Ask again with the same attempts: each link has one winner, and whoever was told 200 is still told so."""
    for token, attempts in keys.items():
        told_now: dict[str, str] = {}
        for number, key in enumerate(attempts):
            told_now[key] = await _final(house, token, number + 1, key)
        winners = {key for key, told in told_now.items() if told == "won"}
        assert len(winners) == 1, f"before {first[token]}, now {told_now}"
        won = {key for key, told in first[token].items() if told == "won"}
        assert won <= winners, "an attempt that was told it had won lost afterwards"
        lost = {key for key, told in first[token].items() if told == "link_consumed"}
        assert not lost & winners, "the winner was told that somebody else had consumed its link"
    await owner.close()


async def _final(house: House, token: str, replica: int, key: str) -> str:
    """Return what an attempt is told for good; "in progress" says that it shall ask again, as while a commit waits for a slow disk."""
    for _ in range(10):
        status, body = await house.verify(token, replica=replica, key=key)
        assert status in (200, 409), body
        told = "won" if status == 200 else str(body["code"])
        if told != "link_in_progress":
            break
    return told


async def test_a_request_during_an_outage_is_answered_503_and_its_retry_makes_one_link(house: House) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "channel": "email"}
    await house.cluster.kill("postgres")
    status, answer, headers = await house.call("POST", f"{house.issuer_url}/v1/links", body, key="outage")
    assert (status, answer["code"]) == (503, "unavailable")
    assert int(headers["Retry-After"]) >= 1
    await house.cluster.start_part("postgres")
    for _ in range(100):
        status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links", body, key="outage")
        if status != 503:
            break
        await asyncio.sleep(0.1)
    again = await house.call("POST", f"{house.issuer_url}/v1/links", body, key="outage")
    assert (status, again[0]) == (201, 201)
    assert again[1]["link"]["id"] == answer["link"]["id"]
    await house.until_caught(1, to=body["email"])


async def test_all_services_lived_through_this_and_logged_no_unexpected_failure(house: House) -> None:
    for name in ("issuer", "verifier", "verifier-2", "notifier"):
        assert house.cluster.part(name).running, f"{name} ended"
        log = (house.cluster.logs_dir / f"{name}.log").read_text()
        for bad in ("request_failed", "task_failed", "Traceback"):
            assert bad not in log, f"{name}: {bad}"
