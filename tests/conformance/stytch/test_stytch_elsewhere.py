"""The same over TLS with a local CA, and by Stytch's Node SDK."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Certificates
from tests.conformance.sdks import sdk_node_modules
from tests.conformance.stytch.conftest import SDK, Product, environment, new_email
from tests.conformance.vendor_house import VendorHouse

pytestmark = pytest.mark.conformance
CALL_SECONDS = 60


async def test_over_tls_a_user_signs_in_by_mail_and_the_jwt_is_validated_locally(
    tls_product: Product,
) -> None:
    email = new_email()
    await tls_product.ask("magic_links.email.login_or_create", email=email)
    token = await tls_product.mailed(email)
    told = await tls_product.ask("magic_links.authenticate", token=token, session_duration_minutes=60)
    local = await tls_product.ask("sessions.authenticate_jwt_local", session_jwt=told["session_jwt"])
    assert local["session_id"] == told["session"]["session_id"]
    assert await tls_product.refused("magic_links.authenticate", token=token) == (
        401,
        "unable_to_auth_magic_link",
    )


async def test_the_asynchronous_client_trusts_the_local_ca_too(tls_product: Product) -> None:
    made = await tls_product.sdk.call("calls:ask_async", method="users.create", args={"email": new_email()})
    assert made["user_id"].startswith("user-test-")


class Node:
    """A running process with the Node SDK in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, method: str, **args: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"method": method, "args": args}).encode() + b"\n")
        async with asyncio.timeout(CALL_SECONDS):
            told: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return told


async def sign_in(node: Node, house: VendorHouse) -> None:
    """Sign somebody in by mail, check their session in every way, and sign them out."""
    email = new_email()
    made = (await node.ask("magicLinks.email.loginOrCreate", email=email))["result"]
    assert made["user_created"] is True
    token = await Product(None, house).mailed(email)  # type: ignore[arg-type]
    asked = {"token": token, "session_duration_minutes": 60}
    told = (await node.ask("magicLinks.authenticate", **asked))["result"]
    assert told["user"]["emails"][0]["verified"] is True
    local = (await node.ask("sessions.authenticateJwtLocal", session_jwt=told["session_jwt"]))["result"]
    assert local["session_id"] == told["session"]["session_id"]
    refused = (await node.ask("magicLinks.authenticate", token=token))["error"]
    assert (refused["kind"], refused["status_code"], refused["error_type"]) == (
        "StytchError", 401, "unable_to_auth_magic_link",
    )  # fmt: skip
    await node.ask("sessions.revoke", session_token=told["session_token"])
    gone = (await node.ask("sessions.authenticate", session_token=told["session_token"]))["error"]
    assert (gone["status_code"], gone["error_type"]) == (404, "session_not_found")


@pytest.mark.parametrize("over", ["http", "tls"])
async def test_the_node_sdk_signs_somebody_in_and_out(
    vendor_house: VendorHouse, tls_url: str, local_ca: Certificates, tmp_path: Path, over: str
) -> None:
    modules = await asyncio.to_thread(sdk_node_modules, "stytch")
    # Node looks for packages beside the file.
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")
    script = tmp_path / "flow.mjs"
    script.write_text((SDK / "flow.mjs").read_text())
    base_url = vendor_house.compat_url if over == "http" else tls_url
    given = {**environment(vendor_house, base_url), **local_ca.environment}
    process = await asyncio.create_subprocess_exec(
        "node", str(script), env={"PATH": os.environ["PATH"], **given}, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=2**22,
    )  # fmt: skip
    try:
        await sign_in(Node(process), vendor_house)
    finally:
        process.terminate()
        await process.wait()
