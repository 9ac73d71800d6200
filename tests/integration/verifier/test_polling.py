"""`POST /v1/links/poll`: who waits for a link to be used elsewhere."""

import asyncio
from typing import Any

import asyncpg
import jwt

from services.verifier.exchange import challenge_of
from shared.tokens import make_poll_token
from tests.integration.verifier.second_factor_steps import Product, code_in
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import RINGS, SeededApp, SeededLink, Seeds


async def poll(verifier: RunningVerifier, app: SeededApp, link: SeededLink, **wanted: Any) -> Answer:
    token = make_poll_token(RINGS["verifier"], link.ref)
    return await verifier.post(app, "/v1/links/poll", {"poll_token": token, **wanted})


async def test_a_poll_says_where_the_link_stands_and_signs_nobody_in_before_its_use(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for columns, status in (
        ({}, "issued"),
        ({"starts_in_seconds": 60}, "issued"),
        ({"lives_seconds": -1}, "expired"),
    ):
        answer = await poll(verifier, app, await seeds.link(app, **columns), session={})
        assert (answer.status, answer.json["status"]) == (200, status)
        assert answer.json.keys() == {"status", "link"}
    link = await seeds.link(app)
    await seeds.connection.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", link.id)
    assert (await poll(verifier, app, link)).json["status"] == "revoked"


async def test_polling_changes_no_link(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    before = await owner.fetchval("SELECT l::text FROM magiclink.links l WHERE id = $1", link.id)
    await asyncio.gather(*(poll(verifier, app, link, session={}) for _ in range(20)))
    assert await owner.fetchval("SELECT l::text FROM magiclink.links l WHERE id = $1", link.id) == before
    assert (await verifier.verify(app, link.token)).status == 200


async def test_after_the_use_each_poll_gets_the_same_session_apart_from_the_browsers(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    link = await seeds.link(app, channel="email")
    code = (await verifier.press(link.token)).grant
    replicas = [verifier, second_verifier] * 10
    answers = await asyncio.gather(*(poll(one, app, link, session={"refresh": True}) for one in replicas))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["session_token"] for answer in answers}) == 1
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    first = answers[0].json
    assert (first["status"], first["user"]["id"]) == ("consumed", str(link.user_id))
    exchanged = await verifier.exchange(app, code, session={})
    assert exchanged.json["session"]["id"] != first["session"]["id"]
    opened = await owner.fetch("SELECT opened_by FROM magiclink.sessions WHERE link_id = $1", link.id)
    assert sorted(row["opened_by"] for row in opened) == ["link", "poll"]
    claims = jwt.decode(first["jwt"], options={"verify_signature": False})
    assert (claims["sid"], claims["jti"]) == (first["session"]["id"], str(link.id))


async def test_ten_minutes_after_the_use_a_poll_signs_nobody_in(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    await verifier.verify(app, link.token)
    move = "UPDATE magiclink.links SET consumed_at = now() - make_interval(secs => $2) WHERE id = $1"
    await owner.execute(move, link.id, 590.0)
    told = (await poll(verifier, app, link)).json
    # Its JWT lives from now, not from the use: who polls late shall have one that works.
    assert jwt.decode(told["jwt"], options={"verify_signature": False})["exp"] > told_at(told) + 590
    await owner.execute(move, link.id, 601.0)
    assert (await poll(verifier, app, link)).json.keys() == {"status", "link"}


def told_at(told: dict[str, Any]) -> int:
    claims: dict[str, Any] = jwt.decode(told["jwt"], options={"verify_signature": False})
    return int(claims["iat"])


async def test_a_poll_of_another_app_and_another_token_is_invalid(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    assert (await poll(verifier, await seeds.app(), link)).code == "link_invalid"
    for token in (link.token, "x"):
        answer = await verifier.post(app, "/v1/links/poll", {"poll_token": token})
        assert (answer.status, answer.code) == (404, "link_invalid")
    # Nor does a poll token open the link.
    assert (await verifier.verify(app, make_poll_token(RINGS["verifier"], link.ref))).code == "link_invalid"


async def test_a_barred_or_deleted_user_is_not_signed_in_by_a_poll(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    await verifier.verify(app, link.token)
    await owner.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", link.user_id)
    assert (await poll(verifier, app, link, session={})).code == "user_locked"
    assert (await poll(verifier, app, link)).code == "user_locked"
    await owner.execute("DELETE FROM magiclink.users WHERE id = $1", link.user_id)
    assert (await poll(verifier, app, link, session={})).json["status"] == "revoked"


async def test_a_poll_needs_the_verifier_of_a_link_with_a_challenge(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    mine = "a" * 43
    link = await seeds.link(app, code_challenge=challenge_of(mine))
    assert (await poll(verifier, app, link, session={})).json["status"] == "issued"
    assert (await verifier.verify(app, link.token, code_verifier=mine)).status == 200
    for body in ({}, {"code_verifier": "x" * 43}):
        refused = await poll(verifier, app, link, session={}, **body)
        assert (refused.status, refused.code) == (400, "code_verifier_invalid")
    assert await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE link_id = $1", link.id) == 0
    assert (await poll(verifier, app, link, session={}, code_verifier=mine)).status == 200


async def test_after_the_sign_out_a_poll_gives_neither_session_nor_jwt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    await verifier.verify(app, link.token)
    begun = (await poll(verifier, app, link, session={})).json
    revoked = await verifier.post(app, "/v1/sessions/revoke", {"session_id": begun["session"]["id"]})
    assert revoked.json == {"revoked": 1}
    again = await poll(verifier, app, link, session={})
    assert (again.status, again.code) == (404, "session_invalid")


async def test_who_polls_and_who_used_the_link_pass_the_second_factor_each_for_themselves(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    product = Product(verifier, app)
    link = await seeds.link(app)
    await product.enrol(link.user_id)
    by_link = await product.challenge(link.token, session={"claims": {"device": "phone"}})
    waiting = {"session": {"claims": {"device": "desk"}}}
    refused = await poll(verifier, app, link, **waiting)
    assert refused.code == "second_factor_required"
    assert (
        (await poll(verifier, app, link, **waiting)).json["challenge"] == refused.json["challenge"] != by_link
    )
    desk = await product.answer(refused.json["challenge"], code_in(0))
    assert desk.json["session"]["claims"] == {"device": "desk"}
    phone = await product.answer(by_link, code_in(1))
    assert phone.json["session"]["claims"] == {"device": "phone"}
    assert phone.json["session"]["id"] != desk.json["session"]["id"]
