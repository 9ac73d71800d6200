"""The notifier: delivery events that wait on Kafka, to e-mails that the mail server accepted."""

from typing import Any

from bench.house import House, bench_plan
from bench.processes import cpu_seconds
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.programs import Sink, raw, run_program

PLAN = bench_plan(notifiers=1)
MOST_COUNT = 10_000
MOST_SECONDS = 300
NOTE = (
    "Up to 10,000 messages wait on the topic while the notifier is stopped; it is started, and the time is that from the first e-mail accepted "
    "to the last. It sends over 8 connections, its default. The raw loop sends the same message as often, over as many connections, and "
    "does nothing else, one command after the other, as aiosmtplib does. The mail server, which takes several at once (RFC 2920), is bench/references/smtp.py, a process of its own."
)


async def rows(house: House) -> list[Row]:
    """Return the notifier's row."""
    sink = await Sink.start(house)
    connections = int(sink.environment.get("MAGICLINK_SMTP_POOL_SIZE", "8"))

    async def loop(effort: Effort) -> dict[str, Any]:
        message = await sink.last(house.folder)
        arguments = ["--smtp-port", str(sink.smtp_port), "--connections", str(connections)]
        arguments += ["--count", str(_count(effort)), "--message", str(message)]
        return await run_program("smtp", "loop", *arguments)

    async def deliver(effort: Effort) -> Sample:
        return await delivered(house, sink, _count(effort))

    return [
        Row("notifier", "e-mails/s", Contender("ours", deliver), [raw("raw SMTP loop", loop)],
            [Bound(0.7, 0.9, "raw SMTP loop")], NOTE)
    ]  # fmt: skip


async def delivered(house: House, sink: Sink, count: int) -> Sample:
    """Queue messages while the notifier is stopped, start it, and measure until all are accepted."""
    await house.cluster.stop_part("notifier")
    await house.make_links(count, channel="email")
    await house.until_relayed()
    await sink.forget()
    await house.cluster.start_part("notifier", wait=False)
    first = await sink.until(1, 60)
    spent = cpu_seconds(house.pid("notifier"))
    facts = await sink.until(count, MOST_SECONDS)
    spent = cpu_seconds(house.pid("notifier")) - spent
    rate = (facts["count"] - 1) / (facts["last_at"] - facts["first_at"])
    return Sample(rate, cpu_us=spent / (count - first["count"]) * 1e6)


def _count(effort: Effort) -> int:
    return min(effort.count, MOST_COUNT)
