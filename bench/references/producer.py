"""Raw aiokafka: a producer, a consumer, and one round trip through broker and mail server.

    python -m bench.references.producer produce --bootstrap HOST:PORT --topic T --records FILE [--no-idempotence]
    python -m bench.references.producer consume --bootstrap HOST:PORT --topic T --count 60000
    python -m bench.references.producer chain --bootstrap HOST:PORT --topic T --smtp-port 2525 --count 200 --message FILE

A line of FILE is a record as JSON: `{"key", "value", "headers": {…}}`. The producer is configured as the relay's is (shared.bus), the
consumer as the intake's is. The chain is what a delivery cannot do without: produce with acks=all, consume, hand over the mail.
"""

import argparse
import asyncio
import json
import resource
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiosmtplib
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.bus import make_producer
from shared.settings import KafkaSettings

_BETWEEN_SECONDS = 0.02


async def produce(producer: AIOKafkaProducer, topic: str, records: list[dict[str, Any]]) -> dict[str, float]:
    """Send all in a loop and flush; return seconds and CPU seconds."""
    ready = [
        (
            record["value"].encode(),
            record["key"].encode(),
            [(k, v.encode()) for k, v in record["headers"].items()],
        )
        for record in records
    ]
    # The first send looks up leaders and gets the producer its id: that is no part of the rate.
    first, key, headers = ready[0]
    await producer.send_and_wait(topic, first, key=key, headers=headers)
    started, spent = time.monotonic(), _cpu_seconds()
    sent = [await producer.send(topic, value, key=key, headers=headers) for value, key, headers in ready]
    await producer.flush()
    for acknowledged in sent:
        acknowledged.result()
    return _told(len(records), started, spent)


async def consume(bootstrap: str, topic: str, count: int) -> dict[str, float]:
    """Read so many records in batches of 500 and commit after each; the clock starts with the first batch."""
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"bench-{uuid4()}", enable_auto_commit=False, auto_offset_reset="earliest",
    ) as consumer:  # fmt: skip
        while not (first := await consumer.getmany(timeout_ms=1_000, max_records=500)):
            pass
        seen = skipped = sum(map(len, first.values()))
        started, spent = time.monotonic(), _cpu_seconds()
        while seen < count:
            batches = await consumer.getmany(timeout_ms=1_000, max_records=500)
            seen += sum(map(len, batches.values()))
            await consumer.commit()
        return _told(max(seen - skipped, 1), started, spent)


async def chain(asked: argparse.Namespace, producer: AIOKafkaProducer) -> dict[str, Any]:
    """Go the whole way one message at a time; return each one's milliseconds."""
    message = asked.message.read_bytes()
    taken = []
    async with (
        AIOKafkaConsumer(
            asked.topic, bootstrap_servers=asked.bootstrap, group_id=f"bench-{uuid4()}"
        ) as consumer,
        aiosmtplib.SMTP(
            hostname="127.0.0.1", port=asked.smtp_port, start_tls=False, local_hostname="bench.example"
        ) as smtp,
    ):
        await consumer.seek_to_end()
        # The position is looked up at the first read: what is sent before that would be missed.
        for partition in consumer.assignment():
            await consumer.position(partition)
        for number in range(asked.count):
            started = time.monotonic()
            await producer.send_and_wait(asked.topic, message[:500], key=str(number).encode())
            await consumer.getone()
            await smtp.sendmail("sign-in@example.com", ["u@example.com"], message)
            taken.append((time.monotonic() - started) * 1000)
            await asyncio.sleep(_BETWEEN_SECONDS)
    return {"milliseconds": taken}


def _told(count: int, started: float, spent: float) -> dict[str, float]:
    return {"count": count, "seconds": time.monotonic() - started, "cpu_seconds": _cpu_seconds() - spent}


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(asked: argparse.Namespace) -> dict[str, Any]:
    if asked.mode == "consume":
        return await consume(asked.bootstrap, asked.topic, asked.count)
    settings = KafkaSettings(kafka_bootstrap=asked.bootstrap, kafka_idempotence=asked.idempotence)
    producer = make_producer(settings)
    await producer.start()
    try:
        if asked.mode == "chain":
            return await chain(asked, producer)
        records = [orjson.loads(line) for line in asked.records.read_bytes().splitlines()]
        return await produce(producer, asked.topic, records)
    finally:
        await producer.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("produce", "consume", "chain"))
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--idempotence", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--smtp-port", type=int, default=0)
    parser.add_argument("--message", type=Path)
    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
