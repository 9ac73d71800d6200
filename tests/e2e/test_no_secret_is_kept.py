"""G6: after all that there is was used, no log, topic, table, Redis key or metric holds a secret.

Secrets are tokens, passcodes, grants, keys, cookies and JWTs, those of sessions, second factors, polling and webhooks, and what the vendors'
APIs make of them.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from aiokafka import AIOKafkaProducer

from services.dev.key_material import ensure_key_material
from shared.bus import DELIVERIES, EVENTS, LINK_REQUESTS, RENEWALS
from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.tokens import EPOCH_CHARS, TOKEN_CHARS, read_named, read_refresh_token
from tests.clusters import House, code_of
from tests.e2e.paths_of_secrets import take_every_other_path
from tests.e2e.paths_of_sessions import take_the_paths_of_sessions
from tests.e2e.paths_of_vendors import take_the_vendors_paths
from tests.e2e.topics import topic_records

_SHAPES = re.compile(
    r"mlk_[0-9A-Za-z]+_[0-9A-Za-z_-]{20,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|whsec_[0-9A-Za-z+/]{20,}|secret=[A-Z2-7]{16,}"
)
# What is signed as a link's token is; a refresh token has its epoch behind it.
_SIGNED = ("link", "grant", "poll", "session", "challenge", "trust")
# Those that a later release added: each was written to by what the test did.
_TABLES = {
    "api_keys",
    "applications",
    "challenges",
    "connections",
    "dead_letters",
    "delivery_options",
    "heads",
    "idempotency_keys",
    "link_visits",
    "passcode_days",
    "passcode_lookups",
    "registrations",
    "second_factors",
    "sessions",
    "trusted_devices",
    "webhook_deliveries",
    "webhook_endpoints",
}
_TOPICS = {EVENTS, LINK_REQUESTS, f"{LINK_REQUESTS}.dlq", RENEWALS, *DELIVERIES.values()}
_WORDS = re.compile(rf"[0-9A-Za-z]{{{TOKEN_CHARS},}}")
_LOGS = {"issuer.log", "verifier.log", "verifier-2.log", "notifier.log", "compat.log"}
_PLANTED = "planted"


@dataclass
class Search:
    """Looks for known secrets, and for unknown ones: whatever the key ring accepts is a token of some purpose."""

    ring: KeyRing
    secrets: Mapping[str, str]
    found: list[str] = field(default_factory=list)

    def look(self, where: str, text: str) -> None:
        for name, secret in self.secrets.items():
            if secret in text:
                self.found.append(f"{where}: {name}")
        if _SHAPES.search(text):
            self.found.append(f"{where}: an API key, a JWT or a secret to sign or count with")
        for word in _WORDS.findall(text):
            for start in range(len(word) - TOKEN_CHARS + 1):
                self.found += [f"{where}: a {purpose} token" for purpose in self._purposes(word[start:])]

    def _purposes(self, word: str) -> list[str]:
        """Return what a word is a token of, if of anything, whatever follows it."""
        token, refresh = word[:TOKEN_CHARS], word[: TOKEN_CHARS + EPOCH_CHARS]
        found = [purpose for purpose in _SIGNED if read_named(self.ring, purpose, token) is not None]
        return found + (["refresh"] if read_refresh_token(self.ring, refresh) is not None else [])


@pytest.fixture(scope="module")
async def secrets(house: House) -> dict[str, str]:
    """Whatever has secrets is used; these are they."""
    found = {
        **await live_through_everything(house),
        **await take_every_other_path(house),
        **await take_the_paths_of_sessions(house),
        **await take_the_vendors_paths(house),
    }
    await asyncio.sleep(2)  # let the events reach their topics, and the visits their table
    return found


async def test_no_log_topic_table_redis_key_or_metric_holds_a_secret(
    house: House, secrets: dict[str, str]
) -> None:
    assert await search_everywhere(house, secrets) == []


async def test_a_secret_that_is_planted_anywhere_is_found(house: House, secrets: dict[str, str]) -> None:
    """The proof that the search above sees what it looks at."""
    planted = secrets["token"]
    (house.cluster.logs_dir / "planted.log").write_text(f'{{"event": "x", "path": "/l/{planted}"}}\n')
    owner = await house.database()
    await owner.execute("CREATE TABLE magiclink.planted (value bytea)")
    await owner.execute("INSERT INTO magiclink.planted VALUES (convert_to($1, 'UTF8'))", planted)
    client = redis.asyncio.Redis.from_url(house.cluster.backends.redis_url)
    await client.hset(_PLANTED, "field", planted)
    producer = AIOKafkaProducer(bootstrap_servers=house.cluster.backends.kafka_bootstrap)
    await producer.start()
    await producer.send_and_wait("magiclink.events", b"planted", headers=[("x", planted.encode())])
    await producer.stop()
    try:
        found = await search_everywhere(house, {"token": "not this one, the ring knows it anyway"})
    finally:
        (house.cluster.logs_dir / "planted.log").unlink()
        await owner.execute("DROP TABLE magiclink.planted")
        await owner.close()
        await client.delete(_PLANTED)
        await client.aclose()
    places = {place.split(":")[0].split(" ")[0] for place in found}
    assert places == {"log", "table", "redis", "topic"}, found


async def test_every_kind_of_secret_is_found_and_those_of_ours_also_when_nobody_knows_them(
    house: House, secrets: dict[str, str]
) -> None:
    ring = ring_of(house)
    for name, secret in secrets.items():
        knowing = Search(ring, {name: secret})
        knowing.look("here", f"before{secret}behind")
        assert f"here: {name}" in knowing.found
    unknowing = Search(ring, {})
    for secret in secrets.values():
        unknowing.look("here", f'"{secret}"')
    kinds = {place.removeprefix("here: a ").removesuffix(" token") for place in unknowing.found}
    assert kinds >= {*_SIGNED, "refresh"}, kinds
    for shaped in ("key", "narrow key", "key of compat", "jwt", "jwt of a factor", "webhook secret"):
        unknowing.found.clear()
        unknowing.look("here", secrets[shaped])
        assert unknowing.found, shaped


async def live_through_everything(house: House) -> dict[str, str]:
    """Use every path that handles a secret, rightly and wrongly; return the secrets."""
    body = {
        "email": "secret@example.com",
        "channel": "email",
        "redirect_url": "/signed-in",
        "passcode": True,
        "state": "s",
    }
    _, made, _ = await house.call("POST", f"{house.issuer_url}/v1/links", body, key="secret-1")
    await house.call("POST", f"{house.issuer_url}/v1/links", body, key="secret-1")
    link = made["link"]
    sms = {"phone": "+12025550111", "channel": "sms", "passcode": True}
    _, texted, _ = await house.call("POST", f"{house.issuer_url}/v1/links", sms)
    await house.until_caught(1, to="+12025550111")
    async with house.session.get(link["url"]) as response:
        (cookie,) = response.cookies.values()
    headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"{cookie.key}={cookie.value}"}
    async with house.session.post(link["url"], headers=headers, allow_redirects=False) as response:
        code = code_of(response.headers["Location"])
    exchange = f"{house.verifier_url}/v1/grants/exchange"
    _, answer, _ = await house.call("POST", exchange, {"code": code}, key="g1")
    await house.call("POST", exchange, {"code": code}, key="g2")
    for token in (texted["link"]["token"], texted["link"]["token"], link["token"], link["token"][:-1] + "!"):
        await house.verify(token)
    _, key, _ = await house.call(
        "POST",
        f"{house.issuer_url}/v1/apps/{house.app_id}/keys",
        {"name": "leak", "scopes": ["links:create"]},
        key="nk",
    )
    async with house.session.get(f"{link['url']}?token={link['token']}&code={code}") as response:
        assert response.status in (200, 409)
    await house.call("POST", f"{house.issuer_url}/v1/links", {"email": link["token"], "state": {"\0": 1}})
    await house.session.post(
        f"{house.issuer_url}/v1/links", headers={"Authorization": f"Bearer {key['key']}x"}
    )
    return {
        "token": link["token"],
        "passcode": f'"{link["passcode"]}"',
        "code": code,
        "jwt": answer["jwt"],
        "cookie": cookie.value,
        "key": key["key"],
        "demo key": house.api_key,
        "sms token": texted["link"]["token"],
    }


async def search_everywhere(house: House, secrets: Mapping[str, str]) -> list[str]:
    search = Search(ring_of(house), secrets)
    logs = list(house.cluster.logs_dir.iterdir())
    assert {log.name for log in logs} >= _LOGS
    for log in logs:
        search.look(f"log {log.name}", log.read_bytes().decode("latin-1"))
    owner = await house.database()
    rows = await rows_of(owner)
    assert {table for table, _ in rows} >= _TABLES
    for table, text in rows:
        search.look(f"table {table}", text)
    await owner.close()
    async for key, text in redis_values(house):
        search.look(f"redis {key}", text)
    for name in house.cluster.plan.all_replicas():
        async with house.session.get(f"{house.cluster.ops_url(name)}/metrics") as response:
            assert response.status == 200
            search.look(f"metric of {name}", await response.text())
    records = await topic_records(house)
    assert {topic for topic, _ in records} >= _TOPICS
    for topic, text in records:
        search.look(f"topic {topic}", text)
    return search.found


def ring_of(house: House) -> KeyRing:
    """Return the verifier's keys: of all services it has the most."""
    ring_file = ensure_key_material(house.cluster.secrets_dir).ring_files["verifier"]
    return KeyRing.parse(ring_file.read_text(), SERVICE_PURPOSES["verifier"])


async def rows_of(owner: asyncpg.Connection) -> list[tuple[str, str]]:
    found = []
    tables = await owner.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'magiclink' AND table_type = 'BASE TABLE'"
    )
    assert len(tables) > 10
    for name in (row["table_name"] for row in tables):
        rows = await owner.fetch(f'SELECT * FROM magiclink."{name}"')
        found += [(name, " ".join(texts(row.values()))) for row in rows]
    return found


def texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        # Latin-1: every byte is a character of its own, so bytes are found among bytes.
        yield value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def redis_values(house: House) -> Any:
    client: Any = redis.asyncio.Redis.from_url(house.cluster.backends.redis_url)
    readers = {b"string": client.get, b"hash": client.hgetall}
    count = 0
    async for key in client.scan_iter():
        count += 1
        value = await readers[await client.type(key)](key)
        yield key.decode(), f"{key!r} {value!r}"
    assert count > 0
    await client.aclose()
