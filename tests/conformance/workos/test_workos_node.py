"""The same flows by WorkOS's Node SDK, which sends `/sso/token` as a form and names its attempts by no `Idempotency-Key`."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator

import pytest

from services.compat.workos.events import event_body, event_id, signature
from shared.clock import wall
from tests.certificates import Certificates
from tests.conformance.sdks import Sdk, SdkError, sdk_node_modules
from tests.conformance.vendor_house import VendorHouse
from tests.conformance.workos.conftest import FOLDER
from tests.conformance.workos.product import Product, somebody

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="session", params=["http", "https"])
async def node(
    request: pytest.FixtureRequest, vendor_house: VendorHouse, tls_url: str, local_ca: Certificates
) -> AsyncIterator[Product]:
    folder = await asyncio.to_thread(sdk_node_modules, "workos")
    base_url = tls_url if request.param == "https" else vendor_house.compat_url
    process = await asyncio.create_subprocess_exec(
        "node", str(FOLDER / "product.mjs"),
        env={"PATH": os.environ["PATH"], "NODE_FOLDER": str(folder), **Product.environment(vendor_house, base_url), **local_ca.environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    sdk = Sdk(process)
    try:
        yield Product(vendor_house, sdk)
    finally:
        await sdk.close()


async def test_somebody_signs_in_by_magic_link(node: Product) -> None:
    email = somebody()
    asked = {"email": email, "redirectURI": node.given["redirect_uri"], "state": "s", "expiresIn": 900}
    session = await node.sdk.call("createSession", **asked)
    assert await node.sdk.call("sendSession", id=session["id"]) == {"success": True}
    [mail] = await node.house.until_caught(1, to=email)
    assert session["link"] in mail["text"]
    brought = await node.follow(session["link"])
    told = await node.sdk.call("getProfileAndToken", code=brought["code"][0])
    assert (told["profile"]["email"], told["profile"]["connectionType"]) == (email, "MagicLink")
    assert await node.sdk.call("getProfile", accessToken=told["accessToken"]) == told["profile"]
    with pytest.raises(SdkError) as raised:
        await node.sdk.call("getProfileAndToken", code=brought["code"][0])
    assert (raised.value.kind, raised.value.fields["error"]) == ("OauthException", "invalid_grant")


async def test_somebody_signs_in_by_magic_auth(node: Product) -> None:
    made = await node.sdk.call("createMagicAuth", email=somebody())
    told = await node.sdk.call("authenticate", code=made["code"], email=made["email"])
    assert (told["user"]["id"], told["user"]["emailVerified"]) == (made["userId"], True)
    assert (await node.sdk.call("refresh", refreshToken=told["refreshToken"]))["accessToken"]
    [found] = await node.sdk.call("listUsers", email=made["email"])
    assert found["id"] == made["userId"]
    with pytest.raises(SdkError) as raised:
        await node.sdk.call("authenticate", code=made["code"], email=made["email"])
    assert (raised.value.kind, raised.value.fields["status"]) == ("GenericServerException", 400)
    assert raised.value.fields["rawData"]["code"] == "invalid_one_time_code"


async def test_an_outage_burns_no_code_of_a_caller_who_names_no_attempt(node: Product) -> None:
    session = await node.sdk.call("createSession", email=somebody())
    code = (await node.follow(session["link"]))["code"][0]
    await node.house.cluster.kill("verifier")
    try:
        with pytest.raises(SdkError):
            await node.sdk.call("getProfileAndToken", code=code)
    finally:
        await node.house.cluster.start_part("verifier")
    assert (await node.sdk.call("getProfileAndToken", code=code))["profile"]["email"] == session["email"]


async def test_the_sdk_accepts_our_webhooks(node: Product) -> None:
    event = {
        "object": "event", "id": event_id("a.1"), "event": "magic_auth.created", "created_at": "2026-01-01T00:00:00.000Z",
        "data": {"object": "magic_auth", "id": "magic_auth_1", "user_id": "user_1", "email": "zoë@example.com"},
    }  # fmt: skip
    body = event_body(event)
    signed = signature("secret", body, int(wall() * 1000))
    told = await node.sdk.call("constructEvent", body=body.decode(), signature=signed, secret="secret")
    assert told["event"] == "magic_auth.created"
    with pytest.raises(SdkError):
        await node.sdk.call("constructEvent", body=body.decode(), signature=signed, secret="another")
