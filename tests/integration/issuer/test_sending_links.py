"""`POST /v1/links/{id}/send` and `/resend`: the first message of an unsent link, and further ones."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from shared.api_keys import new_key
from shared.cache import Cache
from shared.tokens import LinkRef, make_passcode
from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import RINGS, Seeds, one_row

PHONE = "+4930123456"


async def unsent(issuer: RunningIssuer, **request: Any) -> dict[str, Any]:
    status, body, _ = await issuer.post("/v1/links", {"email": "ann@example.com", **request})
    assert status == 201, body
    link: dict[str, Any] = body["link"]
    return link


async def send(issuer: RunningIssuer, link: Any, *, key: str | None = None, **body: Any) -> tuple[int, Any]:
    status, answer, _ = await issuer.post(f"/v1/links/{link}/send", {"channel": "email", **body}, key=key)
    return status, answer


async def resend(issuer: RunningIssuer, link: Any, *, key: str | None = None, **body: Any) -> tuple[int, Any]:
    status, answer, _ = await issuer.post(f"/v1/links/{link}/resend", body, key=key)
    return status, answer


async def messages_of(owner: asyncpg.Connection, link: Any) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT * FROM magiclink.messages WHERE link_id = $1 ORDER BY created_at, id", UUID(str(link))
    )


async def row_of(owner: asyncpg.Connection, link: Any) -> asyncpg.Record:
    return await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", UUID(str(link)))


async def orders_of(owner: asyncpg.Connection, message: Any) -> list[tuple[str, dict[str, Any], datetime]]:
    """What the outbox holds of a message: lane, event, due."""
    rows = await owner.fetch(
        "SELECT o.lane, o.value, o.due_at FROM magiclink.outbox o JOIN magiclink.messages m ON m.user_id::text = o.key"
        " WHERE m.id = $1 ORDER BY o.id",
        UUID(str(message)),
    )
    found = [(row["lane"], orjson.loads(row["value"]), row["due_at"]) for row in rows]
    return [item for item in found if item[1]["subject"] == str(message)]


async def let_time_pass(owner: asyncpg.Connection, link: Any, seconds: float = 31) -> None:
    await owner.execute(
        "UPDATE magiclink.messages SET created_at = created_at - make_interval(secs => $2) WHERE link_id = $1",
        UUID(str(link)), seconds,
    )  # fmt: skip


async def test_a_link_whose_key_was_dropped_is_sent_and_shows_no_secret(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = await unsent(issuer)
    await owner.execute("UPDATE magiclink.links SET kid = 'z' WHERE id = $1", UUID(link["id"]))
    status, body = await send(issuer, link["id"])
    assert status == 200
    assert not {"url", "token", "passcode"} & set(body["link"])


async def give_phone(owner: asyncpg.Connection, issuer: RunningIssuer) -> None:
    await owner.execute(
        "UPDATE magiclink.users SET phone = $2 WHERE app_id = $1 AND email = 'ann@example.com'",
        issuer.app.id,
        PHONE,
    )


# send -----------------------------------------------------------------------------------------------------------------


async def test_an_unsent_link_is_sent_with_what_the_request_says(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = await unsent(issuer)
    status, body = await send(
        issuer, link["id"], locale="de", time_zone="Europe/Berlin", template="welcome", passcode=True,
        template_data={"name": "Ann"}, lane="bulk",
    )  # fmt: skip
    assert status == 200
    assert (body["link"]["id"], body["link"]["token"], body["link"]["channel"]) == (
        link["id"], link["token"], "email",
    )  # fmt: skip
    (message,) = await messages_of(owner, link["id"])
    assert body["message"] == {"id": str(message["id"]), "channel": "email", "status": "queued"}
    names = ("recipient", "locale", "template", "lane", "status")
    assert [message[n] for n in names] == ["ann@example.com", "de", "welcome", "bulk", "queued"]
    assert orjson.loads(message["data"]) == {"name": "Ann"}
    row = await row_of(owner, link["id"])
    assert (row["locale"], row["time_zone"], row["expires_at"].isoformat()) == (
        "de", "Europe/Berlin", datetime.fromisoformat(link["expires_at"]).isoformat(),
    )  # fmt: skip
    ref = LinkRef(row["kid"], row["id"])
    assert body["link"]["passcode"] == make_passcode(RINGS["issuer"], ref, 0, row["passcode_format"])
    ((lane, event, _),) = await orders_of(owner, message["id"])
    assert (lane, event["type"], event["id"]) == (
        "bulk", "magiclink.message.queued.v1", f"{message['id']}.0.0",
    )  # fmt: skip


async def test_a_link_is_sent_once_however_many_ask(issuer: RunningIssuer, owner: asyncpg.Connection) -> None:
    link = (await unsent(issuer))["id"]
    answers = await asyncio.gather(*(send(issuer, link) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert {body["code"] for status, body in answers if status == 409} == {"already_sent"}
    assert len(await messages_of(owner, link)) == 1


async def test_the_same_key_gets_the_same_answer_and_sends_nothing_new(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer))["id"]
    first, *others = await asyncio.gather(*(send(issuer, link, key="s-1") for _ in range(5)))
    assert first[0] == 200
    assert all(other == first for other in others)
    assert len(await messages_of(owner, link)) == 1
    assert (await send(issuer, link, key="s-1", locale="de"))[1]["code"] == "idempotency_conflict"


@pytest.mark.parametrize(
    ("change", "words"),
    [("consumed_at = now()", "consumed"), ("revoked_at = now()", "revoked"), ("expires_at = now()", "expired"),
     ("slot = 'default'", "superseded")],
)  # fmt: skip
async def test_what_is_over_is_neither_sent_nor_sent_again(
    issuer: RunningIssuer, owner: asyncpg.Connection, change: str, words: str
) -> None:
    fresh, sent = (await unsent(issuer))["id"], (await unsent(issuer, channel="email"))["id"]
    await let_time_pass(owner, sent)
    await owner.execute(f"UPDATE magiclink.links SET {change} WHERE id = ANY ($1)", [UUID(fresh), UUID(sent)])
    for status, body in (await send(issuer, fresh), await resend(issuer, sent)):
        assert (status, body["code"], words in body["detail"]) == (409, "link_over", True)
    assert (len(await messages_of(owner, fresh)), len(await messages_of(owner, sent))) == (0, 1)


async def test_a_scheduled_link_is_sent_when_its_life_begins(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer))["id"]
    await owner.execute(
        "UPDATE magiclink.links SET not_before = now() + interval '1 hour', expires_at = now() + interval '2 hours'"
        " WHERE id = $1",
        UUID(link),
    )
    status, body = await send(issuer, link)
    assert (status, body["link"]["status"]) == (200, "scheduled")
    ((_, _, due_at),) = await orders_of(owner, body["message"]["id"])
    row = await row_of(owner, link)
    assert due_at == row["not_before"]
    (message,) = await messages_of(owner, link)
    assert message["lease_until"] == row["not_before"] + timedelta(seconds=60)


async def test_the_address_is_that_of_today_and_a_user_without_one_is_refused(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer))["id"]
    status, body = await send(issuer, link, channel="sms")
    assert (status, body["errors"][0]["rule"]) == (422, "recipient_missing")
    await give_phone(owner, issuer)
    status, body = await send(issuer, link, channel="sms")
    assert status == 200
    (message,) = await messages_of(owner, link)
    assert (message["recipient"], (await row_of(owner, link))["channel"]) == (PHONE, "sms")


async def test_a_sent_link_verifies_the_address_that_it_went_to(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer, type="verify_identifier"))["id"]
    await give_phone(owner, issuer)
    assert (await send(issuer, link, channel="sms"))[0] == 200
    assert (await row_of(owner, link))["verifies"] == "phone"
    await let_time_pass(owner, link)
    status, body = await resend(issuer, link, channel="email")
    assert (status, body["errors"][0]["rule"]) == (422, "proves_another_address")
    assert (await resend(issuer, link, channel="whatsapp"))[0] == 200


async def test_a_foreign_link_is_unknown(
    issuer: RunningIssuer, start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    stranger: RunningIssuer = await start_issuer()
    link = (await unsent(issuer, channel="email"))["id"]
    await let_time_pass(owner, link)
    for answer in (await send(stranger, link), await resend(stranger, link), await send(stranger, uuid4())):
        assert (answer[0], answer[1]["code"]) == (404, "not_found")
    assert len(await messages_of(owner, link)) == 1


async def test_a_key_without_reveal_sends_and_sees_no_secret(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    issuer: RunningIssuer = await start_issuer(scopes=("links:create",))
    link = (await unsent(issuer))["id"]
    status, body = await send(issuer, link, passcode=True)
    assert status == 200
    assert not {"url", "token", "passcode"} & body["link"].keys()


async def narrow_key(owner: asyncpg.Connection, issuer: RunningIssuer) -> RunningIssuer:
    """The same app, by a key for logins of people at example.com."""
    key = new_key()
    await owner.execute(
        "INSERT INTO magiclink.api_keys (id, app_id, name, prefix, hash, scopes, types, recipient_domains)"
        " VALUES ($1, $2, 'narrow', $3, $4, '{links:create}', '{login}', '{example.com}')",
        key.id, issuer.app.id, key.prefix, key.hash,
    )  # fmt: skip
    return replace(issuer, app=replace(issuer.app, key=key.text, key_id=key.id))


async def test_a_key_sends_no_further_than_it_may_issue(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    login, invite = (await unsent(issuer))["id"], (await unsent(issuer, type="invite"))["id"]
    sent = (await unsent(issuer, channel="email"))["id"]
    await let_time_pass(owner, sent)
    elsewhere = (await unsent(issuer, email="bob@elsewhere.example"))["id"]
    await give_phone(owner, issuer)
    narrow = await narrow_key(owner, issuer)
    answers = [
        await send(narrow, invite),
        await send(narrow, login, channel="sms"),
        await resend(narrow, sent, channel="whatsapp"),
        await send(narrow, elsewhere),
    ]
    assert [(status, body["errors"][0]["rule"]) for status, body in answers] == [
        (422, "type_not_allowed"),
        (422, "recipient_domain_not_allowed"),
        (422, "recipient_domain_not_allowed"),
        (422, "recipient_domain_not_allowed"),
    ]
    assert (await send(narrow, login))[0] == 200


# resend ---------------------------------------------------------------------------------------------------------------


async def test_a_link_sent_again_keeps_its_url_and_its_end(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = await unsent(issuer, channel="email", template_data={"n": 1}, template="welcome", locale="fr")
    await let_time_pass(owner, link["id"])
    status, body = await resend(issuer, link["id"])
    assert (status, body["link"]["token"], body["link"]["expires_at"]) == (
        200, link["token"], link["expires_at"],
    )  # fmt: skip
    first, second = await messages_of(owner, link["id"])
    assert str(second["id"]) == body["message"]["id"]
    same = ("recipient", "channel", "template", "data", "locale")
    assert [first[n] for n in same] == [second[n] for n in same]


@pytest.mark.parametrize("waits", ["queued", "unknown"])
async def test_nobody_gets_two_messages_that_still_wait(
    issuer: RunningIssuer, owner: asyncpg.Connection, waits: str
) -> None:
    link = (await unsent(issuer, channel="email"))["id"]
    await owner.execute("UPDATE magiclink.messages SET status = $2 WHERE link_id = $1", UUID(link), waits)
    await let_time_pass(owner, link)
    assert (await resend(issuer, link))[0] == 200
    first, second = await messages_of(owner, link)
    assert (first["status"], second["status"]) == ("revoked", "queued")
    told = [event["type"] for _, event, _ in await orders_of(owner, first["id"])]
    assert told == ["magiclink.message.queued.v1", "magiclink.message.revoked.v1"]


async def test_what_was_delivered_or_is_being_sent_stays_as_it_is(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    for status in ("accepted", "sending"):
        link = (await unsent(issuer, channel="email"))["id"]
        await owner.execute(
            "UPDATE magiclink.messages SET status = $2 WHERE link_id = $1", UUID(link), status
        )
        await let_time_pass(owner, link)
        assert (await resend(issuer, link))[0] == 200
        assert (await messages_of(owner, link))[0]["status"] == status


async def test_the_old_passcode_dies_and_its_tries_are_not_forgiven(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = await unsent(issuer, channel="email", passcode=True)
    await owner.execute("UPDATE magiclink.links SET passcode_tries = 3 WHERE id = $1", UUID(link["id"]))
    await let_time_pass(owner, link["id"])
    _, body = await resend(issuer, link["id"], key="r-1")
    assert body["link"]["passcode"] not in (None, link["passcode"])
    row = await row_of(owner, link["id"])
    assert (row["passcode_epoch"], row["passcode_tries"]) == (1, 3)
    assert (await resend(issuer, link["id"], key="r-1"))[1] == body
    assert (await row_of(owner, link["id"]))["passcode_epoch"] == 1


async def test_another_channel_takes_over_when_the_first_failed(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer, channel="email"))["id"]
    await give_phone(owner, issuer)
    await owner.execute("UPDATE magiclink.messages SET status = 'failed' WHERE link_id = $1", UUID(link))
    await let_time_pass(owner, link)
    status, body = await resend(issuer, link, channel="sms", locale="de")
    assert (status, body["message"]["channel"]) == (200, "sms")
    _, second = await messages_of(owner, link)
    assert (second["recipient"], second["locale"]) == (PHONE, "de")


async def test_a_link_that_was_never_sent_is_not_sent_again(issuer: RunningIssuer) -> None:
    link = (await unsent(issuer))["id"]
    status, body = await resend(issuer, link)
    assert (status, body["code"], f"/v1/links/{link}/send" in body["detail"]) == (409, "not_sent", True)


async def test_one_message_goes_out_in_30_seconds_however_many_ask(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer, channel="email"))["id"]
    status, body, headers = await issuer.post(f"/v1/links/{link}/resend", {})
    assert (status, body["code"]) == (429, "rate_limited")
    assert 0 < int(headers["Retry-After"]) <= 30
    await let_time_pass(owner, link)
    answers = await asyncio.gather(*(resend(issuer, link) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] + [429] * 5
    assert len(await messages_of(owner, link)) == 2


async def test_a_link_has_five_messages_at_most_and_redis_does_not_matter(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    nowhere = Cache("redis://127.0.0.1:1/0", budget_seconds=0.05)
    issuer: RunningIssuer = await start_issuer(with_cache=nowhere)
    link = (await unsent(issuer, channel="email"))["id"]
    statuses = []
    for _ in range(6):
        await let_time_pass(owner, link)
        statuses.append((await resend(issuer, link))[0])
    assert statuses == [200] * 4 + [429] * 2
    assert len(await messages_of(owner, link)) == 5
    await nowhere.close()


async def test_texts_are_charged_once_and_a_replay_costs_nothing(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    issuer: RunningIssuer = await start_issuer(texts_per_recipient_per_hour=1)
    first, second = (await unsent(issuer))["id"], (await unsent(issuer))["id"]
    await give_phone(owner, issuer)
    assert (await send(issuer, first, key="t-1", channel="sms"))[0] == 200
    assert (await send(issuer, first, key="t-1", channel="sms"))[0] == 200
    status, body = await send(issuer, second, channel="sms")
    assert (status, body["code"]) == (429, "rate_limited")
    assert (await messages_of(owner, second), (await row_of(owner, second))["channel"]) == ([], "none")
    assert (await send(issuer, second))[0] == 200


async def test_without_redis_no_text_goes_out(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    nowhere = Cache("redis://127.0.0.1:1/0", budget_seconds=0.05)
    issuer: RunningIssuer = await start_issuer(with_cache=nowhere)
    link = (await unsent(issuer))["id"]
    await give_phone(owner, issuer)
    assert (await send(issuer, link, channel="sms"))[0] == 503
    assert await messages_of(owner, link) == []
    await nowhere.close()


async def test_the_surplus_of_an_app_is_sent_in_bulk(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    issuer: RunningIssuer = await start_issuer(interactive_per_minute=1)
    links = [(await unsent(issuer))["id"] for _ in range(2)]
    for link in links:
        assert (await send(issuer, link))[0] == 200
    lanes = [(await messages_of(owner, link))[0]["lane"] for link in links]
    assert lanes == ["interactive", "bulk"]


async def test_a_message_that_waits_for_a_change_of_address_is_not_left_behind(
    issuer: RunningIssuer, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = (await unsent(issuer))["id"]
    user = (await row_of(owner, link))["user_id"]
    for _ in range(3):
        change = issuer.session.patch(
            f"{issuer.url}/v1/users/{user}", json={"email": f"{uuid4().hex}@example.com"}, headers=issuer.app.headers
        )  # fmt: skip
        (status, _), changed = await asyncio.gather(send(issuer, link), change)
        assert (status in (200, 409), changed.status) == (True, 200)
        waiting = [m for m in await messages_of(owner, link) if m["status"] == "queued"]
        assert waiting == []
        link = (await unsent(issuer, email=(await changed.json())["email"]))["id"]


@pytest.mark.parametrize("body", [{"channel": "none"}, {}, {"channel": "email", "ttl_seconds": 60}])
async def test_a_body_that_says_no_channel_or_too_much_is_refused(
    issuer: RunningIssuer, body: dict[str, Any]
) -> None:
    link = (await unsent(issuer))["id"]
    status, _, _ = await issuer.post(f"/v1/links/{link}/send", body)
    assert status == 422


async def test_a_resend_needs_no_body(issuer: RunningIssuer, owner: asyncpg.Connection) -> None:
    link = (await unsent(issuer, channel="email"))["id"]
    await let_time_pass(owner, link)
    async with issuer.session.post(
        f"{issuer.url}/v1/links/{link}/resend", headers=issuer.app.headers
    ) as response:
        assert response.status == 200
