"""Webhooks end to end: the native deliverer, compat, and WorkOS's SDK that checks the signature and reads the event."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.native import Native, Urls
from services.compat.parts import CompatParts
from services.compat.settings import CompatSettings
from services.compat.workos.routes import workos_routes
from shared.cache import Cache
from shared.http.edge import make_edge
from tests.conformance.sdks import SdkError
from tests.conformance.vendor_house import VendorHouse
from tests.conformance.workos.product import Product, somebody

pytestmark = pytest.mark.conformance

TARGET_SECRET = "the secret of WorkOS's dashboard"


@dataclass
class Endpoint:
    """Where the product takes webhooks."""

    url: str = ""
    away: bool = False
    got: list[tuple[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        if self.away:
            return web.Response(status=503)
        self.got.append((await request.text(), request.headers["WorkOS-Signature"]))
        return web.Response()

    async def until(self, count: int, seconds: float = 40) -> list[tuple[str, str]]:
        deadline = monotonic() + seconds
        while len(self.got) < count:
            assert monotonic() < deadline, f"{len(self.got)} of {count} webhooks"
            await asyncio.sleep(0.05)
        return self.got


def parts_of(house: VendorHouse, session: aiohttp.ClientSession, forwards: str) -> CompatParts:
    apps = house.cluster.vendor_apps
    assert apps is not None
    settings = CompatSettings(
        environment="dev",
        redis_url=house.cluster.backends.redis_url,
        issuer_url=house.issuer_url,
        verifier_url=house.verifier_url,
        compat_url=house.compat_url,
        compat_api_key=apps.compat_api_key,
        webhook_forwards=forwards,
    )
    native = Native(session, Urls(house.issuer_url, house.verifier_url), apps.compat_api_key)
    return CompatParts(native, Accounts(native), Attempts(), settings)


@asynccontextmanager
async def telling(house: VendorHouse) -> AsyncIterator[Endpoint]:
    """Tell a product of the events of the WorkOS app, through a compat whose settings say so."""
    endpoint, port = Endpoint(), unused_port()
    product = web.Application()
    product.router.add_post("/hooks", endpoint.take)
    client_id = house.vendors["workos"]["client_id"]
    key = await house.new_key(await house.app_of("workos"), ["apps:read", "apps:write"])
    bearing = {"Authorization": f"Bearer {key}"}
    wanted = {
        "url": f"http://127.0.0.1:{port}/webhooks/workos/{client_id}",
        "events": ["link.issued", "link.consumed", "passcode.refused"],
    }
    status, webhook, _ = await house.call("POST", f"{house.issuer_url}/v1/webhooks", wanted, **bearing)
    assert status == 201, webhook
    cache = Cache(house.cluster.backends.redis_url, budget_seconds=1)
    async with TestServer(product) as server, aiohttp.ClientSession() as session:
        forward = {
            "vendor": "workos", "vendor_id": client_id, "secret": webhook["secret"],
            "target_url": str(server.make_url("/hooks")), "target_secret": TARGET_SECRET,
        }  # fmt: skip
        parts = parts_of(house, session, json.dumps([forward]))
        edge = make_edge(parts.settings, cache, api_keys=None)
        async with TestServer(edge.application(workos_routes(parts)), port=port):
            yield endpoint
    await house.call("DELETE", f"{house.issuer_url}/v1/webhooks/{webhook['id']}", **bearing)
    await cache.close()


async def read(product: Product, told: tuple[str, str], secret: str = TARGET_SECRET) -> dict[str, Any]:
    body, signature = told
    event: dict[str, Any] = await product.do("verify_event", body=body, signature=signature, secret=secret)
    return event


async def test_a_product_is_told_of_magic_auths_in_workos_form(product: Product) -> None:
    async with telling(product.house) as endpoint:
        await product.session()
        made = await product.do("create_magic_auth", email=somebody())
        [told] = await endpoint.until(1)
        created = await read(product, told)
        assert (created["kind"], created["event"]) == ("MagicAuthCreated", "magic_auth.created")
        assert (created["data"]["id"], created["data"]["email"]) == (made["id"], made["email"])
        assert made["code"] not in told[0]

        wrong = "000000" if made["code"] != "000000" else "000001"
        with pytest.raises(SdkError):
            await product.do("authenticate", code=wrong, email=made["email"])
        failed = await read(product, (await endpoint.until(2))[1])
        assert (failed["event"], failed["data"]["email"]) == (
            "authentication.magic_auth_failed",
            made["email"],
        )

        endpoint.away = True
        await product.do("authenticate", code=made["code"], email=made["email"])
        await asyncio.sleep(1)
        endpoint.away = False
        succeeded = await read(product, (await endpoint.until(3))[2])
        assert succeeded["event"] == "authentication.magic_auth_succeeded"
        assert succeeded["data"]["user_id"] == made["user_id"]
        with pytest.raises(SdkError) as raised:
            await read(product, endpoint.got[0], secret="another")
        assert raised.value.kind == "ValueError"
