"""Native webhooks told on in WorkOS's form, with a signature that its SDKs accept."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.compat.workos.events import Facts, event_body, event_id, signature, translated
from services.compat.workos.magic_auth import MARK
from shared.webhooks import signed_headers
from tests.unit.compat.workos.recorded import (
    CLIENT_ID,
    LINK,
    LINK_ID,
    PUBLIC_USER_ID,
    USER,
    USER_ID,
    Recorded,
    compat,
    refused,
)

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
MAGIC_LINK = {**LINK, "metadata": MARK}
ISSUED: dict[str, Any] = {
    "type": "magiclink.link.issued.v1",
    "id": f"{LINK_ID}.1",
    "time": "2026-01-01T00:00:00Z",
    "data": {"link_id": LINK_ID, "user_id": USER_ID, "sequence": 1},
}


@pytest.mark.parametrize(
    ("native", "event"),
    [
        ("link.issued", "magic_auth.created"),
        ("link.consumed", "authentication.magic_auth_succeeded"),
        ("passcode.refused", "authentication.magic_auth_failed"),
    ],
)
def test_the_events_of_a_magic_auth_have_names_of_workos(native: str, event: str) -> None:
    told = translated({**ISSUED, "type": f"magiclink.{native}.v1"}, Facts(MAGIC_LINK, USER))
    assert told is not None
    assert (told["object"], told["event"]) == ("event", event)
    assert (told["data"]["user_id"], told["data"]["email"]) == (PUBLIC_USER_ID, "ada@example.com")
    assert "code" not in told["data"]
    assert ("error" in told["data"]) == (native == "passcode.refused")


def test_a_passwordless_session_has_no_events() -> None:
    assert translated(ISSUED, Facts(LINK, USER)) is None
    assert translated({**ISSUED, "type": "magiclink.link.revoked.v1"}, Facts(MAGIC_LINK, USER)) is None


def test_an_event_is_known_again_by_its_id() -> None:
    assert event_id("a.1") == event_id("a.1")
    assert event_id("a.1") != event_id("a.2")
    assert event_id("a.1").startswith("event_")


def test_the_signature_is_over_milliseconds_and_the_body_as_it_is_sent() -> None:
    body = event_body({"name": "Zoë", "n": [1, 2]})
    assert body == '{"name":"Zoë","n":[1,2]}'.encode()
    expected = hmac.new(b"secret", b"1700000000000." + body, hashlib.sha256).hexdigest()
    assert signature("secret", body, 1_700_000_000_000) == f"t=1700000000000, v1={expected}"


class Product:
    """The product's endpoint."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers["WorkOS-Signature"], await request.read()))
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


def native_api() -> Recorded:
    path = f"/v1/links/{LINK_ID}"
    return Recorded({f"GET {path}": {"link": MAGIC_LINK, "messages": []}, f"GET /v1/users/{USER_ID}": USER})


@asynccontextmanager
async def forwarding(native: Recorded, product: Product) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    app.router.add_post("/hooks", product.take)
    async with TestServer(app) as server:
        forward = {
            "vendor": "workos", "vendor_id": CLIENT_ID, "secret": SECRET, "target_url": str(server.make_url("/hooks")),
            "target_secret": "target",
        }  # fmt: skip
        async with compat(native, webhook_forwards=json.dumps([forward])) as client:
            yield client


async def deliver(
    client: TestClient[Any, Any],
    event: Any,
    secret: str = SECRET,
    client_id: str = CLIENT_ID,
    age_seconds: int = 0,
) -> int:
    body = json.dumps(event).encode()
    headers = signed_headers(secret, "m1", int(time.time()) - age_seconds, body)
    async with client.post(f"/webhooks/workos/{client_id}", data=body, headers=headers) as answer:
        return answer.status


async def test_a_product_gets_the_event_signed_with_its_own_secret() -> None:
    product = Product()
    async with forwarding(native_api(), product) as client:
        assert await deliver(client, ISSUED) == 200
    [(header, body)] = product.got
    sent_ms = int(header.partition(", ")[0].removeprefix("t="))
    assert abs(time.time() * 1000 - sent_ms) < 60_000
    assert header == signature("target", body, sent_ms)
    assert json.loads(body)["event"] == "magic_auth.created"


async def test_the_deliverer_hears_what_the_product_said() -> None:
    product = Product()
    async with forwarding(native_api(), product) as client:
        for said, heard in ((204, 204), (410, 410), (500, 500), (302, 502)):
            product.status = said
            assert await deliver(client, ISSUED) == heard


async def test_a_product_that_is_away_is_told_of_later() -> None:
    forward = {
        "vendor": "workos", "vendor_id": CLIENT_ID, "secret": SECRET, "target_url": "http://127.0.0.1:9/hooks", "target_secret": "t",
    }  # fmt: skip
    async with compat(native_api(), webhook_forwards=json.dumps([forward])) as client:
        assert await deliver(client, ISSUED) == 503


async def test_what_the_deliverer_did_not_sign_goes_nowhere() -> None:
    product, native = Product(), native_api()
    async with forwarding(native, product) as client:
        assert await deliver(client, ISSUED, secret="whsec_" + "A" * 43 + "=") == 401
        assert await deliver(client, ISSUED, age_seconds=3600) == 401
        assert await deliver(client, ISSUED, client_id="client_02") == 401
        async with client.post(f"/webhooks/workos/{CLIENT_ID}", json=ISSUED) as answer:
            assert answer.status == 401
    assert (product.got, native.asked) == ([], [])


async def test_what_workos_has_no_event_for_is_taken_and_dropped() -> None:
    product, native = Product(), native_api()
    async with forwarding(native, product) as client:
        assert await deliver(client, {**ISSUED, "type": "magiclink.message.accepted.v1"}) == 204
        assert native.asked == []
        native.answers[f"GET /v1/users/{USER_ID}"] = refused("not_found", 404)
        assert await deliver(client, ISSUED) == 204
    assert product.got == []
