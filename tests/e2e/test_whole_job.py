"""What an app can do with its links after, or before, they are on their way: newer ones, later ones, none at all."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

from tests.clusters import House


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def busy(email: str) -> dict[str, Any]:
    """A mail server that has no time for mails to somebody."""
    return {"kind": "smtp_reply", "code": 451, "enhanced_code": "4.7.1", "to": email}


async def until_asked_to_wait(house: House, link: dict[str, Any]) -> None:
    """Wait until the first attempt at a link's message was put off."""
    deadline = monotonic() + 20
    while not (told := await house.history(link))["messages"][0]["last_error"]:
        assert monotonic() < deadline, told
        await asyncio.sleep(0.05)
    assert told["messages"][0]["status"] == "queued"


async def urls_caught(house: House, email: str) -> list[str]:
    return [url for mail in await house.inbox(to=email) for url in mail["links"] if "/l/" in url]


async def typed(house: House, passcode: str, **holder: str) -> int:
    """Return the status of a passcode's redemption."""
    url = f"{house.verifier_url}/v1/passcodes/verify"
    return (await house.call("POST", url, {"passcode": passcode, "jwt": False, **holder}))[0]


async def test_the_second_login_supersedes_the_first_stops_its_queued_message_and_spares_the_reminder(
    house: House,
) -> None:
    shop = await house.new_app(latest_only=["login"])
    email = f"twice-{uuid4().hex}@example.com"
    await shop.fail(busy(email))
    first = await shop.ask(email=email, channel="email", passcode=True)
    await until_asked_to_wait(shop, first)
    reminders = [
        await shop.ask(email=email, channel="email", lane="bulk"),
        await shop.ask(email=email, channel="email", send_at=soon(3)),
    ]
    second = await shop.ask(email=email, channel="email", passcode=True)

    for replica in (0, 1):
        status, body = await shop.verify(first["token"], replica=replica)
        assert (status, body["code"]) == (410, "link_revoked")
    assert await typed(shop, first["passcode"], link_id=first["id"]) == 400
    await shop.fail()  # now it has time for all of them
    told = await shop.until_message(first, "revoked")
    assert (told["link"]["status"], "superseded" in told["messages"][0]["last_error"]) == ("superseded", True)
    await shop.until_caught(3, to=email)
    await asyncio.sleep(1)
    assert set(await urls_caught(shop, email)) == {link["url"] for link in (*reminders, second)}
    for link in reminders:
        assert (await shop.verify(link["token"]))[0] == 200
    # By address a passcode is that of the newest link that has one, and that is not the dead one.
    assert await typed(shop, second["passcode"], email=email) == 200


async def test_a_link_made_unsent_is_sent_once_and_later(house: House) -> None:
    email = f"unsent-{uuid4().hex}@example.com"
    link = await house.ask(email=email)
    assert (await house.history(link))["messages"] == []
    url = f"{house.issuer_url}/v1/links/{link['id']}/send"
    for replayed in (None, "true"):
        status, answer, headers = await house.call("POST", url, {"channel": "email"}, key="send-once")
        assert (status, answer["link"]["id"], answer["message"]["channel"]) == (200, link["id"], "email")
        assert headers.get("Idempotency-Replayed") == replayed
    await house.until_caught(1, to=email)
    status, answer, _ = await house.call("POST", url, {"channel": "email"})
    assert (status, answer["code"]) == (409, "already_sent")
    assert await urls_caught(house, email) == [link["url"]]
    assert (await house.verify(link["token"]))[0] == 200


async def test_revoking_a_users_links_kills_the_scheduled_ones_and_nobody_elses(house: House) -> None:
    email, other = (f"{name}-{uuid4().hex}@example.com" for name in ("gone", "stays"))
    live = await house.ask(email=email)
    used = await house.ask(email=email)
    assert (await house.verify(used["token"]))[0] == 200
    planned = [await house.ask(email=email, channel="email", send_at=soon(5)) for _ in range(3)]
    spared = await house.ask(email=other, channel="email", send_at=soon(5))
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links/revoke", {"email": email})
    assert status == 200
    assert set(answer["link_ids"]) >= {link["id"] for link in (live, *planned)}
    assert spared["id"] not in answer["link_ids"]
    await house.until_caught(1, to=other)
    await asyncio.sleep(1.5)  # their time has come as well
    assert await house.inbox(to=email) == []
    for link in planned:
        told = await house.history(link)
        assert (told["link"]["status"], told["messages"][0]["status"]) == ("revoked", "revoked")
    for link in (live, *planned):
        assert (await house.verify(link["token"]))[0] == 410
    assert (await house.verify(spared["token"]))[0] == 200


async def test_verifying_marks_the_address_that_the_link_went_to_and_a_login_marks_none(house: House) -> None:
    email = f"new-{uuid4().hex}@example.com"
    users = f"{house.issuer_url}/v1/users"
    _, user, _ = await house.call("POST", users, {"email": email, "phone": "+12125550123"})

    async def marks() -> tuple[bool, bool]:
        _, found, _ = await house.call("GET", f"{users}/{user['id']}")
        return found["email_verified"], found["phone_verified"]

    login = await house.ask(user_id=user["id"], channel="email")
    assert (await house.verify(login["token"]))[0] == 200
    assert await marks() == (False, False)
    for channel, marked in (("email", (True, False)), ("sms", (True, True))):
        link = await house.ask(user_id=user["id"], channel=channel, type="verify_identifier")
        assert (await house.verify(link["token"]))[0] == 200
        assert await marks() == marked
