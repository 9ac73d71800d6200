"""Rounds of a row: its contenders one after the other, as often as there are rounds, after a short one that only warms up."""

from collections.abc import Callable, Sequence

from bench.row import Contender, Effort, Row, Sample

WARM_UP_SECONDS = 2.0
WARM_UP_COUNT = 2_000


async def measure_row(
    row: Row, effort: Effort, rounds: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, list[Sample]]:
    """Return the samples of each contender, one a round. A smoke run has no warm-up."""
    contenders: Sequence[Contender] = [row.ours, *row.references]
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    if len(samples) != len(contenders):
        raise ValueError(f"{row.name}: two contenders have one name")
    if not effort.smoke and row.rounds is None:
        little = Effort(min(WARM_UP_SECONDS, effort.seconds), min(WARM_UP_COUNT, effort.count))
        for contender in contenders:
            await contender.measure(little)
    for number in range(1, (row.rounds or rounds) + 1):
        for contender in contenders:
            sample = await contender.measure(effort)
            samples[contender.name].append(sample)
            say(f"  {number}. {contender.name}: {told(sample, row.unit)}")
    return samples


def told(sample: Sample, unit: str) -> str:
    """Return a sample in words."""
    words = f"{sample.figure:,.1f} {unit}"
    if sample.cpu_us is not None:
        words += f", {sample.cpu_us:.0f} µs of CPU each"
    if "p99" in sample.latencies_ms:
        words += f", p50 {sample.latencies_ms['p50']:.1f} ms, p99 {sample.latencies_ms['p99']:.1f} ms"
    return words
