"""Vendors' SDKs in environments of their own, and the processes that run them."""

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements" / "conformance"
DRIVER = Path(__file__).with_name("sdk_driver.py")
CALL_SECONDS = 60.0


class SdkError(Exception):
    """The SDK raised. `kind` is its exception's class, `bases` those above it, `fields` its plain attributes."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(f"{told['type']}: {told['text']}\n{told['trace']}")
        self.kind: str = told["type"]
        self.bases: list[str] = told["bases"]
        self.text: str = told["text"]
        self.fields: dict[str, Any] = told["fields"]


def sdk_python(name: str) -> Path:
    """Return the Python of the environment that the lock `requirements/conformance/<name>.txt` describes, making it once."""
    lock = LOCKS / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"sdk-{name}-{digest}"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        _quietly([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)])
        done.touch()
    return python


def sdk_node_modules(name: str) -> Path:
    """Return a folder with `node_modules` of `requirements/conformance/<name>.package.json`, made once."""
    package = LOCKS / f"{name}.package.json"
    digest = hashlib.sha256(package.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".cache" / f"sdk-node-{name}-{digest}"
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(package.read_bytes())
        _quietly(
            ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder
        )
        _check_integrity(folder)
        done.touch()
    return folder


def _check_integrity(folder: Path) -> None:
    """Hold what npm installed against the hashes beside the pins, before any of it runs: an address of a registry would have no place in a lock."""
    installed = json.loads((folder / "node_modules" / ".package-lock.json").read_text())["packages"]
    found = {name.removeprefix("node_modules/"): package["integrity"] for name, package in installed.items()}
    assert found == json.loads((folder / "package.json").read_text())["integrity"]


def _quietly(argv: list[str], cwd: Path | None = None) -> None:
    ran = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, f"{' '.join(argv)}\n{ran.stdout}\n{ran.stderr}"


class Sdk:
    """A running process with one SDK in it. Calls may run at the same time, up to 60."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, function: str, /, **args: Any) -> Any:
        """Call `module:function` of the driver's folder. Raises `SdkError` for what the SDK raised."""
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "call": function, "args": args}).encode() + b"\n")
        async with asyncio.timeout(CALL_SECONDS):
            told = await future
        if "error" in told:
            raise SdkError(told["error"])
        return told["result"]

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._waiting.pop(told["id"]).set_result(told)
        for future in self._waiting.values():
            future.set_exception(RuntimeError("the SDK's process ended"))


@asynccontextmanager
async def running_sdk(name: str, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Sdk]:
    """Run the SDK of a lock; `folder` holds the modules that `call` names. `environment` is added to a bare one."""
    python = await asyncio.to_thread(sdk_python, name)
    bare = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    process = await asyncio.create_subprocess_exec(
        str(python), str(DRIVER), str(folder),
        env={**bare, **environment}, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
    )  # fmt: skip
    sdk = Sdk(process)
    try:
        yield sdk
    finally:
        await sdk.close()
