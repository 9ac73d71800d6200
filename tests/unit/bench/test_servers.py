"""What the benchmark needs of the machine, and what it says when that is not there."""

import os
from pathlib import Path

import pytest

from bench import servers
from bench.processes import cpu_seconds, rss_bytes, with_children


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MAGICLINK_DEV_REDIS_SERVER", "MAGICLINK_DEV_KAFKA_JARS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAGICLINK_DEV_POSTGRES_BIN", "/there")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(servers, "ROOT", tmp_path)
    with pytest.raises(SystemExit) as refused:
        servers.use_servers(embedded=False)
    for words in ("wrk (Debian: wrk)", "redis-server", "Java 17", "Maven"):
        assert words in str(refused.value)
    assert "postgresql" not in str(refused.value)


def test_the_embedded_servers_need_only_wrk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, **_: "/usr/bin/wrk" if name == "wrk" else None)
    servers.use_servers(embedded=True)


def test_a_process_is_measured_with_those_it_started() -> None:
    pid = os.getpid()
    assert pid in with_children(pid)
    assert cpu_seconds(pid) > 0
    assert 1_000_000 < rss_bytes(pid) < 10_000_000_000
