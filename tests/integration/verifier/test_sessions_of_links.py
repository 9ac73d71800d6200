"""A redemption that starts a session: one for each link and opener, whatever happens around it."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import jwt
import pytest

from services.verifier.sessions import SQL
from shared.bus import decode_event
from shared.tokens import read_named
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import PUBLIC_URL, RINGS, SeededApp, Seeds, one_row


def claims_of(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(answer.json["jwt"], options={"verify_signature": False})
    return found


async def test_a_redemption_without_a_session_has_none(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    answer = await verifier.verify(app, link.token)
    assert answer.json.keys().isdisjoint({"session", "session_token", "refresh_token", "registration"})
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE user_id = $1", link.user_id) == 0
    )
    user = await one_row(owner, "SELECT * FROM magiclink.users WHERE id = $1", link.user_id)
    assert (user["login_count"], user["last_login_at"]) == (0, None)


async def test_a_session_says_whose_it_is_how_they_signed_in_and_until_when(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, channel="email")
    client = {"ip": "203.0.113.9", "user_agent": "Firefox"}
    wanted = {"expires_in_seconds": 3600, "claims": {"plan": "pro"}, "refresh": True}
    answer = await verifier.verify(app, link.token, session=wanted, client=client)
    assert answer.status == 200, answer.text
    session = answer.json["session"]
    assert session["user_id"] == str(link.user_id) == answer.json["user"]["id"]
    assert (session["claims"], session["client"]) == ({"plan": "pro"}, client)
    assert (session["application_id"], session["revoked_at"]) == (None, None)
    [factor] = session["factors"]
    assert datetime.fromisoformat(factor.pop("at")) == datetime.fromisoformat(
        answer.json["link"]["consumed_at"]
    )
    assert factor == {"type": "magic_link", "delivery_method": "email", "address": "ann@example.com"}
    lives = datetime.fromisoformat(session["expires_at"]) - datetime.fromisoformat(session["started_at"])
    assert lives.total_seconds() == 3600
    named = read_named(RINGS["verifier"], "session", answer.json["session_token"])
    assert named is not None
    assert str(named.link_id) == session["id"]
    claims = claims_of(answer)
    started = datetime.fromisoformat(session["started_at"])
    assert (claims["sid"], claims["auth_time"]) == (session["id"], int(started.timestamp()))
    assert (answer.json["user"]["login_count"], answer.json["user"]["last_login_at"]) == (
        1,
        session["started_at"],
    )
    assert await owner.fetchval("SELECT login_count FROM magiclink.users WHERE id = $1", link.user_id) == 1


async def test_nothing_that_is_stored_signs_anybody_in(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    answer = await verifier.verify(app, link.token, session={"refresh": True})
    rows = await owner.fetch("SELECT s::text FROM magiclink.sessions s WHERE user_id = $1", link.user_id)
    events = await owner.fetch("SELECT value FROM magiclink.outbox WHERE key = $1", str(link.user_id))
    stored = "".join(str(row[0]) for row in rows) + "".join(row["value"].decode() for row in events)
    assert rows
    for secret in ("session_token", "refresh_token", "jwt"):
        assert answer.json[secret] not in stored
        assert answer.json[secret][1:20] not in stored


async def test_the_start_is_told_with_the_session_and_without_an_address(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, channel="email")
    answer = await verifier.verify(app, link.token, session={"expires_in_seconds": 600})
    rows = await owner.fetch(
        "SELECT value FROM magiclink.outbox WHERE key = $1 ORDER BY id", str(link.user_id)
    )
    events = [decode_event(row["value"]) for row in rows]
    assert [event.type for event in events] == ["magiclink.link.consumed.v1", "magiclink.session.started.v1"]
    session, event = answer.json["session"], events[1]
    assert (event.id, event.subject) == (f"{session['id']}.started", session["id"])
    assert event.data["expires_at"] > event.data["started_at"]
    assert {name: event.data[name] for name in ("session_id", "app_id", "user_id", "application_id", "link_id", "opened_by")} == {
        "session_id": session["id"], "app_id": str(app.id), "user_id": str(link.user_id), "application_id": None,
        "link_id": str(link.id), "opened_by": "link",
    }  # fmt: skip
    assert b"ann@example.com" not in rows[1]["value"]


async def test_the_same_attempt_gets_the_same_session_and_counts_one_login(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    link = await seeds.link(app)
    replicas = [verifier, second_verifier] * 10
    answers = await asyncio.gather(
        *(one.verify(app, link.token, "same-key", session={"refresh": True}) for one in replicas)
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["session_token"] for answer in answers}) == 1
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert await owner.fetchval("SELECT login_count FROM magiclink.users WHERE id = $1", link.user_id) == 1
    started = "SELECT count(*) FROM magiclink.outbox WHERE key = $1 AND convert_from(value, 'UTF8') LIKE '%session.started%'"
    assert await owner.fetchval(started, str(link.user_id)) == 1


async def test_of_fifty_attempts_one_gets_a_session(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    link = await seeds.link(app)
    replicas = [verifier, second_verifier] * 25
    answers = await asyncio.gather(*(one.verify(app, link.token, session={}) for one in replicas))
    assert sum(answer.status == 200 for answer in answers) == 1
    assert {answer.code for answer in answers if answer.status != 200} <= {
        "link_consumed",
        "link_in_progress",
    }
    assert await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE link_id = $1", link.id) == 1


async def test_a_session_that_could_not_be_started_is_started_for_the_same_attempt_later(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    # The user is locked: the start waits, gives up after two seconds, and nothing is burnt.
    async with owner.transaction():
        await owner.fetch("SELECT 1 FROM magiclink.users WHERE id = $1 FOR UPDATE", link.user_id)
        refused = await verifier.verify(app, link.token, "mine", session={})
    assert (refused.status, refused.code) == (503, "unavailable")
    answer = await verifier.verify(app, link.token, "mine", session={})
    assert answer.status == 200
    assert answer.json["session"]["user_id"] == str(link.user_id)
    assert (await verifier.verify(app, link.token, "other", session={})).code == "link_consumed"


@pytest.mark.parametrize("happened", [True, False])
async def test_a_start_whose_outcome_is_unknown_is_found_by_the_same_attempt(
    verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    happened: bool,
) -> None:
    original = asyncpg.Pool.fetchrow
    broken: list[str] = []

    async def breaking(self: Any, query: str, *args: Any, **options: Any) -> Any:
        if query != SQL.start_session or broken:
            return await original(self, query, *args, **options)
        if happened:
            await original(self, query, *args, **options)
        broken.append(query)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    monkeypatch.setattr(asyncpg.Pool, "fetchrow", breaking)
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token, "mine", session={})).code == "unavailable"
    assert len(broken) == 1
    answer = await verifier.verify(app, link.token, "mine", session={})
    assert answer.status == 200
    assert await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE link_id = $1", link.id) == 1
    assert await owner.fetchval("SELECT login_count FROM magiclink.users WHERE id = $1", link.user_id) == 1


async def test_a_grant_starts_a_session_too(verifier: RunningVerifier, app: SeededApp, seeds: Seeds) -> None:
    pressed = await seeds.link(app, channel="email")
    code = (await verifier.press(pressed.token)).grant
    answer = await verifier.exchange(app, code, session={})
    assert answer.json["session"]["factors"][0]["type"] == "magic_link"
    assert "jwt" in answer.json
    assert (
        "jwt"
        not in (
            await verifier.exchange(
                app, (await verifier.press((await seeds.link(app)).token)).grant, jwt=False
            )
        ).json
    )


async def test_a_live_session_of_the_same_user_gets_the_factor(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    first = (
        await verifier.verify(app, (await seeds.link(app)).token, session={"expires_in_seconds": 300})
    ).json
    link = await seeds.link(app, channel="email")
    extends = {"extends": first["session_token"], "expires_in_seconds": 3600, "claims": {"more": 1}}
    answer = await verifier.verify(app, link.token, "again", session=extends)
    assert answer.status == 200, answer.text
    session = answer.json["session"]
    assert (session["id"], answer.json["session_token"]) == (first["session"]["id"], first["session_token"])
    assert [factor["delivery_method"] for factor in session["factors"]] == ["embedded", "email"]
    assert session["expires_at"] > first["session"]["expires_at"]
    assert session["claims"] == {"more": 1}
    again = await verifier.verify(app, link.token, "again", session=extends)
    assert again.json["session"]["factors"] == session["factors"]


async def test_a_session_is_extended_by_its_jwt_as_well(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    first = (await verifier.verify(app, (await seeds.link(app)).token, session={})).json
    answer = await verifier.verify(app, (await seeds.link(app)).token, session={"extends": first["jwt"]})
    assert answer.json["session"]["id"] == first["session"]["id"]


async def test_a_session_of_another_user_or_app_is_not_extended_and_burns_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    other_app = await seeds.app()
    foreign = (await verifier.verify(other_app, (await seeds.link(other_app)).token, session={})).json
    link = await seeds.link(app)
    bob = await seeds.user(app, "bob@example.com")
    bobs = (await verifier.post(app, "/v1/sessions", {"user_id": str(bob)})).json
    for token in (
        foreign["session_token"],
        foreign["jwt"],
        bobs["session_token"],
        link.token,
        "x" * 39,
        "a.b.c",
    ):
        answer = await verifier.verify(app, link.token, session={"extends": token})
        assert (answer.status, answer.code) == (404, "session_invalid"), token
    assert (await verifier.verify(app, link.token)).status == 200


async def test_a_user_who_was_barred_meanwhile_gets_no_session(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token, "mine")).status == 200
    await owner.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", link.user_id)
    refused = await verifier.verify(app, link.token, "mine", session={})
    assert (refused.status, refused.code) == (403, "user_locked")
    assert (await verifier.verify(app, link.token, "mine")).code == "user_locked"
    await owner.execute("UPDATE magiclink.users SET status = 'active' WHERE id = $1", link.user_id)
    assert (await verifier.verify(app, link.token, "mine", session={})).json["session"]["user_id"] == str(
        link.user_id
    )


@pytest.mark.parametrize("end", ["revoked_at = now()", "expires_at = now()"])
async def test_whose_session_is_over_gets_neither_it_nor_a_jwt_by_asking_again(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection, end: str
) -> None:
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token, "mine", session={})).status == 200
    await owner.execute(f"UPDATE magiclink.sessions SET {end} WHERE link_id = $1", link.id)
    again = await verifier.verify(app, link.token, "mine", session={})
    assert (again.status, again.code) == (404, "session_invalid")


async def test_a_proof_of_long_ago_opens_no_session_once_its_own_is_swept(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token, "mine", session={})).status == 200
    await owner.execute("DELETE FROM magiclink.sessions WHERE link_id = $1", link.id)
    move = "UPDATE magiclink.links SET consumed_at = now() - make_interval(secs => $2) WHERE id = $1"
    await owner.execute(move, link.id, 3601.0)
    again = await verifier.verify(app, link.token, "mine", session={})
    assert (again.status, again.code) == (404, "session_invalid")
    assert await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE link_id = $1", link.id) == 0
    # Within the hour it is an outage that is over.
    await owner.execute(move, link.id, 3590.0)
    assert (await verifier.verify(app, link.token, "mine", session={})).status == 200


async def test_more_claims_than_a_session_holds_are_refused_and_the_same_attempt_goes_on_with_fewer(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = (await verifier.verify(app, (await seeds.link(app)).token, session={})).json
    extends = {"extends": begun["session_token"]}
    for name in "abcd":
        claims = {name: "x" * 4000}
        answer = await verifier.verify(
            app, (await seeds.link(app)).token, session={**extends, "claims": claims}
        )
        assert answer.status == 200, answer.text
    link = await seeds.link(app)
    refused = await verifier.verify(app, link.token, "mine", session={**extends, "claims": {"e": "x" * 4000}})
    assert refused.status == 422
    assert refused.json["errors"][0]["rule"] == "too_large"
    assert (await verifier.verify(app, link.token, "mine", session=extends)).status == 200


async def test_the_jwt_is_worded_as_the_app_wants_it(verifier: RunningVerifier, seeds: Seeds) -> None:
    app = await seeds.app(
        jwt_issuer="stytch.com/p", jwt_audience=["project-1"], user_id_format="user-test-{uuid}"
    )
    answer = await verifier.verify(app, (link := await seeds.link(app)).token, jwt_claims={"plan": "pro"})
    claims = claims_of(answer)
    assert (claims["iss"], claims["aud"], claims["plan"]) == ("stytch.com/p", "project-1", "pro")
    assert claims["sub"] == f"user-test-{link.user_id}" == answer.json["user"]["public_id"]
    assert "sid" not in claims
    several = await seeds.app(jwt_audience=["a", "b"])
    claims = claims_of(await verifier.verify(several, (await seeds.link(several)).token))
    assert (claims["iss"], claims["aud"]) == (PUBLIC_URL, ["a", "b"])


async def test_registered_claims_cannot_be_given(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    for name in ("iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "amr", "auth_time"):
        answer = await verifier.verify(app, link.token, jwt_claims={name: "x", "mine": 1})
        assert (answer.status, answer.json["errors"][0]["rule"]) == (422, "registered_claim")
    assert (await verifier.verify(app, link.token)).status == 200


async def _application(owner: asyncpg.Connection, app: SeededApp, **columns: Any) -> UUID:
    application_id = uuid4()
    await owner.execute(
        "INSERT INTO magiclink.applications (id, app_id, name, active) VALUES ($1, $2, 'Shop', $3)",
        application_id, app.id, columns.get("active", True),
    )  # fmt: skip
    return application_id


async def test_an_application_is_the_audience_and_tells_the_registration(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    application_id = await _application(owner, app)
    link = await seeds.link(app)
    answer = await verifier.verify(app, link.token, application_id=str(application_id), session={})
    assert answer.status == 200, answer.text
    assert (claims_of(answer)["aud"], answer.json["registration"]) == (str(application_id), None)
    assert answer.json["session"]["application_id"] == str(application_id)
    await owner.execute(
        "INSERT INTO magiclink.registrations (user_id, application_id, app_id, id, roles) VALUES ($1, $2, $3, $4, '{admin}')",
        link.user_id, application_id, app.id, uuid4(),
    )  # fmt: skip
    answer = await verifier.verify(
        app, (await seeds.link(app)).token, application_id=str(application_id), session={}
    )
    assert answer.json["registration"]["roles"] == ["admin"]
    at = await owner.fetchval(
        "SELECT last_login_at FROM magiclink.registrations WHERE user_id = $1", link.user_id
    )
    assert at == datetime.fromisoformat(answer.json["session"]["started_at"])


async def test_another_apps_application_is_no_audience_and_burns_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    foreign = await _application(owner, await seeds.app())
    inactive = await _application(owner, app, active=False)
    for application_id in (foreign, inactive, uuid4()):
        answer = await verifier.verify(app, link.token, application_id=str(application_id))
        assert (answer.status, answer.json["errors"][0]["rule"]) == (422, "application_unknown")
    assert (await verifier.verify(app, link.token)).status == 200
