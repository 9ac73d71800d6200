"""What the benchmark runs on: wrk, and real servers unless only their embedded stand-ins are asked for."""

import os
import shutil
import subprocess
from pathlib import Path

from services.dev.kafka import JARS_VARIABLE
from services.dev.postgres import BIN_VARIABLE
from services.dev.redis import SERVER_VARIABLE

ROOT = Path(__file__).parents[1]
_DOWNLOAD = ROOT / ".ci" / "kafka" / "download"


def use_servers(*, embedded: bool) -> None:
    """Name Debian's PostgreSQL and Redis and Apache Kafka's jars in this process's environment, where it names none.

    Raises `SystemExit` that lists everything that is missing.
    """
    missing = [] if shutil.which("wrk") else ["wrk (Debian: wrk)"]
    if not embedded:
        missing += _use_postgres() + _use_redis() + _use_kafka()
    if missing:
        lines = "".join(f"\n  - {what}" for what in missing)
        raise SystemExit(
            f"the benchmark lacks:{lines}\n`bash .ci/packages` installs what is Debian's. "
            "Without real servers only `--smoke --embedded` runs: its figures say nothing."
        )


def _use_postgres() -> list[str]:
    if BIN_VARIABLE not in os.environ:
        found = sorted(
            Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])
        )
        if not found:
            return [f"PostgreSQL 15 or newer (Debian: postgresql), or its program folder in {BIN_VARIABLE}"]
        os.environ[BIN_VARIABLE] = str(found[-1].parent)
    return []


def _use_redis() -> list[str]:
    if SERVER_VARIABLE not in os.environ:
        # Not the one on the PATH of a virtual environment, which may be a stand-in's.
        found = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
        if found is None:
            return [f"Redis 6.2 or newer (Debian: redis-server), or its program in {SERVER_VARIABLE}"]
        os.environ[SERVER_VARIABLE] = found
    return []


def _use_kafka() -> list[str]:
    missing = [] if shutil.which("java") else ["Java 17 or newer (Debian: openjdk-17-jre-headless)"]
    if JARS_VARIABLE in os.environ:
        return missing
    if shutil.which("mvn") is None and not list((ROOT / ".cache").glob("kafka-*")):
        return [
            *missing,
            f"Maven (Debian: maven) for Apache Kafka's jars, or their folder in {JARS_VARIABLE}",
        ]
    done = subprocess.run(["bash", str(_DOWNLOAD)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode != 0:
        return [
            *missing,
            f"Apache Kafka's jars: {_DOWNLOAD.relative_to(ROOT)} failed: {done.stderr.strip()[-500:]}",
        ]
    os.environ[JARS_VARIABLE] = done.stdout.strip()
    return missing
