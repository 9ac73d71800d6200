"""`POST /v1/links/verify`: the answer, the refusals, and who hears what."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import jwt
import orjson
import pytest
import redis.asyncio

from shared.bus import decode_event
from shared.claims import claim_key
from shared.tokens import ALPHABET, TOKEN_CHARS, make_grant, make_token, new_link_id
from shared.users import USER_COLUMNS
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import PUBLIC_URL, RINGS, SeededApp, Seeds, one_row

ALGORITHMS = ("EdDSA", "ES256", "RS256")


async def test_a_link_is_answered_with_its_user_its_state_and_its_metadata(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, state='{"a": [1, 2.5]}', metadata='{"plan": "pro"}')
    answer = await verifier.verify(app, link.token)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Idempotency-Replayed" not in answer.headers
    body = answer.json
    assert body["state"] == body["link"]["state"] == {"a": [1, 2.5]}
    assert body["metadata"] == {"plan": "pro"}
    assert (body["link"]["id"], body["link"]["status"]) == (str(link.id), "consumed")
    assert body["link"]["consumed_at"] is not None
    assert set(body["user"]) == {*USER_COLUMNS, "public_id"}
    assert (body["user"]["id"], body["user"]["email"]) == (str(link.user_id), "ann@example.com")
    assert link.token not in answer.text


async def test_the_event_is_written_with_the_consumption_and_holds_no_secret(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    await verifier.ask(
        "POST",
        "/v1/links/verify",
        json={"token": link.token},
        headers={**app.headers, "X-Request-Id": "asked-by-a-test"},
    )
    row = await one_row(owner, "SELECT * FROM magiclink.outbox WHERE key = $1", str(link.user_id))
    assert (row["lane"], row["topic"]) == ("events", "magiclink.events")
    assert orjson.loads(row["headers"]) == {"x-request-id": "asked-by-a-test"}
    event = decode_event(row["value"])
    assert (event.type, event.source) == ("magiclink.link.consumed.v1", "/verifier")
    assert (event.id, event.subject) == (f"{link.id}.2", str(link.id))
    consumed = await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", link.id)
    assert datetime.fromisoformat(event.data.pop("consumed_at")) == consumed["consumed_at"] == event.time
    assert event.data == {
        "link_id": str(link.id), "app_id": str(app.id), "user_id": str(link.user_id),
        "type": "login", "via": "api", "sequence": 2,
    }  # fmt: skip
    assert link.token.encode() not in row["value"]
    assert b"ann@example.com" not in row["value"]


async def test_the_same_attempt_gets_its_answer_again_and_nobody_else_does(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    first = await verifier.verify(app, link.token, "key-1")
    again = await second_verifier.verify(app, link.token, "key-1")
    assert again.status == 200
    assert again.headers["Idempotency-Replayed"] == "true"
    assert _without_jwt(again.json) == _without_jwt(first.json)
    assert (await verifier.verify(app, link.token, "key-2")).code == "link_consumed"
    assert (await verifier.verify(app, link.token)).code == "link_consumed"


async def test_the_same_key_on_another_link_is_another_attempt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    first, second = await seeds.link(app), await seeds.link(app)
    assert (await verifier.verify(app, first.token, "one-key")).json["link"]["id"] == str(first.id)
    assert (await verifier.verify(app, second.token, "one-key")).json["link"]["id"] == str(second.id)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_the_jwt_verifies_against_the_published_keys(
    verifier: RunningVerifier, seeds: Seeds, algorithm: str
) -> None:
    app = await seeds.app(jwt_algorithm=algorithm)
    link = await seeds.link(app, channel="email")
    answer = await verifier.verify(app, link.token, "k")
    keys = await verifier.ask("GET", "/.well-known/jwks.json")
    assert keys.headers["Cache-Control"] == "public, max-age=300"
    assert all(not {"d", "p", "q", "dp", "dq", "qi"} & set(jwk) for jwk in keys.json["keys"])
    jwks = jwt.PyJWKSet.from_dict(keys.json)
    token = answer.json["jwt"]
    header = jwt.get_unverified_header(token)
    assert header["alg"] == algorithm
    claims = jwt.decode(
        token, jwks[header["kid"]].key, algorithms=[algorithm], audience=str(app.id), issuer=PUBLIC_URL
    )
    consumed_at = int(datetime.fromisoformat(answer.json["link"]["consumed_at"]).timestamp())
    assert claims == {
        "iss": PUBLIC_URL, "aud": str(app.id), "sub": str(link.user_id), "jti": str(link.id),
        "iat": consumed_at, "nbf": consumed_at, "exp": consumed_at + 300, "amr": ["link", "email"],
    }  # fmt: skip
    assert datetime.fromisoformat(answer.json["jwt_expires_at"]).timestamp() == claims["exp"]
    again = await verifier.verify(app, link.token, "k")
    assert jwt.decode(again.json["jwt"], options={"verify_signature": False}) == claims


async def test_a_caller_who_wants_no_jwt_gets_none(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    answer = await verifier.verify(app, link.token, jwt=False)
    assert answer.status == 200
    assert not {"jwt", "jwt_expires_at"} & set(answer.json)


async def test_a_link_out_of_its_time_is_refused_and_stays_as_it_was(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    late, early = await seeds.link(app, lives_seconds=-1), await seeds.link(app, starts_in_seconds=60)
    for link, expected in ((late, (410, "link_expired")), (early, (409, "link_not_yet_valid"))):
        answer = await verifier.verify(app, link.token)
        assert (answer.status, answer.code) == expected
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        await _assert_free(owner, link.id)


async def test_a_revoked_link_is_refused_also_to_the_one_who_consumed_it(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    fresh, consumed = await seeds.link(app), await seeds.link(app)
    assert (await verifier.verify(app, consumed.token, "k")).status == 200
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE app_id = $1", app.id)
    for link in (fresh, consumed, consumed):
        answer = await verifier.verify(app, link.token, "k")
        assert (answer.status, answer.code) == (410, "link_revoked")


async def test_a_link_of_a_deleted_user_signs_nobody_in(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    await owner.execute("DELETE FROM magiclink.users WHERE id = $1", link.user_id)
    assert (await verifier.verify(app, link.token)).code == "link_revoked"


async def test_a_foreign_app_hears_of_a_link_what_it_hears_of_an_unknown_one(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    """Whatever the link's state, and whether PostgreSQL or Redis knows it."""
    stranger = await seeds.app()
    links = [
        await seeds.link(app),
        await seeds.link(app, lives_seconds=-1),
        await seeds.link(app, starts_in_seconds=60),
        await seeds.link(app),  # consumed, and Redis knows
        await seeds.link(app),  # revoked, and Redis knows
    ]
    assert (await verifier.verify(app, links[3].token)).status == 200
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", links[4].id)
    assert (await verifier.verify(app, links[4].token)).code == "link_revoked"
    unknown = await verifier.verify(stranger, _unknown_token())
    for link in links:
        answer = await verifier.verify(stranger, link.token, "k")
        assert (answer.status, _shape(answer.json)) == (unknown.status, _shape(unknown.json))
    assert unknown.code == "link_invalid"
    await _assert_free(owner, links[0].id)
    assert (await verifier.verify(app, links[0].token)).status == 200


async def test_a_foreign_app_does_not_hear_that_a_link_is_in_progress(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, redis_client: redis.asyncio.Redis
) -> None:
    stranger = await seeds.app()
    link = await seeds.link(app)
    await redis_client.set(claim_key(link.id), f"leased {uuid4()}", ex=30)
    assert (await verifier.verify(stranger, link.token)).code == "link_invalid"
    started = asyncio.get_running_loop().time()
    answer = await verifier.verify(app, link.token)
    assert (answer.status, answer.code) == (409, "link_in_progress")
    assert answer.headers["Retry-After"] == "1"
    assert asyncio.get_running_loop().time() - started == pytest.approx(1.0, abs=0.6)


async def test_what_somebody_else_wrote_into_redis_refuses_no_link(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, redis_client: redis.asyncio.Redis
) -> None:
    link = await seeds.link(app)
    await redis_client.set(claim_key(link.id), "gibberish", ex=30)
    assert (await verifier.verify(app, link.token)).status == 200


async def test_a_refused_attempt_gives_its_lease_back(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, redis_client: redis.asyncio.Redis
) -> None:
    link = await seeds.link(app, starts_in_seconds=60)
    assert (await verifier.verify(app, link.token)).code == "link_not_yet_valid"
    assert await redis_client.get(claim_key(link.id)) is None


async def test_replays_of_a_consumed_link_do_not_reach_postgresql(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, link_queries: list[str]
) -> None:
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token)).status == 200
    assert len(link_queries) == 1
    for _ in range(5):
        assert (await verifier.verify(app, link.token)).code == "link_consumed"
    assert len(link_queries) == 1


GARBAGE = (
    "",
    "x",
    "a" * TOKEN_CHARS,
    ALPHABET[:TOKEN_CHARS],
    "z" * TOKEN_CHARS,
    "ü" * TOKEN_CHARS,
    "\N{ARABIC-INDIC DIGIT ONE}" * TOKEN_CHARS,
    "a" * 30_000,
    "1" + "A" * (TOKEN_CHARS - 1),
    "../../etc/passwd",
)


async def test_garbage_costs_no_look_at_any_link(
    verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    link_queries: list[str],
    redis_client: redis.asyncio.Redis,
) -> None:
    link = await seeds.link(app)
    flipped = link.token[:-1] + ("a" if link.token[-1] != "a" else "b")
    grant = make_grant(RINGS["verifier"], link.ref)
    before = await claims(redis_client)
    for token in (*GARBAGE, flipped, grant, link.token[1:], link.token + "0"):
        answer = await verifier.verify(app, token)
        assert (answer.status, answer.code) == (404, "link_invalid")
        assert (await verifier.exchange(app, token if token != grant else "x")).code == "grant_invalid"
        if token.isalnum() and len(token) < 1000:
            assert (await verifier.get(token)).status == 404
            assert (await verifier.press(token)).status == 404
    assert link_queries == []
    assert await claims(redis_client) == before


async def test_a_body_of_another_shape_is_refused_with_every_problem(
    verifier: RunningVerifier, app: SeededApp
) -> None:
    answer = await verifier.ask(
        "POST", "/v1/links/verify", json={"token": 1, "jwt": "yes", "more": 1}, headers=app.headers
    )
    assert answer.status == 422
    assert {problem["field"] for problem in answer.json["errors"]} == {"token", "jwt", "more"}


async def test_verifying_needs_the_scope(verifier: RunningVerifier, seeds: Seeds) -> None:
    app = await seeds.app(scopes=("links:create",))
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token)).status == 403
    anonymous = await verifier.ask("POST", "/v1/links/verify", json={"token": link.token})
    assert anonymous.status == 401


def _unknown_token() -> str:
    return make_token(RINGS["verifier"], new_link_id())


def _without_jwt(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "jwt"}


def _shape(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}


async def _assert_free(owner: asyncpg.Connection, link_id: Any) -> None:
    row = await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", link_id)
    assert (row["consumed_at"], row["consumed_by"], row["sequence"]) == (None, None, 1)


async def claims(client: redis.asyncio.Redis) -> dict[str, Any]:
    """Every key but those of the limits, which each request may touch."""
    keys = [key async for key in client.scan_iter() if not key.startswith(b"ml:limit:")]
    return {key.decode(): await client.get(key) for key in sorted(keys)}
