"""The page and the charts."""

from xml.etree import ElementTree as ET

from bench.charts import charts
from bench.page import page, table
from bench.results import MeasuredRow, Results
from bench.row import Bound, Sample
from tests.unit.bench.measured_rows import PERCENTILES, row, samples


def cells(measured: MeasuredRow) -> list[list[str]]:
    """Return the table's lines without its head."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table([measured]).splitlines()[2:]]


def results(*rows: MeasuredRow) -> Results:
    return Results(
        {"CPU": "fast", "cores": "2"}, {"PostgreSQL": "15.1"}, {found.name: found for found in rows}
    )


def texts(chart: bytes) -> str:
    return "".join(ET.fromstring(chart).itertext())  # noqa: S314 - drawn here


def test_a_line_of_the_table_tells_figures_ratio_bounds_verdict_and_cpu_time() -> None:
    assert cells(row()) == [[
        "verify, no JWT", "800 (700 to 900) requests/s", "batched: 1,000 requests/s", "0.80 (0.70 to 0.90)", "≥ 0.7", "≥ 0.85", "met",
        "1,250 (batched 1,000)",
    ]]  # fmt: skip


def test_a_bound_that_is_missed_says_by_how_much() -> None:
    assert cells(row(bounds=[Bound(1.6, 2, "batched")]))[0][6] == "**missed by 50%**"


def test_each_further_bound_and_unjudged_reference_has_a_line_of_its_own() -> None:
    found = {"ours": samples(800), "batched": samples(1000), "evalsha": samples(500), "bare": samples(1600)}
    bounds = [Bound(0.7, 0.85, "batched"), Bound(1.1, 1.2, "evalsha")]
    lines = cells(row(samples=found, references=["batched", "evalsha", "bare"], bounds=bounds))
    assert [line[0] for line in lines] == ["verify, no JWT", "", ""]
    assert [line[2].partition(":")[0] for line in lines] == ["batched", "evalsha", "bare"]
    assert [line[3] for line in lines] == ["0.80", "1.60", "0.50"]
    assert [line[6] for line in lines] == ["met", "aim met", ""]


def test_a_row_with_neither_bound_nor_reference_has_its_figure() -> None:
    lines = cells(row(samples={"ours": [Sample(12)]}, references=[], bounds=[]))
    assert lines == [["verify, no JWT", "12.0 requests/s", "", "", "", "", "", ""]]


def test_a_percentile_that_is_judged_is_told() -> None:
    latencies = {"ours": samples(10, 10, 10, p99=4.0), "batched": samples(1)}
    lines = cells(row(samples=latencies, references=[], bounds=[Bound(5, 3, of="p99", at_most=True)]))
    assert lines[0][3:7] == ["p99: 4.00 ms", "≤ 5", "≤ 3", "met"]


def test_the_page_holds_machine_versions_commands_notes_and_charts() -> None:
    text = page(results(row(), row(name="issue", command="python -m bench --rows issue")), ["throughput.svg"])
    for words in (
        "| CPU | fast |",
        "| PostgreSQL | 15.1 |",
        "- **verify, no JWT**: Each token once.",
        "![throughput](benchmarks/throughput.svg)",
        "- 2030-01-01, `python -m bench --rows issue`: issue",
    ):
        assert words in text


def test_charts_are_drawn_of_what_there_is() -> None:
    series = {
        "offered_per_second": [1.0, 2.0],
        "accepted_per_second": [1.0, 1.5],
        "accepted_p99_ms": [3.0, 9.0],
    }
    curve = row(
        name="Overload, verify", samples={"ours": [Sample(1.5, series=series)]}, references=[], bounds=[]
    )
    drawn = charts(results(row(), curve))
    assert sorted(drawn) == [
        "latency.svg",
        "overload-verify-latency.svg",
        "overload-verify.svg",
        "throughput.svg",
    ]
    words = {name: texts(chart) for name, chart in drawn.items()}
    assert "batched" in words["throughput.svg"]
    assert "p99.9" in words["latency.svg"]
    assert "accepted per second" in words["overload-verify.svg"]
    assert "accepted p99 ms" not in words["overload-verify.svg"]


def test_no_chart_is_drawn_of_nothing() -> None:
    assert charts(results()) == {}


def test_a_chart_of_the_same_figures_is_the_same_file_and_runs_nothing() -> None:
    first, second = (charts(results(row()))["throughput.svg"] for _ in range(2))
    assert first == second
    assert b"<script" not in first
    assert b"http://www.w3.org/2000/svg" in first


def labels(chart: bytes) -> list[str]:
    """Return the labels of the axis along which values are drawn."""
    axes = [part for part in ET.fromstring(chart).iter() if part.get("class", "").startswith("axis x")]  # noqa: S314
    return [text.text or "" for axis in axes for text in axis.iter() if text.tag.endswith("}text")]


def test_an_axis_of_throughput_has_a_few_round_labels() -> None:
    fast = row(samples={"ours": samples(2_400), "batched": samples(26_791)})
    assert labels(charts(results(fast))["throughput.svg"]) == ["0", "5", "10", "15", "20", "25", "30"]


def test_latencies_are_drawn_from_one_power_of_ten_to_another() -> None:
    spread = {"p50": 1.9, "p90": 12.0, "p99": 30.0, "p99.9": 1300.0}
    latencies = row(samples={"ours": samples(1, **spread), "batched": samples(1)})
    assert labels(charts(results(latencies))["latency.svg"]) == ["1", "10", "100", "1,000", "10,000"]


def test_latencies_without_the_whole_distribution_are_left_out() -> None:
    few = row(name="few", samples={"ours": samples(1, p50=1.0), "batched": samples(1)})
    latency = charts(results(few, row(samples={"ours": samples(1, **PERCENTILES), "batched": samples(1)})))[
        "latency.svg"
    ]
    assert "few" not in texts(latency)
