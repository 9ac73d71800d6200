"""Load by wrk: closed loops, 64 by default, on one thread. An answer with another status than the expected one fails the run."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LUA = Path(__file__).with_name("lua")
_MARK = "REPORT "


class RanOutError(SystemExit):
    """The items were too few for the time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. In `path`, `headers` and `body`, `{number}` stands for the count of the request, `{item}` for the next of `items`.

    Each item is used once, and holds no line break.
    """

    url: str
    """Scheme, host and port."""
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    items: Sequence[str] = ()
    status: int = 200
    connections: int = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """What wrk saw: answers of the expected status, and their latencies by percentile (`p50` …)."""

    requests: int
    seconds: float
    latencies_ms: Mapping[str, float]

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


async def run_load(load: Load, seconds: float) -> Outcome:
    """Send for so many seconds. Raises `SystemExit` when an answer is wrong or missing, `RanOutError` when the items ran out."""
    with tempfile.TemporaryDirectory() as folder:
        output = await _wrk(load, max(1, round(seconds)), write_parts(load, Path(folder)))
    return read_report(output, load.status, f"{load.method} {load.url}{load.path}")


def read_report(output: str, status: int, what: str) -> Outcome:
    """Read what `done` of bench/lua/report.lua wrote. Raises `SystemExit` when the run was not a good one."""
    lines = [line for line in output.splitlines() if line.startswith(_MARK)]
    if len(lines) != 1:
        raise SystemExit(f"wrk reported nothing on {what}:\n{output[-2000:]}")
    told: dict[str, Any] = json.loads(lines[0].removeprefix(_MARK))
    wrong = {code: count for code, count in told["statuses"].items() if code != str(status)}
    if wrong or told["broken"]:
        seen = (
            ", ".join(f"{count} of {code}" for code, count in sorted(wrong.items()))
            or "none of another status"
        )
        raise SystemExit(f"{what}: expected {status} only; answered {seen}; {told['broken']} broken or late")
    if told["ran_out"]:
        raise RanOutError(f"{what}: {told['requests']} items were too few for the time")
    if not told["requests"]:
        raise SystemExit(f"{what}: no answer at all")
    return Outcome(told["requests"], told["seconds"], told["latencies_ms"])


def write_parts(load: Load, folder: Path) -> list[str]:
    """Write the request's parts; return the files that bench/lua/requests.lua reads."""
    lines = [f"{load.method} {load.path} HTTP/1.1", f"Host: {urlsplit(load.url).netloc}"]
    lines += [f"{name}: {value}" for name, value in load.headers.items()]
    parts = {"head": "".join(f"{line}\r\n" for line in lines), "body": load.body}
    if load.items:
        parts["items"] = "".join(f"{item}\n" for item in load.items)
    for name, text in parts.items():
        (folder / name).write_bytes(text.encode())
    return [str(folder / name) for name in parts]


async def _wrk(load: Load, seconds: int, files: Sequence[str]) -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("no `wrk` on the PATH: on Debian, apt install wrk")
    options = ["-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", "requests.lua"]
    process = await asyncio.create_subprocess_exec(
        wrk, *options, load.url, "--", *files,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=LUA,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return output.decode(errors="replace")
