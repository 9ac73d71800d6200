"""The folder of results: what a module measured is there before the next one starts."""

from pathlib import Path

import pytest

from bench import published
from bench.published import Published, results_path
from bench.results import OtherMachine, read_results
from tests.unit.bench.measured_rows import row


def names(out: Path) -> list[str]:
    return list(read_results(results_path(out)).rows)


def test_each_module_is_kept_as_soon_as_it_is_done(tmp_path: Path) -> None:
    folder = Published(tmp_path, anew=True)
    folder.add([row(name="verify, no JWT")])
    assert names(tmp_path) == ["verify, no JWT"]
    assert "verify, no JWT" in (tmp_path / "benchmarks.md").read_text()
    folder.add([row(name="issue", module="issue")])
    assert names(tmp_path) == ["verify, no JWT", "issue"]
    assert (tmp_path / "benchmarks" / "throughput.svg").exists()


def test_a_whole_run_forgets_what_was_there_and_a_partial_one_does_not(tmp_path: Path) -> None:
    Published(tmp_path, anew=True).add([row(name="issue", module="issue")])
    Published(tmp_path, anew=False).add([row(name="verify, no JWT")])
    assert names(tmp_path) == ["verify, no JWT", "issue"]
    Published(tmp_path, anew=True).add([row(name="verify, no JWT")])
    assert names(tmp_path) == ["verify, no JWT"]


def test_another_machine_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Published(tmp_path, anew=True).add([row()])
    monkeypatch.setattr(published, "machine", lambda: {"CPU": "another"})
    with pytest.raises(OtherMachine, match="another machine"):
        Published(tmp_path, anew=False)
    Published(tmp_path, anew=True)
