"""The inbox as the cluster's provider: what it reports and how it fails arrives where the product service looks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.clusters import REDIRECT, House, running_house


@pytest_asyncio.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running_house(tmp_path_factory.mktemp("inbox")) as house:
        yield house


async def send(house: House, **fields: Any) -> str:
    """Have a link sent; return its id."""
    body = {"redirect_url": REDIRECT, **fields}
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links", body)
    assert status == 201, answer
    return str(answer["link"]["id"])


async def until_message(house: House, link_id: str, status: str) -> dict[str, Any]:
    """Wait until the link's message has the status; return the message as the issuer shows it."""
    message: dict[str, Any] = {}
    async with asyncio.timeout(30):
        while message.get("status") != status:
            await asyncio.sleep(0.05)
            _, answer, _ = await house.call("GET", f"{house.issuer_url}/v1/links/{link_id}")
            (message,) = answer["messages"]
    return message


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
async def test_a_callback_makes_a_message_delivered(house: House, channel: str) -> None:
    phone = "+12025550111" if channel == "sms" else "+12025550112"
    link_id = await send(house, phone=phone, channel=channel)
    await until_message(house, link_id, "delivered")
    (caught,) = await house.inbox(to=phone)
    async with house.session.get(f"{house.cluster.inbox_url}/api/messages/{caught['id']}") as answer:
        reports = (await answer.json())["reports"]
    assert [report["callback"] for report in reports[:2]] == ["HTTP 204", "HTTP 204"]


async def test_an_undelivered_message_says_so_in_twilios_words(house: House) -> None:
    link_id = await send(house, phone="+15005550030", channel="sms")
    message = await until_message(house, link_id, "undelivered")
    assert "30003" in message["last_error"]


async def test_an_unknown_outcome_is_known_by_its_callback_and_nothing_goes_out_twice(house: House) -> None:
    link_id = await send(house, phone="+15005550031", channel="sms")
    await until_message(house, link_id, "delivered")
    assert len(await house.inbox(to="+15005550031")) == 1


async def test_a_refused_address_fails_for_good(house: House) -> None:
    link_id = await send(house, email="reject+a@simulator.example", channel="email")
    message = await until_message(house, link_id, "failed")
    assert "550" in message["last_error"]


async def test_a_mail_server_that_says_later_is_asked_again(house: House) -> None:
    rules = [
        {"kind": "smtp_reply", "code": 451, "enhanced_code": "4.7.1", "to": "later@example.com", "times": 1}
    ]
    async with house.session.put(f"{house.cluster.inbox_url}/api/failures", json={"rules": rules}) as answer:
        assert answer.status == 200
    link_id = await send(house, email="later@example.com", channel="email")
    await until_message(house, link_id, "accepted")
    assert len(await house.inbox(to="later@example.com")) == 1
