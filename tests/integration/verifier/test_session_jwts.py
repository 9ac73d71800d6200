"""`POST /v1/sessions/{id}/jwt` and `POST /v1/jwts/introspect`."""

from typing import Any
from uuid import uuid4

import asyncpg
import jwt
import pytest

from services.verifier.signing_keys import SigningKeys, generate_signing_keys
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import PUBLIC_URL, SeededApp, Seeds

NOT_ACTIVE = {"active": False, "claims": None}


async def begin(verifier: RunningVerifier, app: SeededApp, seeds: Seeds, **wanted: Any) -> dict[str, Any]:
    answer = await verifier.verify(app, (await seeds.link(app)).token, **{"session": {}, **wanted})
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


async def make(verifier: RunningVerifier, app: SeededApp, session_id: str, **wanted: Any) -> Answer:
    return await verifier.post(app, f"/v1/sessions/{session_id}/jwt", wanted)


async def look_at(verifier: RunningVerifier, app: SeededApp, text: str) -> dict[str, Any]:
    answer = await verifier.post(app, "/v1/jwts/introspect", {"jwt": text})
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


async def test_a_jwt_of_a_session_verifies_against_the_published_keys(
    verifier: RunningVerifier, seeds: Seeds
) -> None:
    app = await seeds.app(jwt_algorithm="RS256", jwt_issuer="https://id.example", user_id_format="u_{ulid}")
    begun = await begin(verifier, app, seeds)
    answer = await make(
        verifier, app, begun["session"]["id"], jwt_claims={"roles": ["admin"]}, ttl_seconds=3600
    )
    jwks = jwt.PyJWKSet.from_dict((await verifier.ask("GET", "/.well-known/jwks.json")).json)
    token = answer.json["jwt"]
    key = jwks[jwt.get_unverified_header(token)["kid"]].key
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=str(app.id), issuer="https://id.example")
    assert (claims["sid"], claims["roles"]) == (begun["session"]["id"], ["admin"])
    assert claims["sub"] == begun["user"]["public_id"]
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["auth_time"] <= claims["iat"]


async def test_no_jwt_for_a_foreign_audience_a_registered_claim_or_a_session_that_is_over(
    verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app, other = await seeds.app(jwt_audience=["mine"]), await seeds.app(jwt_audience=["theirs"])
    shop, foreign = uuid4(), uuid4()
    for application_id, of in ((shop, app), (foreign, other)):
        await owner.execute(
            "INSERT INTO magiclink.applications (id, app_id, name) VALUES ($1, $2, 'S')",
            application_id,
            of.id,
        )
    session_id = (await begin(verifier, app, seeds))["session"]["id"]
    for own in ("mine", str(app.id), str(shop)):
        token = (await make(verifier, app, session_id, audience=own)).json["jwt"]
        assert jwt.decode(token, options={"verify_signature": False})["aud"] == own
    for wrong in ("theirs", str(other.id), str(foreign), str(uuid4()), "x"):
        answer = await make(verifier, app, session_id, audience=wrong)
        assert answer.json["errors"][0]["rule"] == "foreign_audience", wrong
    assert (await make(verifier, app, session_id, jwt_claims={"aud": "theirs"})).status == 422
    assert (await make(verifier, app, session_id, ttl_seconds=3601)).status == 422
    assert (await make(verifier, other, session_id)).code == "session_invalid"
    await verifier.post(app, "/v1/sessions/revoke", {"session_id": session_id})
    assert (await make(verifier, app, session_id)).code == "session_invalid"


async def test_introspection_says_what_a_jwt_is_worth_now(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    plain = (await verifier.verify(app, (await seeds.link(app)).token)).json["jwt"]
    told = await look_at(verifier, app, plain)
    assert (told["active"], told["session"], told["claims"]["aud"]) == (True, "none", str(app.id))
    begun = await begin(verifier, app, seeds)
    told = await look_at(verifier, app, begun["jwt"])
    assert (told["active"], told["session"], told["claims"]["sid"]) == (True, "live", begun["session"]["id"])
    await verifier.post(app, "/v1/sessions/revoke", {"jwt": begun["jwt"]})
    assert await look_at(verifier, app, begun["jwt"]) == {**NOT_ACTIVE, "session": "over"}


async def test_a_jwt_with_all_the_claims_that_it_may_have_is_taken_everywhere(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds)
    token = (await make(verifier, app, begun["session"]["id"], jwt_claims={"x": "y" * 16_000})).json["jwt"]
    assert (await look_at(verifier, app, token))["active"]
    again = await begin(verifier, app, seeds, session={"extends": token})
    assert again["session"]["id"] == begun["session"]["id"]
    for path in ("authenticate", "revoke"):
        assert (await verifier.post(app, f"/v1/sessions/{path}", {"jwt": token})).status == 200, path


async def test_introspection_knows_the_time(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    old = (await verifier.verify(app, link.token, "key")).json["jwt"]
    await owner.execute(
        "UPDATE magiclink.links SET consumed_at = now() - interval '301 seconds' WHERE id = $1", link.id
    )
    late = (await verifier.verify(app, link.token, "key")).json["jwt"]
    assert (await look_at(verifier, app, old))["active"]
    assert await look_at(verifier, app, late) == {**NOT_ACTIVE, "session": "none"}


async def test_another_apps_jwt_and_anybodys_own_are_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    other = await seeds.app()
    foreign = await begin(verifier, other, seeds)
    mine = await begin(verifier, app, seeds)
    claims = jwt.decode(mine["jwt"], options={"verify_signature": False})
    forged = SigningKeys.parse(generate_signing_keys()).sign(claims, "EdDSA")
    unsigned = jwt.encode(
        claims, "", algorithm="none", headers=jwt.get_unverified_header(mine["jwt"]) | {"alg": "none"}
    )
    jwks = (await verifier.ask("GET", "/.well-known/jwks.json")).text
    confused = jwt.encode(
        claims, jwks[:64], algorithm="HS256", headers={"kid": jwt.get_unverified_header(mine["jwt"])["kid"]}
    )
    for text in (foreign["jwt"], forged, unsigned, confused, mine["jwt"][:-4], "x", "a.b.c"):
        assert await look_at(verifier, app, text) == {**NOT_ACTIVE, "session": "none"}
        answer = await verifier.post(app, "/v1/sessions/authenticate", {"jwt": text})
        assert answer.code == "session_invalid"


async def test_an_application_and_an_audience_of_the_app_are_its_own(
    verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app(jwt_audience=["a", "b"])
    shop = uuid4()
    await owner.execute(
        "INSERT INTO magiclink.applications (id, app_id, name) VALUES ($1, $2, 'S')", shop, app.id
    )
    for wanted in ({}, {"application_id": str(shop)}):
        begun = await begin(verifier, app, seeds, **wanted)
        assert (await look_at(verifier, app, begun["jwt"]))["active"], wanted
    assert jwt.decode(begun["jwt"], options={"verify_signature": False})["iss"] == PUBLIC_URL


@pytest.mark.parametrize("rotate", [True, False])
async def test_a_refresh_keeps_the_jwts_session(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, rotate: bool
) -> None:
    begun = (await verifier.verify(app, (await seeds.link(app)).token, session={"refresh": True})).json
    answer = await verifier.post(
        app, "/v1/sessions/refresh", {"refresh_token": begun["refresh_token"], "rotate": rotate}
    )
    assert answer.json["session"]["id"] == begun["session"]["id"]
    assert (await look_at(verifier, app, begun["jwt"]))["session"] == "live"
