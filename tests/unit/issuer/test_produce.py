"""Rows become record batches: each in the partition that Kafka's own clients choose, none lost when a batch is full."""

import asyncio
from collections import defaultdict
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given as given_any
from hypothesis import strategies as st

from services.issuer.produce import murmur2, produce

PARTITIONS = 6


class FakeProducer:
    """Packs as aiokafka does, and keeps what it was given. `refused`: the partition whose batches fail."""

    def __init__(self, batch_bytes: int = 2_000, refused: int | None = None) -> None:
        self.taken: dict[int, list[Any]] = defaultdict(list)
        self.batches = 0
        self._batch_bytes = batch_bytes
        self._refused = refused

    async def partitions_for(self, _: str) -> set[int]:
        return set(range(PARTITIONS))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self._batch_bytes, 0)

    async def send_batch(self, batch: BatchBuilder, _: str, *, partition: int) -> asyncio.Future[None]:
        assert batch.closed()
        self.batches += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if partition == self._refused:
            future.set_exception(KafkaTimeoutError())
        else:
            self.taken[partition] += list(DefaultRecordBatch(bytes(batch._build())))
            future.set_result(None)
        return future


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"topic": "t", "key": f"user-{n % 40}", "value": b"%d" % n + b"x" * 90, "headers": {"x-request-id": f"r{n}"}}
        for n in range(count)
    ]  # fmt: skip


async def produced(given: list[dict[str, Any]], **options: Any) -> FakeProducer:
    producer = FakeProducer(**options)
    await produce(cast(AIOKafkaProducer, producer), given)
    return producer


async def test_every_row_is_in_one_batch_with_its_key_value_and_headers() -> None:
    given = rows(500)
    producer = await produced(given)
    assert producer.batches > PARTITIONS  # some were full
    found = [record for records in producer.taken.values() for record in records]
    assert sorted((record.key, record.value, tuple(record.headers)) for record in found) == sorted(
        (row["key"].encode(), row["value"], (("x-request-id", row["headers"]["x-request-id"].encode()),))
        for row in given
    )


async def test_a_key_goes_where_every_kafka_client_would_put_it() -> None:
    producer = await produced(rows(200))
    choose = DefaultPartitioner()
    for partition, records in producer.taken.items():
        for record in records:
            assert choose(record.key, list(range(PARTITIONS)), []) == partition


async def test_a_row_larger_than_a_batch_is_sent_alone() -> None:
    large = {"topic": "t", "key": "k", "value": b"x" * 5_000, "headers": {}}
    producer = await produced([large, large], batch_bytes=1_000)
    assert [len(records) for records in producer.taken.values()] == [2]
    assert producer.batches == 2


async def test_a_batch_that_is_refused_fails_them_all() -> None:
    given = rows(100)
    key = given[0]["key"].encode()
    refused = DefaultPartitioner()(key, list(range(PARTITIONS)), [])
    with pytest.raises(KafkaTimeoutError):
        await produced(given, refused=refused)


@given_any(st.binary(max_size=48))
def test_a_key_is_hashed_as_aiokafka_and_all_others_hash_it(key: bytes) -> None:
    assert murmur2(key) == murmur2_of_aiokafka(key) & 0x7FFF_FFFF
