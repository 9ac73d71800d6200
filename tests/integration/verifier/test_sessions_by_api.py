"""`/v1/sessions`: started by the app, looked at, used, revoked."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import SeededApp, Seeds


async def start(
    verifier: RunningVerifier, app: SeededApp, user_id: UUID, key: str | None = None, **wanted: Any
) -> Answer:
    return await verifier.post(app, "/v1/sessions", {"user_id": str(user_id), **wanted}, key)


async def use(verifier: RunningVerifier, app: SeededApp, **body: Any) -> Answer:
    return await verifier.post(app, "/v1/sessions/authenticate", body)


async def revoke(verifier: RunningVerifier, app: SeededApp, **named: Any) -> Answer:
    return await verifier.post(app, "/v1/sessions/revoke", named)


def seconds(session: dict[str, Any]) -> float:
    ends, starts = (datetime.fromisoformat(session[name]) for name in ("expires_at", "started_at"))
    return (ends - starts).total_seconds()


async def test_an_app_starts_a_session_for_its_user(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    ann = await seeds.user(app)
    factors = [{"type": "password"}, {"type": "otp", "delivery_method": "sms", "address": "+4915112345678"}]
    answer = await start(verifier, app, ann, claims={"a": 1}, factors=factors, client={"ip": "203.0.113.7"})
    assert answer.status == 201, answer.text
    body = answer.json
    assert [factor["type"] for factor in body["session"]["factors"]] == ["password", "otp"]
    assert (body["session"]["claims"], body["session"]["client"]) == ({"a": 1}, {"ip": "203.0.113.7"})
    assert (body["refresh_token"], body["user"]["id"], body["user"]["login_count"]) == (None, str(ann), 1)
    assert seconds(body["session"]) == 2_592_000
    used = await use(verifier, app, session_token=body["session_token"])
    assert used.json["session"]["id"] == body["session"]["id"]


async def test_the_same_key_starts_one_session(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    ann = await seeds.user(app)
    replicas = [verifier, second_verifier] * 8
    answers = await asyncio.gather(*(start(one, app, ann, "key") for one in replicas))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["session_token"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert (await start(verifier, app, ann, "other")).json["session_token"] != answers[0].json[
        "session_token"
    ]


async def test_a_session_is_started_for_no_stranger_and_for_nobody_who_is_barred(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    foreign = await seeds.user(await seeds.app())
    for user_id in (uuid4(), foreign):
        assert (await start(verifier, app, user_id)).code == "not_found"
    ann = await seeds.user(app)
    await owner.execute("UPDATE magiclink.users SET status = 'inactive' WHERE id = $1", ann)
    assert (await start(verifier, app, ann)).code == "user_inactive"
    answer = await start(verifier, app, ann, application_id=str(uuid4()), expires_in_seconds=3600)
    assert answer.json["errors"][0]["rule"] == "application_unknown"


async def test_live_sessions_are_listed_newest_first_and_one_is_shown_after_its_end(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    ann = await seeds.user(app)
    ids = [(await start(verifier, app, ann)).json["session"]["id"] for _ in range(3)]
    assert (await revoke(verifier, app, session_id=ids[1])).json == {"revoked": 1}
    listed = await verifier.ask("GET", f"/v1/sessions?user_id={ann}", headers=app.headers)
    assert [session["id"] for session in listed.json["items"]] == [ids[2], ids[0]]
    shown = await verifier.ask("GET", f"/v1/sessions/{ids[1]}", headers=app.headers)
    assert shown.json["revoked_at"] is not None
    for wrong in (str(uuid4()), "nothing"):
        assert (
            await verifier.ask("GET", f"/v1/sessions/{wrong}", headers=app.headers)
        ).code == "session_invalid"
    other = await seeds.app()
    assert (
        await verifier.ask("GET", f"/v1/sessions/{ids[0]}", headers=other.headers)
    ).code == "session_invalid"
    foreign = await verifier.ask("GET", f"/v1/sessions?user_id={ann}", headers=other.headers)
    assert foreign.json == {"items": []}


async def test_using_a_session_extends_it_and_never_shortens_it(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = (await start(verifier, app, await seeds.user(app), expires_in_seconds=3600)).json
    token = begun["session_token"]
    shorter = await use(verifier, app, session_token=token, expires_in_seconds=300)
    assert shorter.json["session"]["expires_at"] == begun["session"]["expires_at"]
    assert shorter.json["session"]["last_accessed_at"] > begun["session"]["last_accessed_at"]
    longer = await use(verifier, app, session_token=token, expires_in_seconds=7200)
    assert seconds(longer.json["session"]) > 7200
    assert longer.json["session_token"] == token


async def test_claims_are_merged_and_null_takes_one_away(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = (await start(verifier, app, await seeds.user(app), claims={"a": 1, "b": {"c": 2}})).json
    changed = await use(verifier, app, session_token=begun["session_token"], claims={"a": None, "d": 4})
    assert changed.json["session"]["claims"] == {"b": {"c": 2}, "d": 4}


async def test_claims_do_not_grow_without_end(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    token = (await start(verifier, app, await seeds.user(app))).json["session_token"]
    statuses = [
        (await use(verifier, app, session_token=token, claims={f"c{number}": "x" * 4000})).status
        for number in range(5)
    ]
    assert statuses == [200, 200, 200, 200, 422]


async def test_a_late_jwt_still_names_its_live_session(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    redeemed = (await verifier.verify(app, (await seeds.link(app)).token, session={})).json
    used = await use(verifier, app, jwt=redeemed["jwt"])
    assert used.json["session"]["id"] == redeemed["session"]["id"]
    without = (await verifier.verify(app, (await seeds.link(app)).token)).json["jwt"]
    assert (await use(verifier, app, jwt=without)).code == "session_invalid"


async def test_what_is_no_live_session_of_the_app_is_refused_in_one_way(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    ann = await seeds.user(app)
    other = await seeds.app()
    foreign = (await start(verifier, other, await seeds.user(other))).json["session_token"]
    late, ended = [(await start(verifier, app, ann)).json for _ in range(2)]
    await owner.execute(
        "UPDATE magiclink.sessions SET expires_at = now() WHERE id = $1", UUID(late["session"]["id"])
    )
    await revoke(verifier, app, session_token=ended["session_token"])
    link = await seeds.link(app)
    for token in (foreign, late["session_token"], ended["session_token"], link.token, "x", "0" * 39):
        answer = await use(verifier, app, session_token=token)
        assert (answer.status, answer.code) == (404, "session_invalid")
    bad = await use(verifier, app, session_token=foreign, jwt="x")
    assert bad.json["errors"][0]["rule"] == "one_token"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("status = 'locked'", "user_locked"),
        ("status = 'suspended'", "user_suspended"),
        ("status = 'inactive'", "user_inactive"),
        ("expires_at = now()", "user_expired"),
    ],
)
async def test_a_barred_user_uses_no_session_until_the_bar_is_lifted(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection, change: str, code: str
) -> None:
    ann = await seeds.user(app)
    token = (await start(verifier, app, ann)).json["session_token"]
    await owner.execute(f"UPDATE magiclink.users SET {change} WHERE id = $1", ann)
    assert (await use(verifier, app, session_token=token)).code == code
    await owner.execute("UPDATE magiclink.users SET status = 'active', expires_at = NULL WHERE id = $1", ann)
    assert (await use(verifier, app, session_token=token)).status == 200


async def test_one_session_is_revoked_by_whatever_names_it(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for name in ("session_id", "session_token", "jwt", "refresh_token"):
        begun = (await verifier.verify(app, (await seeds.link(app)).token, session={"refresh": True})).json
        named = begun["session"]["id"] if name == "session_id" else begun[name]
        assert (await revoke(verifier, app, **{name: named})).json == {"revoked": 1}
        assert (await revoke(verifier, app, **{name: named})).json == {"revoked": 0}
        assert (await use(verifier, app, session_token=begun["session_token"])).code == "session_invalid"
    for name in ("session_id", "session_token", "jwt", "refresh_token"):
        unknown = str(uuid4()) if name == "session_id" else "x.y.z"
        assert (await revoke(verifier, app, **{name: unknown})).code == "session_invalid"


async def test_another_apps_session_is_not_revoked(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = (await start(verifier, app, ann := await seeds.user(app))).json
    other = await seeds.app()
    assert (await revoke(verifier, other, session_id=begun["session"]["id"])).code == "session_invalid"
    assert (await revoke(verifier, other, session_token=begun["session_token"])).code == "session_invalid"
    assert (await revoke(verifier, other, user_id=str(ann))).json == {"revoked": 0}
    assert (await use(verifier, app, session_token=begun["session_token"])).status == 200


async def test_all_sessions_of_a_user_or_of_an_application_end_together(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    shop = uuid4()
    await owner.execute(
        "INSERT INTO magiclink.applications (id, app_id, name) VALUES ($1, $2, 'Shop')", shop, app.id
    )
    ann, bob = await seeds.user(app), await seeds.user(app, "bob@example.com")
    for user_id in (ann, bob):
        await start(verifier, app, user_id)
        await start(verifier, app, user_id, application_id=str(shop))
    assert (await revoke(verifier, app, user_id=str(ann), application_id=str(shop))).json == {"revoked": 1}
    assert (await revoke(verifier, app, application_id=str(shop))).json == {"revoked": 1}
    assert (await revoke(verifier, app, user_id=str(ann))).json == {"revoked": 1}
    assert (await revoke(verifier, app, user_id=str(ann))).json == {"revoked": 0}
    told = await owner.fetchval(
        "SELECT count(*) FROM magiclink.outbox WHERE key = $1 AND convert_from(value, 'UTF8') LIKE '%session.revoked%'",
        str(ann),
    )
    assert told == 2
    assert (await revoke(verifier, app)).json["errors"][0]["rule"] == "one_of"


async def test_more_sessions_than_one_step_takes_are_revoked(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    ann = await seeds.user(app)
    await owner.execute(
        "INSERT INTO magiclink.sessions (id, kid, app_id, user_id, opened_by, expires_at)"
        " SELECT gen_random_uuid(), '1', $1, $2, 'api', now() + interval '1 day' FROM generate_series(1, 501)",
        app.id,
        ann,
    )
    assert (await revoke(verifier, app, user_id=str(ann))).json == {"revoked": 501}


async def test_a_start_beside_a_bar_leaves_no_live_session(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    ann = await seeds.user(app)
    async with owner.transaction():
        await owner.execute("UPDATE magiclink.users SET status = 'inactive' WHERE id = $1", ann)
        waiting = asyncio.create_task(start(verifier, app, ann))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert (await waiting).code == "user_inactive"
    assert await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE user_id = $1", ann) == 0


async def test_a_key_without_the_scope_neither_reads_nor_writes(
    verifier: RunningVerifier, seeds: Seeds
) -> None:
    app = await seeds.app(scopes=("links:verify",))
    answers = [
        await start(verifier, app, uuid4()),
        await use(verifier, app, session_token="x"),
        await revoke(verifier, app, session_id=str(uuid4())),
        await verifier.post(app, "/v1/sessions/refresh", {"refresh_token": "x", "rotate": True}),
        await verifier.post(app, f"/v1/sessions/{uuid4()}/jwt", {}),
        await verifier.post(app, "/v1/jwts/introspect", {"jwt": "x"}),
        await verifier.ask("GET", f"/v1/sessions?user_id={uuid4()}", headers=app.headers),
    ]
    assert {answer.code for answer in answers} == {"forbidden"}


async def test_a_session_of_a_deleted_user_is_gone(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    ann = await seeds.user(app)
    token = (await start(verifier, app, ann)).json["session_token"]
    await owner.execute("DELETE FROM magiclink.users WHERE id = $1", ann)
    assert (await use(verifier, app, session_token=token)).code == "session_invalid"
