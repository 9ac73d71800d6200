"""G6: after the main job ran, no log, topic, table or Redis key holds a usable token, passcode, grant, API key, cookie or JWT."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import redis.asyncio
from aiokafka import AIOKafkaProducer

from services.dev.key_material import ensure_key_material
from shared.bus import DELIVERIES, EVENTS, LINK_REQUESTS, RENEWALS
from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.tokens import read_grant, read_token
from tests.clusters import House, code_of
from tests.e2e.paths_of_secrets import take_every_other_path
from tests.e2e.topics import topic_records

_SHAPES = re.compile(r"mlk_[0-9A-Za-z]+_[0-9A-Za-z_-]{20,}|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+")
# Those that a later release added: each was written to by what the test did.
_TABLES = {
    "api_keys",
    "dead_letters",
    "delivery_options",
    "heads",
    "idempotency_keys",
    "link_visits",
    "passcode_days",
}
_TOPICS = {EVENTS, LINK_REQUESTS, f"{LINK_REQUESTS}.dlq", RENEWALS, *DELIVERIES.values()}
_WORDS = re.compile(r"[0-9A-Za-z]{39,}")


@dataclass
class Search:
    """Looks for known secrets, and for unknown ones: whatever the key ring accepts is a token or a grant."""

    ring: KeyRing
    secrets: Mapping[str, str]
    found: list[str] = field(default_factory=list)

    def look(self, where: str, text: str) -> None:
        for name, secret in self.secrets.items():
            if secret in text:
                self.found.append(f"{where}: {name}")
        if _SHAPES.search(text):
            self.found.append(f"{where}: an API key or a JWT")
        for word in _WORDS.findall(text):
            if any(self._is_signed(word[start : start + 39]) for start in range(len(word) - 38)):
                self.found.append(f"{where}: a token or grant")

    def _is_signed(self, word: str) -> bool:
        return read_token(self.ring, word) is not None or read_grant(self.ring, word) is not None


async def test_no_log_topic_table_or_redis_key_holds_a_secret_and_a_planted_one_is_found(
    house: House,
) -> None:
    secrets = await live_through_everything(house) | await take_every_other_path(house)
    await asyncio.sleep(2)  # let the events reach their topics, and the visits their table
    found = await search_everywhere(house, secrets)
    assert found == []

    planted = secrets["token"]
    (house.cluster.logs_dir / "planted.log").write_text(f'{{"event": "x", "path": "/l/{planted}"}}\n')
    owner = await house.database()
    await owner.execute("CREATE TABLE magiclink.planted (value bytea)")
    await owner.execute("INSERT INTO magiclink.planted VALUES (convert_to($1, 'UTF8'))", planted)
    client = redis.asyncio.Redis.from_url(house.cluster.backends.redis_url)
    await client.hset("planted", "field", planted)
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
        await client.delete("planted")
        await client.aclose()
    places = {place.split(":")[0].split(" ")[0] for place in found}
    assert places == {"log", "table", "redis", "topic"}, found


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
    ring_file = ensure_key_material(house.cluster.secrets_dir).ring_files["verifier"]
    ring = KeyRing.parse(ring_file.read_text(), SERVICE_PURPOSES["verifier"])
    search = Search(ring, secrets)
    logs = list(house.cluster.logs_dir.iterdir())
    assert {"issuer.log", "verifier.log", "notifier.log"} <= {log.name for log in logs}
    for log in logs:
        search.look(f"log {log.name}", log.read_text(errors="replace"))
    owner = await house.database()
    rows = await rows_of(owner)
    assert {table for table, _ in rows} >= _TABLES
    for table, text in rows:
        search.look(f"table {table}", text)
    await owner.close()
    async for key, text in redis_values(house):
        search.look(f"redis {key}", text)
    records = await topic_records(house)
    assert {topic for topic, _ in records} >= _TOPICS
    for topic, text in records:
        search.look(f"topic {topic}", text)
    return search.found


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
        yield value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


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
