import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.integration.inbox.inbox_client import ACCOUNT, InboxClient


@asynccontextmanager
async def inbox_process(
    *options: str, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.dev.inbox",
        *options,
        env={"MAGICLINK_LOG_FORMAT": "json", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            yield process, process.stdout
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_process_serves_with_the_account_of_its_environment_and_stops_on_sigterm(
    tmp_path: Path,
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(ACCOUNT.auth_token + "\n")
    environment = {
        "MAGICLINK_TWILIO_ACCOUNT_SID": ACCOUNT.sid,
        "MAGICLINK_TWILIO_AUTH_TOKEN_FILE": str(token_file),
    }
    async with inbox_process("--http-port", "0", "--smtp-port", "0", **environment) as (process, output):
        started = json.loads(await output.readline())
        assert started["event"] == "inbox_started"
        path = f"http://127.0.0.1:{started['http_port']}/2010-04-01/Accounts/{ACCOUNT.sid}/Messages.json"
        headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT.sid, ACCOUNT.auth_token)}
        sms = {"To": "+14155550100", "From": "+15005550006", "Body": "hello"}
        async with aiohttp.ClientSession() as http, http.post(path, data=sms, headers=headers) as answer:
            assert answer.status == 201
        process.terminate()
        assert await process.wait() == 0


async def test_a_taken_port_is_one_clear_line(client: InboxClient) -> None:
    taken = str(client.inbox.http_port)
    async with inbox_process("--http-port", taken, "--smtp-port", "0") as (process, output):
        text = (await output.read()).decode()
        assert await process.wait() == 1
    assert "in use" in text
    assert taken in text
    assert "Traceback" not in text
