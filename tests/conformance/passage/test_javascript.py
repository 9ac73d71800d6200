"""The vendor's JavaScript, unmodified: the server's SDK, and the browser's library on the page that a link leads to."""

import asyncio
import json
import os
import subprocess
from typing import Any

import pytest

from tests.conformance.passage.conftest import SDK_FOLDER, PassageHouse, environment, fresh_email
from tests.conformance.sdks import sdk_node_modules

pytestmark = pytest.mark.conformance


async def run(passage: PassageHouse, script: str, **values: str) -> Any:
    """Run a script of `sdk/` in Node; return what it tells."""
    folder = await asyncio.to_thread(sdk_node_modules, "passage")
    around = environment(passage.house, passage.house.compat_url)
    ran = await asyncio.to_thread(
        subprocess.run,
        ["node", str(SDK_FOLDER / script)],
        env={"PATH": os.environ["PATH"], "NODE_FOLDER": str(folder), **around, **values},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


async def test_the_servers_sdk_does_a_whole_flow(passage: PassageHouse) -> None:
    told = await run(passage, "flow.mjs", EMAIL=fresh_email())
    assert told["found"]["id"] == told["user"]["id"]
    assert told["app"]["id"] == passage.app_id
    assert told["magicLink"]["user_id"] == told["user"]["id"]
    assert (told["magicLink"]["ttl"], told["magicLink"]["redirect_url"]) == (30, "/reports/1")
    assert told["devices"] == []
    assert told["refusal"] == {"isPassageError": True, "errorCode": "user_not_found", "statusCode": 404}
    assert (told["signedOut"], told["deleted"]) == (True, True)


async def test_the_browsers_library_activates_waits_refreshes_and_signs_out(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()}, options={"redirect_url": "/login?next=1"})
    told = await run(passage, "browser.mjs", LINK_URL=made["url"])
    assert told["early"]["isPassageError"]
    assert told["early"]["statusCode"] == 404
    assert told["activated"]["redirectUrl"] == "/login?next=1"
    assert await passage.call("validate_jwt", token=told["activated"]["authToken"]) == made["user_id"]
    assert told["isSignedIn"] is True
    assert told["again"]["isPassageError"]
    assert told["again"]["statusCode"] == 401
    assert told["again"]["message"]
    assert told["refreshed"]["refreshToken"] != told["activated"]["refreshToken"]
    assert told["waited"]["authToken"]
    assert told["app"]["id"] == passage.app_id
    assert told["signedOut"] is True
    assert told["kept"] == []
