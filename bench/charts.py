"""Charts of the results as SVG, legible on light and dark pages."""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from bench.figures import spread_of, values_of
from bench.results import MeasuredRow, Results
from bench.row import Sample

# pygal leaves a finder of the old kind behind for its plug-ins: every later import that fails would warn of it (PEP 451).
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

OURS = "ours"
_SVG = "http://www.w3.org/2000/svg"
_INK = "#59636e"
_INK_ON_DARK = "#9198a1"
_GRID = "#88888855"
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground=_INK,
    foreground_strong=_INK,
    foreground_subtle=_GRID,
    guide_stroke_color=_GRID,
    major_guide_stroke_color=_GRID,
    value_colors=(_INK,) * 7,
    colors=("#2f81f7", "#e8590c", "#8957e5", "#2f9e44", "#c2255c", "#868e96", "#b08800"),
    font_family="system-ui, sans-serif",
    opacity="1",
    transition="0s",
    value_font_size=12,
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    title_font_size=15,
)
# pygal writes each colour into a rule of its own; an SVG that is an image on a page hears what the page's reader prefers.
_DARK = f"inline:@media (prefers-color-scheme: dark) {{ svg text {{ fill: {_INK_ON_DARK} !important; }} }}"
PERCENTILES = ("p50", "p90", "p99", "p99.9")


def charts(results: Results) -> dict[str, bytes]:
    """Return each chart by its file's name. Those with no figures yet are left out."""
    rows = list(results.rows.values())
    found = {"throughput.svg": throughput(rows), "latency.svg": latency(rows)}
    for row in rows:
        found |= {f"{slug(row.name)}{suffix}.svg": chart for suffix, chart in curves(row).items()}
    return {name: chart for name, chart in found.items() if chart is not None}


def throughput(rows: Sequence[MeasuredRow]) -> bytes | None:
    """Requests a second of each HTTP row, ours beside the references."""
    drawn = [row for row in rows if row.unit == "requests/s"]
    if not drawn:
        return None
    bars: dict[str, list[float | None]] = {OURS: [_median(row, row.ours) for row in drawn]}
    for name in dict.fromkeys(name for row in drawn for name in row.references):
        bars[name] = [_median(row, name) if name in row.references else None for row in drawn]
    chart = pygal.HorizontalBar(
        title="thousand requests/s, medians", height=60 + 62 * len(drawn), **_common()
    )
    _fill(chart, [row.name for row in drawn], bars)
    most = max(value for values in bars.values() for value in values if value is not None)
    chart.y_labels = _steps(most)
    chart.value_formatter = lambda value: "" if value is None else f"{value / 1000:,g}"
    return _svg(chart)


def latency(rows: Sequence[MeasuredRow]) -> bytes | None:
    """The distribution of our latencies, of the round in the middle."""
    drawn = [(row.name, middle(row.samples[row.ours]).latencies_ms) for row in rows]
    drawn = [(name, latencies) for name, latencies in drawn if set(PERCENTILES) <= latencies.keys()]
    if not drawn:
        return None
    chart = pygal.HorizontalBar(title="latency, ms (logarithmic)", height=60 + 62 * len(drawn), **_common())
    # The logarithms are drawn, from a power of ten below all: pygal's own logarithmic bars begin at the shortest, which is none then.
    powers = {
        percentile: [math.log10(max(latencies[percentile], 0.01)) for _, latencies in drawn]
        for percentile in PERCENTILES
    }
    least, most = (edge(value for values in powers.values() for value in values) for edge in (min, max))
    below = math.ceil(least) - 1
    bars = {percentile: [value - below for value in values] for percentile, values in powers.items()}
    _fill(chart, [name for name, _ in drawn], bars)
    chart.y_labels = list(range(math.ceil(most) - below + 1))
    chart.value_formatter = lambda value: f"{10 ** (value + below):,.6g}"
    return _svg(chart)


def _fill(chart: "pygal.Graph", labels: Sequence[str], bars: Mapping[str, Sequence[float | None]]) -> None:
    # A horizontal bar chart is drawn from below.
    chart.x_labels = list(reversed(labels))
    for name, values in bars.items():
        chart.add(name, list(reversed(values)))


def _steps(most: float) -> list[float]:
    """Return the labels of an axis that reaches this far, six steps at most, each a round number."""
    magnitude: float = 10.0 ** math.floor(math.log10(most))
    step = next(part * magnitude for part in (0.2, 0.5, 1, 2) if most / (part * magnitude) <= 6)
    return [number * step for number in range(math.ceil(most / step) + 1)]


def curves(row: MeasuredRow) -> dict[str, bytes]:
    """The series that a row brought along, over the first of them: what is in milliseconds in a chart of its own."""
    series = row.samples[row.ours][-1].series
    if not series:
        return {}
    (x_name, x_values), *rest = series.items()
    found = {"": [entry for entry in rest if not entry[0].endswith("_ms")],
             "-latency": [entry for entry in rest if entry[0].endswith("_ms")]}  # fmt: skip
    return {
        suffix: _curve(row.name, x_name, x_values, dict(lines)) for suffix, lines in found.items() if lines
    }


def middle(samples: Sequence[Sample]) -> Sample:
    """Return the sample whose figure is the median, or just below it."""
    return sorted(samples, key=lambda sample: sample.figure)[(len(samples) - 1) // 2]


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _curve(title: str, x_name: str, x_values: Sequence[float], lines: Mapping[str, Sequence[float]]) -> bytes:
    chart = pygal.XY(
        title=title,
        x_title=_words(x_name),
        height=400,
        dots_size=2,
        stroke_style={"width": 2},
        margin_bottom=40,
        **_common(),
    )
    chart.zero = 0
    for name, values in lines.items():
        chart.add(_words(name), list(zip(x_values, values, strict=True)))
    return _svg(chart)


def _words(name: str) -> str:
    return name.replace("_per_second", " per second").replace("_", " ")


def _median(row: MeasuredRow, contender: str) -> float:
    return spread_of(values_of(row.samples[contender])).median


def _common() -> dict[str, object]:
    return {"style": _STYLE, "width": 900, "css": ["file://style.css", "file://graph.css", _DARK], "js": [],
            "legend_at_bottom": True, "legend_at_bottom_columns": 3, "truncate_legend": -1, "truncate_label": -1,
            "show_minor_y_labels": True, "no_prefix": True, "disable_xml_declaration": True}  # fmt: skip


def _svg(chart: "pygal.Graph") -> bytes:
    """Return the chart without pygal's scripts and its comments, of which one is today's date: same figures, same file."""
    ET.register_namespace("", _SVG)
    root = ET.fromstring(chart.render())  # noqa: S314 - pygal's own output
    for parent in root.iter():
        for script in [child for child in parent if child.tag == f"{{{_SVG}}}script"]:
            parent.remove(script)
    text: bytes = ET.tostring(root, encoding="utf-8")
    return text + b"\n"
