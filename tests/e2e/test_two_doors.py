"""The link and the passcode of one message: two doors, one use, five tries, and nothing told to whoever guesses (G1, G7)."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest

from tests.clusters import House

NO_SUCH_LINK = "01912d68-783e-7a03-8467-5661c1243ad4"


async def typed(
    house: House, passcode: str, *, replica: int = 0, **holder: str
) -> tuple[int, dict[str, Any]]:
    url = f"{house.cluster.verifier_urls[replica]}/v1/passcodes/verify"
    status, answer, _ = await house.call("POST", url, {"passcode": passcode, "jwt": False, **holder})
    return status, answer


def wrong(link: dict[str, Any], number: int = 0) -> str:
    return f"{(int(link['passcode']) + 1 + number) % 10**6:06}"


async def mailed(house: House, email: str) -> tuple[dict[str, Any], str]:
    """Ask for a link with a passcode; return it, and the passcode as a person reads it in the mail."""
    link = await house.ask(email=email, channel="email", passcode=True, state={"cart": 7})
    (mail,) = await house.until_caught(1, to=email)
    found = re.findall(r"\b(\d{3}\s\d{3})\s*$", mail["text"], re.MULTILINE)
    assert len(found) == 1, mail["text"]
    return link, found[0]


@pytest.mark.parametrize("by", ["link_id", "email"])
async def test_the_mails_passcode_redeems_the_link_and_then_neither_door_opens(house: House, by: str) -> None:
    email = f"two-doors-{uuid4().hex}@example.com"
    link, passcode = await mailed(house, email)
    holder = {"link_id": link["id"]} if by == "link_id" else {"email": email.upper()}
    status, answer = await typed(house, passcode, **holder)
    assert (status, answer["link"]["id"], answer["user"]["email"]) == (200, link["id"], email)
    assert answer["state"] == {"cart": 7}
    assert [(await house.verify(link["token"], replica=at))[1]["code"] for at in (0, 1)] == [
        "link_consumed"
    ] * 2
    for at in (0, 1):
        status, answer = await typed(house, passcode, replica=at, **holder)
        assert (status, answer["code"]) == (400, "passcode_invalid")


async def test_five_wrong_tries_lock_the_passcode_and_the_link_still_works(house: House) -> None:
    link, passcode = await mailed(house, f"locked-{uuid4().hex}@example.com")
    for number in range(5):
        assert (await typed(house, wrong(link, number), replica=number % 2, link_id=link["id"]))[0] == 400
    assert (await typed(house, passcode, link_id=link["id"]))[0] == 400
    assert (await house.history(link))["link"]["passcode_locked"]
    assert (await house.verify(link["token"]))[0] == 200


async def test_link_and_passcode_at_once_on_two_verifiers_have_one_winner_in_each_of_twenty_rounds(
    house: House,
) -> None:
    winners = []
    for link in await house.make_links(20, passcode=True):
        # Three of each door, so that a round has more than one way to go wrong.
        doors = [
            *(house.verify(link["token"], replica=0) for _ in range(3)),
            *(typed(house, link["passcode"], replica=1, link_id=link["id"]) for _ in range(3)),
        ]
        statuses = [status for status, _ in await asyncio.gather(*doors)]
        winners.append(statuses.count(200))
        assert set(statuses) <= {200, 400, 409}, statuses
    assert winners == [1] * 20


async def test_wrong_locked_used_and_unknown_passcodes_get_the_same_bytes(house: House) -> None:
    known = f"known-{uuid4().hex}@example.com"
    link, locked, used, plain = [
        await house.ask(email=email, passcode=passcode)
        for email, passcode in (
            (known, True),
            (f"locked-{uuid4().hex}@example.com", True),
            (f"used-{uuid4().hex}@example.com", True),
            (f"plain-{uuid4().hex}@example.com", False),
        )
    ]
    for number in range(5):
        await typed(house, wrong(locked, number), link_id=locked["id"])
    assert (await typed(house, used["passcode"], link_id=used["id"]))[0] == 200
    foreign = await (await house.new_app()).ask(email=known, passcode=True)
    bodies: list[dict[str, Any]] = [
        {"link_id": link["id"], "passcode": wrong(link)},
        {"email": known, "passcode": wrong(link, 1)},
        {"link_id": locked["id"], "passcode": locked["passcode"]},
        {"link_id": used["id"], "passcode": used["passcode"]},
        {"link_id": plain["id"], "passcode": "123456"},
        {"link_id": foreign["id"], "passcode": foreign["passcode"]},
        {"link_id": NO_SUCH_LINK, "passcode": "123456"},
        {"email": f"nobody-{uuid4().hex}@example.com", "passcode": "123456"},
        {"phone": "+12025550177", "passcode": "123456"},
        {"link_id": link["id"], "passcode": "x"},
    ]
    answers = {await exactly(house, body) for body in bodies}
    assert len(answers) == 1, answers
    ((status, _, raw),) = answers
    assert (status, b"passcode_invalid" in raw) == (400, True)


async def exactly(house: House, body: dict[str, Any]) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Return status, headers and bytes, under one request id so that nothing else may differ."""
    headers = {"Authorization": f"Bearer {house.api_key}", "X-Request-Id": "the-same"}
    url = f"{house.verifier_url}/v1/passcodes/verify"
    async with house.session.post(url, json=body, headers=headers) as response:
        told = tuple(sorted((k.lower(), v) for k, v in response.headers.items() if k.lower() != "date"))
        return response.status, told, await response.read()
