"""Where a webhook may go: nowhere inside (SSRF)."""

import asyncio
import socket
import threading

import pytest

from services.notifier.public_addresses import AddressNotPublic, PublicResolver, is_address, is_public
from services.notifier.webhook_post import WebhookPoster


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::",
        "2001:0:7f00:1::", "2001:db8::1", "127.1", "2130706433", "0x7f000001", "127.0.0.1.", "", "example.com",
        "::7f00:1", "::ffff:0:7f00:1", "192.0.0.192", "100::1", "5f00::1",
    ],
)  # fmt: skip
def test_an_address_of_ours_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_an_address_of_the_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "127.0.0.1.", "::1"])
def test_what_a_client_may_connect_to_without_asking_anybody_counts_as_an_address(host: str) -> None:
    assert is_address(host)


def test_names_do_not() -> None:
    assert not is_address("example.com")
    assert not is_address("1.example")


async def test_a_name_that_leads_inside_is_not_resolved() -> None:
    resolver = PublicResolver()
    with pytest.raises(AddressNotPublic):
        await resolver.resolve("localhost", 443, socket.AF_INET)
    with pytest.raises(AddressNotPublic):
        await resolver.resolve("0x7f000001", 443, socket.AF_INET)
    await resolver.close()


async def test_names_that_nobody_answers_for_hold_no_thread_that_others_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30) and [])
    resolver = PublicResolver()
    waiting = [asyncio.create_task(resolver.resolve(f"{n}.example", 443)) for n in range(100)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "sent"), 5) == "sent"
    answered.set()
    assert {type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)} == {AddressNotPublic}
    await resolver.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.215.14/", "https://127.0.0.1:1/", "https://127.1:1/", "https://2130706433:1/", "https://[::1]:1/",
        "https://[::ffff:127.0.0.1]:1/", "https://169.254.169.254/latest/meta-data/",
    ],
)  # fmt: skip
async def test_nothing_is_posted_there(url: str) -> None:
    poster = WebhookPoster()
    posted = await poster.post(url, b"{}", {})
    await poster.close()
    assert (posted.ok, posted.reason) == (False, "address_not_public")


async def test_a_name_that_leads_inside_is_refused_when_it_is_connected_to() -> None:
    poster = WebhookPoster()
    posted = await poster.post("https://localhost:1/", b"{}", {})
    await poster.close()
    assert not posted.ok
    assert not posted.gone
