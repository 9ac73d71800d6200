"""What wrk's script reports, and what of it fails a run."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.load import Load, RanOutError, read_report, write_parts


def report(**changes: Any) -> str:
    told = {
        "requests": 1000,
        "seconds": 2.0,
        "broken": 0,
        "ran_out": False,
        "statuses": {"200": 1000},
        "latencies_ms": {"p50": 1.5, "p99": 4.25},
    }
    return f"Running 2s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\nREPORT {json.dumps({**told, **changes})}\n"


def test_a_good_run_gives_its_rate_and_latencies() -> None:
    outcome = read_report(report(), 200, "GET /")
    assert outcome.per_second == 500
    assert outcome.latencies_ms == {"p50": 1.5, "p99": 4.25}


def test_another_status_fails_the_run_however_rare() -> None:
    with pytest.raises(SystemExit, match="GET /: expected 200 only; answered 1 of 503"):
        read_report(report(statuses={"200": 999, "503": 1}), 200, "GET /")


def test_an_expected_refusal_is_no_failure() -> None:
    assert read_report(report(statuses={"409": 1000}), 409, "POST /").requests == 1000


@pytest.mark.parametrize("status", [200, 404, 429])
def test_another_answer_where_a_refusal_is_due_fails_the_run(status: int) -> None:
    with pytest.raises(SystemExit, match=f"expected 409 only; answered 2 of {status}"):
        read_report(report(statuses={"409": 998, str(status): 2}), 409, "POST /")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"broken": 3}, "3 broken or late"),
        ({"requests": 0, "statuses": {}}, "no answer"),
    ],
)
def test_a_run_that_is_not_whole_fails(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        read_report(report(**changes), 200, "GET /")


def test_items_that_ran_out_are_told_apart() -> None:
    with pytest.raises(RanOutError, match="1000 items were too few for the time"):
        read_report(report(ran_out=True), 200, "GET /")


def test_a_wrk_that_reports_nothing_fails_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match="unable to connect"):
        read_report("unable to connect to 127.0.0.1:1 Connection refused", 200, "GET /")


def test_a_request_is_written_as_it_goes_over_the_wire_but_for_its_length(tmp_path: Path) -> None:
    load = Load(
        "http://127.0.0.1:80",
        "/v1",
        "POST",
        {"Idempotency-Key": "k-{number}"},
        '{"token": "{item}"}',
        ["a", "b"],
    )
    head, body, items = (Path(name).read_text("utf-8") for name in write_parts(load, tmp_path))
    # Path.read_text gives line ends as they are read: \r\n becomes \n.
    assert head.splitlines() == ["POST /v1 HTTP/1.1", "Host: 127.0.0.1:80", "Idempotency-Key: k-{number}"]
    assert body == '{"token": "{item}"}'
    assert items == "a\nb\n"
