"""What a support person sees of a link: everything that happened to it, in order, in the providers' own words."""

import asyncio
from typing import Any
from uuid import uuid4

from tests.clusters import House
from tests.e2e.browsing import SCANNER, look, press


async def until_noted(house: House, link: dict[str, Any], event: str, count: int) -> None:
    """Wait until this many visits or refusals stand in a timeline: they are written once a second."""
    for _ in range(60):
        timeline = (await house.history(link))["timeline"]
        if sum(entry["event"] == event for entry in timeline) >= count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"fewer than {count} times {event}: {timeline}")


async def test_a_text_is_told_from_its_issue_over_its_delivery_and_visits_to_its_consumption(
    house: House,
) -> None:
    link = await house.ask(phone="+13125550124", channel="sms")
    await house.until_message(link, "delivered")
    assert (await look(house, link["url"], **SCANNER))[0] == 200
    assert (await look(house, link["url"]))[0] == 200
    async with house.session.get(link["url"], headers={"Sec-Purpose": "prefetch;prerender"}) as response:
        assert response.status == 200
    await until_noted(house, link, "visited", 3)
    # A scanner that presses buttons is told apart, and has burned nothing.
    assert (await press(house, link["url"], **SCANNER))[0] == 403
    await until_noted(house, link, "refused", 1)
    assert (await press(house, link["url"]))[0] == 303
    timeline = (await house.history(link))["timeline"]
    events = [entry["event"] for entry in timeline]
    assert [event for event in events if event not in ("visited", "refused")] == [
        "issued", "queued", "sending", "accepted", "delivered", "consumed",
    ]  # fmt: skip
    assert [entry["visitor"] for entry in timeline if entry["event"] == "visited"] == [
        "scanner", "browser", "prefetch",
    ]  # fmt: skip
    assert [(e["visitor"], e["code"]) for e in timeline if e["event"] == "refused"] == [
        ("scanner", "scanner_refused")
    ]
    assert events.index("delivered") < events.index("visited") < events.index("consumed")
    (accepted,) = [entry for entry in timeline if entry["event"] == "accepted"]
    assert (accepted["provider"], accepted["provider_id"][:2]) == ("twilio", "SM")


async def test_a_text_that_the_provider_could_not_deliver_says_so(house: House) -> None:
    link = await house.ask(phone="+15005550030", channel="sms")
    told = await house.until_message(link, "undelivered", "failed", "delivered")
    (entry,) = [entry for entry in told["timeline"] if entry["event"] == "undelivered"]
    assert "30003" in entry["detail"]
    assert (await house.verify(link["token"]))[0] == 200


async def test_a_mail_that_fails_says_why_and_a_resend_by_sms_reaches_the_user(house: House) -> None:
    email, phone = f"reject+{uuid4().hex}@simulator.example", "+14155550125"
    _, user, _ = await house.call("POST", f"{house.issuer_url}/v1/users", {"email": email, "phone": phone})
    link = await house.ask(user_id=user["id"], channel="email", passcode=True)
    told = await house.until_message(link, "failed")
    (failed,) = [entry for entry in told["timeline"] if entry["event"] == "failed"]
    assert failed["detail"] == "550 at RCPT TO: 5.1.1 no such user here"

    url = f"{house.issuer_url}/v1/links/{link['id']}/resend"
    status, answer, headers = await house.call("POST", url, {"channel": "sms"})
    assert (status, answer["code"], int(headers["Retry-After"]) <= 30) == (429, "rate_limited", True)
    owner = await house.database()
    await owner.execute(
        "UPDATE magiclink.messages SET created_at = created_at - interval '31 seconds' WHERE link_id = $1",
        link["id"],
    )
    await owner.close()
    status, answer, _ = await house.call("POST", url, {"channel": "sms"})
    assert (status, answer["link"]["url"], answer["message"]["channel"]) == (200, link["url"], "sms")
    assert answer["link"]["passcode"] != link["passcode"]
    told = await house.until_message(link, "delivered")
    assert [message["channel"] for message in told["messages"]] == ["email", "sms"]
    texts = [text for text in await house.inbox(to=phone) if link["url"] in text["text"]]
    assert len(texts) == 1
    # The old passcode is void, the new one and the link are two doors of one thing.
    verify = f"{house.verifier_url}/v1/passcodes/verify"
    for passcode, status in ((link["passcode"], 400), (answer["link"]["passcode"], 200)):
        body = {"link_id": link["id"], "passcode": passcode, "jwt": False}
        assert (await house.call("POST", verify, body))[0] == status
    assert (await house.verify(link["token"]))[1]["code"] == "link_consumed"
