"""A weekly job that asks for links by way of Kafka: "your report is ready", by e-mail, SMS and WhatsApp.

    python examples/reminder_job.py                    # the cluster that `make run` started
    python examples/reminder_job.py --count 5 --week 2026-W07
    python examples/reminder_job.py --bootstrap kafka:9092 --app-id <id>

The cluster makes exactly one link per (app, source, event id). The ids here name the week and the row, and the events of
a week are the same byte for byte; so a job that died half-way is simply started again, and nobody is reminded twice.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

TOPIC = "magiclink.link-requests"
EVENT_TYPE = "magiclink.link.requested.v1"
SOURCE = "/examples/reminder-job"
CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
CHANNELS = ("email", "sms", "email", "whatsapp")
# Numbers that are set aside for fiction: 555-0100 to 555-0199 in any area.
AREA_CODES = ("202", "212", "303", "312", "404", "415", "503", "617", "702", "808")
MOST = len(AREA_CODES) * 100
TIMEOUT_SECONDS = 20.0


class JobError(Exception):
    """The job cannot run; the message is for the person who started it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run: `count` reminders of a `week` (ISO 8601, `2026-W07`), asked for on behalf of the app `app_id`.

    Requests with the same `run` are the same requests; it is the week unless a caller wants to be sure of new ones.
    """

    bootstrap: str
    app_id: str
    week: str
    run: str
    count: int = 20
    idempotence: bool = True


@dataclass(frozen=True, slots=True)
class Reminder:
    """A request on its way: the event, and the recipient by whom it is keyed."""

    channel: str
    recipient: str
    event: CloudEvent

    @property
    def key(self) -> bytes:
        """Puts one recipient's requests into one partition, without showing the address to who sees keys only."""
        return hashlib.sha256(self.recipient.encode()).hexdigest()[:32].encode()


def reminders(job: Job) -> list[Reminder]:
    """Makes the requests of a run; the same run always gives the same events."""
    return [_reminder(job, number) for number in range(1, job.count + 1)]


def _reminder(job: Job, number: int) -> Reminder:
    channel = CHANNELS[(number - 1) % len(CHANNELS)]
    recipient = _email(number) if channel == "email" else _phone(number)
    attributes = {
        "type": EVENT_TYPE,
        "source": SOURCE,
        "id": f"reminder-{job.run}-{number}",
        # When it came due, not when the job ran: a second run has to give the same event.
        "time": week_start(job.week),
        "datacontenttype": "application/json",
    }
    data = {
        "app_id": job.app_id,
        "email" if channel == "email" else "phone": recipient,
        "channel": channel,
        "type": "login",
        "lane": "bulk",
        "locale": "en",
        "metadata": {"job": "weekly-report", "week": job.week, "row": number},
    }
    return Reminder(channel, recipient, CloudEvent(attributes, data))


def _email(number: int) -> str:
    return f"reader{number:03d}@example.com"


def _phone(number: int) -> str:
    area, line = divmod(number - 1, 100)
    return f"+1{AREA_CODES[area]}55501{line:02d}"


def week_start(week: str) -> datetime:
    """The Monday of an ISO week, 00:00 UTC. Raises JobError when there is no such week."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", week)
    try:
        if found:
            return datetime.fromisocalendar(int(found[1]), int(found[2]), 1).replace(tzinfo=UTC)
    except ValueError:
        pass  # week 54 and its like: answered as every other wrong form
    raise JobError(f"not a week: {week!r}; write it like 2026-W07")


async def publish(job: Job) -> list[Reminder]:
    """Puts a run's requests on Kafka and returns them when the broker has acknowledged all.

    Raises:
        JobError: when the broker cannot be reached or refuses; the run can then be published again.
    """
    requests = reminders(job)
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap, acks="all", enable_idempotence=job.idempotence, linger_ms=5
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await producer.start()
            await _send_all(producer, requests)
    except TimeoutError:
        raise JobError(f"Kafka at {job.bootstrap} did not acknowledge in {TIMEOUT_SECONDS:.0f} s") from None
    except KafkaError as error:
        raise JobError(f"Kafka at {job.bootstrap}: {_in_words(error, job)}") from error
    finally:
        await _stop(producer)
    return requests


async def _send_all(producer: AIOKafkaProducer, requests: Sequence[Reminder]) -> None:
    headers = [("content-type", CONTENT_TYPE)]
    formatter = JSONFormat()
    sent = [
        await producer.send(TOPIC, formatter.write(request.event), key=request.key, headers=headers)
        for request in requests
    ]
    await asyncio.gather(*sent)


async def _stop(producer: AIOKafkaProducer) -> None:
    # It waits for a broker that is gone; all that matters was acknowledged or reported already.
    try:
        async with asyncio.timeout(2):
            await producer.stop()
    except (TimeoutError, KafkaError) as error:
        print(f"the producer did not stop cleanly: {type(error).__name__}", file=sys.stderr)


def _in_words(error: KafkaError, job: Job) -> str:
    words = str(error) or type(error).__name__
    if job.idempotence and "KafkaConnectionError" not in type(error).__name__:
        words += " (if this broker has no idempotent producer, try --no-idempotence)"
    return words


def current_week() -> str:
    year, week, _ = datetime.now(UTC).isocalendar()
    return f"{year}-W{week:02d}"


def read_dev_json(path: Path) -> dict[str, Any]:
    """Reads where the development cluster is. Raises JobError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobError(f"there is no {path}: start the cluster with `make run`, or name a broker") from None
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read: {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise JobError(f"{path} does not hold a JSON object")
    return document


def job_of(arguments: argparse.Namespace) -> Job:
    """Completes the command line from dev.json. Raises JobError for what is missing or wrong."""
    dev: Mapping[str, Any] = {}
    if not (arguments.bootstrap and arguments.app_id):
        dev = read_dev_json(arguments.dev_json)
    bootstrap = arguments.bootstrap or dev.get("kafka_bootstrap")
    app_id = arguments.app_id or dev.get("app_id")
    if not bootstrap or not app_id:
        raise JobError(f"{arguments.dev_json} lacks kafka_bootstrap or app_id: name --bootstrap and --app-id")
    if not 1 <= arguments.count <= MOST:
        raise JobError(f"--count is from 1 to {MOST}")
    week_start(arguments.week)
    idempotence = arguments.idempotence
    if idempotence is None:
        idempotence = bool(dev.get("kafka_idempotence", True))
    return Job(bootstrap, app_id, arguments.week, arguments.week, arguments.count, idempotence)


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask for weekly reminder links by way of Kafka.")
    parser.add_argument("--count", type=int, default=20, help="how many reminders (default 20)")
    parser.add_argument(
        "--week", default=current_week(), help="the ISO week, like 2026-W07 (default: this one)"
    )
    parser.add_argument(
        "--dev-json", type=Path, default=Path(".magiclink/dev.json"), help="what `make run` wrote"
    )
    parser.add_argument("--bootstrap", help="another broker, host:port")
    parser.add_argument("--app-id", help="the app that asks; it must allow requests from Kafka")
    parser.add_argument(
        "--idempotence",
        action=argparse.BooleanOptionalAction,
        help="the idempotent producer (default: what dev.json says, else on)",
    )
    return parser.parse_args(words)


def main() -> int:
    # The broker's client logs each failed try; the error at the end says it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        job = job_of(parse_arguments())
        requests = asyncio.run(publish(job))
    except JobError as error:
        print(f"reminder_job: {error}", file=sys.stderr)
        return 1
    mix = ", ".join(f"{count} {channel}" for channel, count in Counter(r.channel for r in requests).items())
    print(
        f"{len(requests)} requests for {job.week} are on {TOPIC} ({mix}); run it again: still one link each."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
