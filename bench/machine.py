"""What the figures were measured with: the machine, and the versions of what ran on it."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from services.dev.kafka import find_jars, wants_apache_kafka
from services.dev.postgres import find_binaries
from services.dev.redis import find_server

_LIBRARIES = (
    "aiohttp",
    "uvloop",
    "asyncpg",
    "redis",
    "hiredis",
    "aiokafka",
    "aiosmtplib",
    "orjson",
    "pydantic",
)


def machine() -> dict[str, str]:
    """Return CPU, cores, memory and kernel."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    meminfo = re.search(
        r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(encoding="utf-8"), re.MULTILINE
    )
    memory_gib = int(meminfo[1]) / 2**20 if meminfo else 0.0
    return {
        "CPU": model[1] if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_gib:.0f} GiB",
        "kernel": f"Linux {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Return the versions of servers, load generator, Python and the libraries that the figures hang on."""
    kafka = sorted(find_jars().glob("kafka_2.13-*.jar")) if wants_apache_kafka() else []
    return {
        # Where it stands tells who built it, and how: see bench/README.md.
        "Python": f"{platform.python_version()}, {Path(sys.executable).resolve()}",
        "PostgreSQL": _said(str(find_binaries() / "postgres"), "--version"),
        "Redis": _said(str(find_server()), "--version"),
        "Kafka": kafka[-1].stem.removeprefix("kafka_2.13-") if kafka else "embedded",
        "Java": _said(shutil.which("java") or "java", "-version") if kafka else "none",
        "wrk": _said("wrk", "--version"),
        **{name: version(name) for name in _LIBRARIES},
    }


def _said(*command: str) -> str:
    """Return the version in the first line that a program says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - programs that are used anyway
    first = (done.stdout or done.stderr).partition("\n")[0]
    found = re.search(r"\d+(\.\d+)+", first)
    return found[0] if found else first[:60]
