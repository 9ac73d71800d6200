"""`magiclink dev` itself: what it leaves on disk, how it stops, and that a second start goes on where the first ended."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.programs import Program

KEYS = {
    "issuer_url", "verifier_url", "notifier_url", "inbox_url", "database_url", "redis_url", "kafka_bootstrap", "app_id",
    "api_key", "compat_url", "vendors",
}  # fmt: skip
# What each vendor's SDK is made with.
VENDORS = {
    "stytch": {"project_id", "secret"},
    "workos": {"client_id", "api_key", "redirect_uri"},
    "passage": {"app_id", "api_key"},
    "fusionauth": {"tenant_id", "application_id", "api_key"},
}


@asynccontextmanager
async def launcher(data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    argv = [sys.executable, "-m", "services.cli", "dev", "--no-demo", "--data-dir", str(data_dir)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until_up(process: asyncio.subprocess.Process) -> str:
    """Read what is printed until the whole screen stands."""
    assert process.stdout is not None
    async with asyncio.timeout(90):
        return (await process.stdout.readuntil(b"make clean removes the data and its secrets")).decode()


async def stop(process: asyncio.subprocess.Process, number: signal.Signals) -> int:
    process.send_signal(number)
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


def read_dev(data_dir: Path) -> dict[str, Any]:
    path = data_dir / "dev.json"
    assert path.stat().st_mode & 0o777 == 0o600
    dev: dict[str, Any] = json.loads(path.read_text())
    return dev


def processes_of(data_dir: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            text = path.read_bytes() + path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if str(data_dir).encode() in text:
            found.append(path.parent.name)
    return found


async def until_none_runs(data_dir: Path) -> None:
    deadline = time.monotonic() + 10
    while processes_of(data_dir):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def make_link(dev: dict[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {dev['api_key']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{dev['issuer_url']}/v1/links", json={"email": "ada@example.com"}) as response,
    ):
        return response.status


def secrets_of(dev: dict[str, Any]) -> list[str]:
    given = [values.get("secret") or values["api_key"] for values in dev["vendors"].values()]
    return [dev["api_key"], *given]


async def make_user_of_workos(dev: dict[str, Any]) -> int:
    """Make a user as WorkOS's SDK does, with what `dev.json` gives to it."""
    headers = {"Authorization": f"Bearer {dev['vendors']['workos']['api_key']}"}
    url, body = f"{dev['compat_url']}/user_management/users", {"email": f"u{uuid4().hex}@example.com"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json=body) as response,
    ):
        return response.status


async def check_compat(dev: dict[str, Any], data_dir: Path) -> tuple[int, dict[str, Any]]:
    """Run `magiclink check compat` with the settings of the running one; return the exit status and what it says of each part."""
    apps = json.loads((data_dir / "secrets" / "vendor_apps.json").read_text())
    program = Program(
        MAGICLINK_ENVIRONMENT="dev",
        MAGICLINK_REDIS_URL=dev["redis_url"],
        MAGICLINK_ISSUER_URL=dev["issuer_url"],
        MAGICLINK_VERIFIER_URL=dev["verifier_url"],
        MAGICLINK_COMPAT_URL=dev["compat_url"],
        MAGICLINK_COMPAT_API_KEY=apps["compat_api_key"],
    )
    ended = await program("check", "compat", "--json")
    assert apps["compat_api_key"] not in ended.out + ended.err
    return ended.status, json.loads(ended.out)


async def test_a_cluster_runs_stops_and_goes_on_with_its_data(tmp_path: Path) -> None:
    data_dir = tmp_path / "a data folder"
    async with launcher(data_dir) as first:
        screen = await until_up(first)
        dev = read_dev(data_dir)
        assert dev.keys() >= KEYS
        assert {vendor: set(given) for vendor, given in dev["vendors"].items()} == VENDORS
        assert [secret for secret in secrets_of(dev) if secret in screen] == []
        assert dev["compat_url"] in screen
        assert "in memory" in screen or dev["kafka_idempotence"]
        assert (await make_link(dev), await make_user_of_workos(dev)) == (201, 201)
        status, words = await check_compat(dev, data_dir)
        assert (status, set(words.values())) == (0, {"ok"}), words
        assert words.keys() >= {"settings", "redis", "issuer", "verifier"}
        assert await stop(first, signal.SIGINT) == 0
    assert not processes_of(data_dir)
    status, words = await check_compat(dev, data_dir)
    assert (status, words["verifier"]) == (1, "failed: ConnectionRefusedError"), words
    with pytest.raises(FileNotFoundError):
        read_dev(data_dir)

    async with launcher(data_dir) as second:
        await until_up(second)
        again = read_dev(data_dir)
        assert (again["app_id"], again["api_key"]) == (dev["app_id"], dev["api_key"])
        assert secrets_of(again) == secrets_of(dev)
        assert (await make_link(again), await make_user_of_workos(again)) == (201, 201)
        assert await stop(second, signal.SIGKILL) == -signal.SIGKILL
    await until_none_runs(data_dir)

    async with launcher(data_dir) as third:
        await until_up(third)
        assert await make_link(read_dev(data_dir)) == 201
        assert await stop(third, signal.SIGTERM) == 0
