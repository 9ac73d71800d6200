"""What refuses a redemption without burning the link: the user's state, and terms that its caller sets."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared.tokens import make_passcode, make_poll_token
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import RINGS, SeededApp, Seeds, one_row

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
HERE = {"ip": "203.0.113.9", "user_agent": "Firefox"}

BARS = [
    ("status = 'inactive'", "user_inactive"),
    ("status = 'locked'", "user_locked"),
    ("status = 'suspended'", "user_suspended"),
    ("status = 'suspended', suspended_until = now() + interval '1 hour'", "user_suspended"),
    ("expires_at = now()", "user_expired"),
]


async def free_again(verifier: RunningVerifier, app: SeededApp, token: str, **terms: Any) -> bool:
    return (await verifier.verify(app, token, **terms)).status == 200


@pytest.mark.parametrize(("change", "code"), BARS)
async def test_a_barred_user_redeems_nothing_and_nothing_is_burnt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection, change: str, code: str
) -> None:
    link = await seeds.link(app, passcode_format="digits:6")
    await owner.execute(f"UPDATE magiclink.users SET {change} WHERE id = $1", link.user_id)
    passcode = make_passcode(RINGS["verifier"], link.ref, 0, "digits:6")
    for answer in (
        await verifier.verify(app, link.token),
        await verifier.verify_passcode(app, passcode, link_id=str(link.id)),
    ):
        assert (answer.status, answer.code) == (403, code)
    for page in (await verifier.get(link.token), await verifier.press(link.token)):
        assert page.status == 403
        assert "You cannot sign in now" in page.text
    await owner.execute(
        "UPDATE magiclink.users SET status = 'active', suspended_until = NULL, expires_at = NULL WHERE id = $1",
        link.user_id,
    )
    assert await free_again(verifier, app, link.token)


async def test_a_suspension_ends_by_itself(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    change = "UPDATE magiclink.users SET status = 'suspended', suspended_until = now() WHERE id = $1"
    await owner.execute(change, link.user_id)
    assert await free_again(verifier, app, link.token)


async def test_a_grant_of_a_user_barred_meanwhile_is_not_burnt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    code = (await verifier.press(link.token)).grant
    await owner.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", link.user_id)
    assert (await verifier.exchange(app, code)).code == "user_locked"
    await owner.execute("UPDATE magiclink.users SET status = 'active' WHERE id = $1", link.user_id)
    assert (await verifier.exchange(app, code)).status == 200


async def test_of_many_attempts_for_a_barred_user_none_wins(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    link = await seeds.link(app)
    await owner.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", link.user_id)
    answers = await asyncio.gather(*(one.verify(app, link.token) for one in [verifier, second_verifier] * 15))
    assert {answer.code for answer in answers} <= {"user_locked", "link_in_progress"}
    assert (await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", link.id))[
        "consumed_at"
    ] is None


async def test_an_invited_user_becomes_active_by_their_first_link(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, type="invite")
    await owner.execute("UPDATE magiclink.users SET status = 'pending' WHERE id = $1", link.user_id)
    answer = await verifier.verify(app, link.token, "key")
    assert answer.json["user"]["status"] == "active"
    assert await owner.fetchval("SELECT status FROM magiclink.users WHERE id = $1", link.user_id) == "active"
    assert (await verifier.verify(app, link.token, "key")).json["user"]["status"] == "active"


async def test_a_user_who_is_changed_right_now_is_activated_at_the_next_try(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    await owner.execute("UPDATE magiclink.users SET status = 'pending' WHERE id = $1", link.user_id)
    async with owner.transaction():
        await owner.fetch("SELECT 1 FROM magiclink.users WHERE id = $1 FOR UPDATE", link.user_id)
        waiting = asyncio.create_task(verifier.verify(app, link.token))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        # Whoever changes a user locks their links afterwards: a consumption that waited for the user here would be half of a deadlock.
        await owner.execute("SET LOCAL lock_timeout = '500ms'")
        free = await owner.fetch("SELECT consumed_at FROM magiclink.links WHERE id = $1 FOR UPDATE", link.id)
        assert [row["consumed_at"] for row in free] == [None]
    assert (await waiting).status == 200
    assert await owner.fetchval("SELECT status FROM magiclink.users WHERE id = $1", link.user_id) == "active"


@pytest.mark.parametrize(
    ("client", "matched"),
    [
        ({"ip": "203.0.113.10", "user_agent": "Firefox"}, {"ip": True}),
        ({"ip": "203.0.113.9", "user_agent": "Chrome"}, {"user_agent": True}),
        ({"ip": "203.0.113.9", "user_agent": "Chrome"}, {"ip": True, "user_agent": True}),
    ],
)
async def test_a_link_asked_for_from_elsewhere_is_refused_and_not_burnt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, client: Any, matched: Any
) -> None:
    link = await seeds.link(app, client='{"ip": "203.0.113.9", "user_agent": "Firefox"}')
    refused = await verifier.verify(app, link.token, client=client, match_client=matched)
    assert (refused.status, refused.code) == (403, "client_mismatch")
    unmatched = dict.fromkeys(matched, False)
    assert await free_again(verifier, app, link.token, client=client, match_client=unmatched)


async def test_a_link_is_redeemed_from_where_it_was_asked_for(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    both = {"ip": True, "user_agent": True}
    unknown = await seeds.link(app)
    assert (
        await verifier.verify(app, unknown.token, client=HERE, match_client=both)
    ).code == "client_mismatch"
    assert (await verifier.verify(app, unknown.token, match_client=both)).json["errors"][0][
        "rule"
    ] == "client_missing"
    link = await seeds.link(app, client='{"ip": "203.0.113.9", "user_agent": "Firefox"}')
    assert await free_again(verifier, app, link.token, client=HERE, match_client=both)


async def test_a_challenge_asks_for_its_verifier_at_every_door_and_burns_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, code_challenge=CHALLENGE, passcode_format="digits:6")
    passcode = make_passcode(RINGS["verifier"], link.ref, 0, "digits:6")

    async def by_passcode(**body: Any) -> Answer:
        return await verifier.verify_passcode(app, passcode, link_id=str(link.id), **body)

    for refused in (
        await verifier.verify(app, link.token),
        await verifier.verify(app, link.token, code_verifier="x" * 43),
        await by_passcode(),
        await by_passcode(code_verifier="x" * 43),
    ):
        assert (refused.status, refused.code) == (400, "code_verifier_invalid")
    assert await free_again(verifier, app, link.token, code_verifier=VERIFIER)


async def test_a_suspension_says_why_at_every_door(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    pressed, used = await seeds.link(app), await seeds.link(app)
    code = (await verifier.press(pressed.token)).grant
    begun = (await verifier.verify(app, used.token, session={"refresh": True})).json
    await owner.execute(
        "UPDATE magiclink.users SET status = 'suspended', status_reason = 'Payment is late' WHERE id = $1",
        used.user_id,
    )
    poll_token = make_poll_token(RINGS["verifier"], used.ref)
    for refused in (
        await verifier.verify(app, (await seeds.link(app)).token),
        await verifier.exchange(app, code),
        await verifier.post(app, "/v1/links/poll", {"poll_token": poll_token}),
        await verifier.post(app, "/v1/sessions", {"user_id": str(used.user_id)}),
        await verifier.post(app, "/v1/sessions/authenticate", {"session_token": begun["session_token"]}),
        await verifier.post(
            app, "/v1/sessions/refresh", {"refresh_token": begun["refresh_token"], "rotate": True}
        ),
    ):
        assert (refused.status, refused.code) == (403, "user_suspended")
        assert (refused.json["status_reason"], refused.json["suspended_until"]) == ("Payment is late", None)


async def test_asking_again_is_on_the_same_terms(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, code_challenge=CHALLENGE)
    assert (await verifier.verify(app, link.token, "mine", code_verifier=VERIFIER)).status == 200
    for body in ({}, {"code_verifier": "x" * 43}):
        assert (await verifier.verify(app, link.token, "mine", **body)).code == "code_verifier_invalid"
    bob = str(await seeds.user(app, "bob@example.com"))
    terms = {"code_verifier": VERIFIER, "user_id": bob}
    assert (await verifier.verify(app, link.token, "mine", **terms)).code == "link_invalid"
    assert (await verifier.verify(app, link.token, "mine", code_verifier=VERIFIER)).status == 200


async def test_a_grant_is_exchanged_again_on_the_same_terms(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, client='{"ip": "203.0.113.9", "user_agent": "Firefox"}')
    code = (await verifier.press(link.token)).grant
    both = {"ip": True, "user_agent": True}
    body = {"code": code, "client": HERE, "match_client": both}
    path = "/v1/grants/exchange"
    assert (await verifier.post(app, path, body, "mine")).status == 200
    elsewhere = {**body, "client": {**HERE, "ip": "203.0.113.10"}}
    assert (await verifier.post(app, path, elsewhere, "mine")).code == "client_mismatch"
    assert (await verifier.post(app, path, body, "mine")).status == 200


async def test_a_verifier_without_a_challenge_is_refused(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token, code_verifier=VERIFIER)).code == "code_verifier_invalid"
    assert await free_again(verifier, app, link.token)


async def test_a_foreign_app_hears_nothing_of_terms_and_bars(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, code_challenge=CHALLENGE)
    await owner.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", link.user_id)
    other = await seeds.app()
    assert (await verifier.verify(other, link.token)).code == "link_invalid"
