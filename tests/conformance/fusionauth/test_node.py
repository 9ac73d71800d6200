"""FusionAuth's official Node SDK, unmodified: one real flow."""

import asyncio
import json
import os
import subprocess
from typing import Any
from uuid import uuid4

import pytest

from tests.conformance.fusionauth.conftest import SDK
from tests.conformance.fusionauth.fusion import Fusion
from tests.conformance.sdks import sdk_node_modules

pytestmark = pytest.mark.conformance
PACKAGE = "fusionauth"


async def run(fusion: Fusion, email: str) -> Any:
    folder = await asyncio.to_thread(sdk_node_modules, PACKAGE)
    around = {
        "PATH": os.environ["PATH"],
        "NODE_FOLDER": str(folder),
        "FUSIONAUTH_KEY": fusion.given["api_key"],
        "FUSIONAUTH_URL": fusion.house.compat_url,
        "APPLICATION_ID": fusion.application_id,
        "EMAIL": email,
    }
    ran = await asyncio.to_thread(
        subprocess.run,
        ["node", str(SDK / "flow.mjs")],
        env=around,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


async def test_somebody_signs_in_through_the_node_sdk(fusion: Fusion) -> None:
    email = f"u{uuid4().hex}@example.com"
    told = await run(fusion, email)
    assert told["sent"] == 200
    assert told["login"]["statusCode"] == 200
    assert told["login"]["state"] == {"cart": 7}
    user = told["registered"]["user"]
    assert told["login"]["user"]["id"] == told["validated"]["jwt"]["sub"] == user["id"]
    assert told["refreshed"]["refreshToken"] == told["login"]["refreshToken"]
    assert told["usedTwice"] == {"statusCode": 404}
    assert told["badKey"] == {"statusCode": 401}
    assert told["badRequest"]["statusCode"] == 400
    assert list(told["badRequest"]["exception"]["fieldErrors"]) == ["applicationId", "loginId"]
