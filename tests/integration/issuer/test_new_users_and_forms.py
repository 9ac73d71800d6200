"""What a link request says of its user, of the address it proves, and of the form of its URL; secrets told later."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.api_keys import SCOPES, new_key
from shared.tokens import LinkRef, make_poll_token, make_token, read_poll_token, read_token
from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import BASE_URL, RINGS, SeededApp, one_row

FORM = f"{BASE_URL}/in?x=ml.{{poll_token}}.{{user_id}}.{{token}}&s={{state}}"


async def made(issuer: RunningIssuer, **request: Any) -> dict[str, Any]:
    status, body, _ = await issuer.post("/v1/links", {"email": "ann@example.com", **request})
    assert status == 201, body
    answer: dict[str, Any] = body
    return answer


async def refused(issuer: RunningIssuer, path: str = "/v1/links", **request: Any) -> list[tuple[str, str]]:
    status, body, _ = await issuer.post(path, request)
    assert status == 422, body
    return [(error["field"], error["rule"]) for error in body["errors"]]


async def row_of(owner: asyncpg.Connection, link: dict[str, Any]) -> asyncpg.Record:
    return await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", UUID(link["id"]))


async def narrow_key(owner: asyncpg.Connection, issuer: RunningIssuer, redirects: list[str]) -> SeededApp:
    """The same app with a key that leads to these redirects only."""
    key = new_key()
    await owner.execute(
        "INSERT INTO magiclink.api_keys (id, app_id, name, prefix, hash, scopes, redirect_urls)"
        " VALUES ($1, $2, 'narrow', $3, $4, $5, $6)",
        key.id, issuer.app.id, key.prefix, key.hash, list(SCOPES), redirects,
    )  # fmt: skip
    return replace(issuer.app, key=key.text)


async def test_an_unknown_address_is_refused_when_no_user_is_to_be_made(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    for field, value in (("email", "eve@example.com"), ("phone", "+12025550177")):
        assert await refused(issuer, create_user=False, **{field: value}) == [(field, "user_unknown")]
    assert await owner.fetchval("SELECT count(*) FROM magiclink.users WHERE app_id = $1", issuer.app.id) == 0
    await made(issuer)
    assert (await made(issuer, create_user=False))["user_created"] is False


async def test_an_answer_says_whether_the_user_was_made_with_the_link_and_so_does_its_replay(
    issuer: RunningIssuer,
) -> None:
    request = {"email": "ann@example.com"}
    answers = [await issuer.post("/v1/links", request, key="k") for _ in range(2)]
    assert [body["user_created"] for _, body, _ in answers] == [True, True]
    assert "Idempotency-Replayed" in answers[1][2]
    for _ in range(2):
        _, again, _ = await issuer.post("/v1/links", request, key="other")
        assert again["user_created"] is False


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({}, "active"),
        ({"type": "invite"}, "pending"),
        ({"type": "invite", "new_user_status": "active"}, "active"),
        ({"new_user_status": "pending"}, "pending"),
    ],
)
async def test_a_new_user_has_the_status_that_was_asked_for_or_that_of_the_type(
    issuer: RunningIssuer, owner: asyncpg.Connection, request_: dict[str, Any], status: str
) -> None:
    await made(issuer, **request_)
    found = "SELECT status FROM magiclink.users WHERE app_id = $1"
    assert await owner.fetchval(found, issuer.app.id) == status
    # A user who is there already stays what they are.
    await made(issuer, new_user_status="pending" if status == "active" else "active")
    assert await owner.fetchval(found, issuer.app.id) == status


async def test_any_link_may_verify_the_address_that_it_is_sent_to(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    sent = await made(issuer, channel="email", verify_address=True)
    assert (await row_of(owner, sent["link"]))["verifies"] == "email"
    assert (await row_of(owner, (await made(issuer, channel="email"))["link"]))["verifies"] is None
    later = await made(issuer)
    await issuer.post(f"/v1/links/{later['link']['id']}/send", {"channel": "email", "verify_address": True})
    assert (await row_of(owner, later["link"]))["verifies"] == "email"


async def test_a_link_that_verifies_an_address_is_not_resent_to_another_one(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    sent = await made(issuer, channel="email", verify_address=True)
    await owner.execute("UPDATE magiclink.users SET phone = '+12025550177' WHERE app_id = $1", issuer.app.id)
    await owner.execute("UPDATE magiclink.messages SET created_at = created_at - interval '1 minute'")
    path = f"/v1/links/{sent['link']['id']}/resend"
    assert await refused(issuer, path, channel="sms") == [("channel", "proves_another_address")]


async def test_nothing_is_verified_by_a_link_that_is_not_sent(issuer: RunningIssuer) -> None:
    found = await refused(issuer, email="ann@example.com", verify_address=True)
    assert found == [("verify_address", "verify_address_needs_channel")]


async def test_a_grant_lives_as_long_as_its_request_asks(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    lives = [await made(issuer, **request) for request in ({"grant_ttl_seconds": 300}, {})]
    assert [(await row_of(owner, one["link"]))["grant_ttl_seconds"] for one in lives] == [300, 60]
    assert await refused(issuer, email="ann@example.com", grant_ttl_seconds=601) == [
        ("grant_ttl_seconds", "less_than_equal")
    ]


async def test_a_links_url_has_the_form_that_was_asked_for(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    issuer = await start_issuer(user_id_format="user-{uuid}")
    link = (await made(issuer, url_template=FORM, state="a b&c"))["link"]
    ref = LinkRef(RINGS["issuer"].newest["link"], UUID(link["id"]))
    poll = make_poll_token(RINGS["issuer"], ref)
    user = f"user-{link['user_id']}"
    assert link["url"] == f"{BASE_URL}/in?x=ml.{poll}.{user}.{link['token']}&s=a%20b%26c"
    assert (link["poll_token"], read_token(RINGS["issuer"], link["token"])) == (poll, ref)
    # No secret is kept: what is filled in already is the user and the state.
    assert (await row_of(owner, link))["url_template"] == (
        f"{BASE_URL}/in?x=ml.{{poll_token}}.{user}.{{token}}&s=a%20b%26c"
    )


async def test_the_id_that_another_system_gave_names_the_user_in_a_url(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    await made(issuer)
    await owner.execute("UPDATE magiclink.users SET imported_id = 'old/7' WHERE app_id = $1", issuer.app.id)
    link = (await made(issuer, url_template=f"{BASE_URL}/in?u={{user_id}}&t={{token}}"))["link"]
    assert link["url"] == f"{BASE_URL}/in?u=old%2F7&t={link['token']}"


async def test_a_passcode_may_stand_in_a_path_and_a_replay_has_the_same_url(issuer: RunningIssuer) -> None:
    form = f"{BASE_URL}/in/{{passcode}}?id={{link_id}}"
    request = {"email": "ann@example.com", "passcode": True, "url_template": form}
    answers = [(await issuer.post("/v1/links", request, key="k"))[1]["link"] for _ in range(2)]
    assert answers[0]["url"] == f"{BASE_URL}/in/{answers[0]['passcode']}?id={answers[0]['id']}"
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("https://evil.example/in?t={token}", "url_template_not_allowed"),
        ("http://user@127.0.0.1:8000/in?t={token}", "url_template_userinfo"),
        (f"{BASE_URL}/../in?t={{token}}", "url_template_not_allowed"),
        (f"{BASE_URL}/in?t={{token}}#", "url_template_malformed"),
        (f"{BASE_URL}/in?p={{passcode}}", "url_template_passcode"),
    ],
)
async def test_no_token_goes_where_the_app_does_not_allow_it(
    issuer: RunningIssuer, template: str, rule: str
) -> None:
    assert await refused(issuer, email="ann@example.com", url_template=template) == [("url_template", rule)]


async def test_a_narrow_key_sends_no_token_past_its_own_redirects(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    wide = (await made(issuer, url_template=f"{BASE_URL}/in?t={{token}}"))["link"]
    narrow = replace(issuer, app=await narrow_key(owner, issuer, [f"{BASE_URL}/narrow/*"]))
    found = await refused(narrow, email="ann@example.com", url_template=f"{BASE_URL}/in?t={{token}}")
    assert found == [("url_template", "url_template_not_allowed_for_key")]
    for path in ("send", "reveal"):
        body = {"channel": "email"} if path == "send" else {}
        assert await refused(narrow, f"/v1/links/{wide['id']}/{path}", **body) == [
            ("url_template", "url_template_not_allowed_for_key")
        ]
    await made(narrow, url_template=f"{BASE_URL}/narrow/in?t={{token}}")


async def test_a_live_link_is_revealed_as_its_maker_saw_it_and_nothing_changes(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await made(issuer, passcode=True))["link"]
    before = await row_of(owner, link)
    status, body, _ = await issuer.post(f"/v1/links/{link['id']}/reveal", {})
    assert (status, body) == (200, {"link": link})
    assert await row_of(owner, link) == before


async def test_a_link_that_is_over_or_anothers_is_not_revealed(
    issuer: RunningIssuer, start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    link = (await made(issuer))["link"]
    other = await start_issuer()
    status, body, _ = await other.post(f"/v1/links/{link['id']}/reveal", {})
    assert (status, body["code"]) == (404, "not_found")
    assert (await issuer.post(f"/v1/links/{uuid4()}/reveal", {}))[0] == 404
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", UUID(link["id"]))
    status, body, _ = await issuer.post(f"/v1/links/{link['id']}/reveal", {})
    assert (status, body["code"]) == (409, "link_over")


async def test_a_key_that_sees_no_secrets_reveals_none(start_issuer: Callable[..., Any]) -> None:
    issuer = await start_issuer(scopes=("links:create",))
    link = (await made(issuer, passcode=True))["link"]
    assert not {"url", "token", "passcode", "poll_token"} & set(link)
    assert (await issuer.post(f"/v1/links/{link['id']}/reveal", {}))[0] == 403


async def test_a_poll_token_is_no_link_token_and_the_other_way_round() -> None:
    ring = RINGS["issuer"]
    ref = LinkRef(ring.newest["link"], uuid4())
    poll, token = make_poll_token(ring, ref), make_token(ring, ref.link_id, ref.kid)
    assert read_poll_token(ring, poll) == ref
    assert read_poll_token(RINGS["verifier"], poll) == ref
    assert read_poll_token(ring, token) is None
    assert read_token(ring, poll) is None
