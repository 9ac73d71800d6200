"""The cluster as its users see it: order, faults of one part, revival. Services are stand-ins; the backends are real."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import redis.asyncio

from services.dev import dev_file
from services.dev.cluster import Cluster
from services.dev.demo_app import DemoApp
from services.dev.plan import SERVICES, Plan
from services.dev.problems import DevProblem
from services.dev.service import Service

STAND_IN = (sys.executable, str(Path(__file__).with_name("service_stand_in.py")))
PROGRAMS = dict.fromkeys(SERVICES, STAND_IN)


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[Cluster]:
    await cluster.start()
    try:
        yield cluster
    finally:
        await cluster.stop()


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    plan = Plan(programs=PROGRAMS, verifiers=2, environment={"notifier": {"MAGICLINK_EXTRA": "yes"}})
    async with running(Cluster(tmp_path_factory.mktemp("cluster"), plan)) as started:
        yield started


async def settings_of(cluster: Cluster, name: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{cluster.ops_url(name)}/settings") as response,
    ):
        return cast("dict[str, Any]", await response.json(content_type=None))


def pid_of(cluster: Cluster, name: str) -> int:
    part = cluster.part(name)
    assert isinstance(part, Service)
    return part.pid


async def test_every_replica_runs_as_its_own_role_with_its_own_keys(cluster: Cluster) -> None:
    for name in ("issuer", "verifier", "verifier-2", "notifier"):
        service = name.split("-")[0]
        settings = await settings_of(cluster, name)
        assert settings["role"] == service
        assert settings["MAGICLINK_KEYS_FILE"].endswith(f"/{service}.keys")
        assert ("MAGICLINK_SIGNING_KEYS_FILE" in settings) == (service == "verifier")
        assert ("MAGICLINK_KAFKA_BOOTSTRAP" in settings) == (service != "verifier")


async def test_without_compat_nothing_is_said_of_vendors(cluster: Cluster) -> None:
    assert cluster.vendor_apps is None
    assert not dev_file.describe(cluster, DemoApp("an app", "a key")).keys() & {"compat_url", "vendors"}


async def test_extra_settings_reach_only_their_service(cluster: Cluster) -> None:
    assert (await settings_of(cluster, "notifier"))["MAGICLINK_EXTRA"] == "yes"
    assert "MAGICLINK_EXTRA" not in await settings_of(cluster, "issuer")


async def test_links_lead_to_the_first_verifier(cluster: Cluster) -> None:
    assert len(cluster.verifier_urls) == 2
    assert (await settings_of(cluster, "verifier-2"))["MAGICLINK_PUBLIC_URL"] == cluster.verifier_urls[0]


async def test_secrets_are_their_owners_alone(cluster: Cluster) -> None:
    assert cluster.secrets_dir.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in cluster.secrets_dir.iterdir())


async def test_a_killed_part_stays_down_until_it_is_started(cluster: Cluster) -> None:
    before = pid_of(cluster, "notifier")
    await cluster.kill("notifier")
    assert not cluster.part("notifier").running
    await cluster.start_part("notifier")
    assert cluster.part("notifier").running
    assert pid_of(cluster, "notifier") != before


async def test_redis_can_be_restarted_with_its_data_and_without(cluster: Cluster) -> None:
    async with redis.asyncio.Redis.from_url(cluster.backends.redis_url) as client:
        await client.set("kept", "42")
    await cluster.restart("redis")
    async with redis.asyncio.Redis.from_url(cluster.backends.redis_url) as client:
        assert await client.get("kept") == b"42"
    await cluster.restart("redis", empty=True)
    async with redis.asyncio.Redis.from_url(cluster.backends.redis_url) as client:
        assert await client.get("kept") is None


async def test_services_reach_the_same_database_after_its_restart(cluster: Cluster) -> None:
    await cluster.kill("postgres")
    await cluster.restart("postgres")
    assert (await settings_of(cluster, "issuer"))["role"] == "issuer"


async def test_a_broker_that_forgot_everything_gets_its_topics_and_fresh_consumers(cluster: Cluster) -> None:
    issuer, verifier = pid_of(cluster, "issuer"), pid_of(cluster, "verifier")
    await cluster.restart("kafka")
    broker = cluster.backends.kafka
    assert broker is not None
    assert (pid_of(cluster, "issuer") != issuer) is not broker.keeps_data
    assert pid_of(cluster, "verifier") == verifier


async def test_an_unknown_part_is_named_with_those_there_are(cluster: Cluster) -> None:
    with pytest.raises(DevProblem, match="no part named 'nothing'; there are postgres, redis, kafka"):
        await cluster.kill("nothing")


async def test_what_ends_by_itself_is_started_again_and_said(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    revived = asyncio.Event()

    def listen(line: str) -> None:
        said.append(line)
        if line == "verifier-2 runs again":
            revived.set()

    monkeypatch.setattr(cluster, "_say", listen)
    watching = asyncio.create_task(cluster.supervise())
    await asyncio.sleep(0)
    os.kill(pid_of(cluster, "verifier-2"), signal.SIGKILL)
    async with asyncio.timeout(20):
        await revived.wait()
    assert said[0] == "verifier-2 ended (signal 9); starting it again in 0.5 s"
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_failed_start_leaves_nothing_running_and_shows_the_log(tmp_path: Path) -> None:
    programs = {**PROGRAMS, "verifier": (sys.executable, "-c", "raise SystemExit('no signing keys')")}
    cluster = Cluster(tmp_path, Plan(programs=programs))
    with pytest.raises(DevProblem, match=r"(?s)verifier did not start.*verifier\.log.*no signing keys"):
        await cluster.start()
    assert not any(cluster.part(name).running for name in ("postgres", "redis", "kafka", "inbox", "issuer"))


async def test_two_clusters_run_side_by_side(cluster: Cluster, tmp_path: Path) -> None:
    async with running(Cluster(tmp_path / "second clone", Plan(programs=PROGRAMS))) as second:
        assert not set(second.ports.values()) & set(cluster.ports.values())
        mine, theirs = await settings_of(cluster, "issuer"), await settings_of(second, "issuer")
        assert mine["MAGICLINK_DATABASE_URL"] != theirs["MAGICLINK_DATABASE_URL"]
