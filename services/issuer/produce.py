"""Produces outbox rows in record batches made here: one future a batch instead of one a row.

`AIOKafkaProducer.send` costs 21 µs a record, half of it in its hash of the key; this costs 7.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import unpack
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.database import Row

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFF_FFFF


async def produce(producer: AIOKafkaProducer, rows: Sequence[Row]) -> None:
    """Return when the broker has acknowledged every row.

    Raises:
        KafkaError: Some rows, or all, may not have been taken.
    """
    topics = {row["topic"] for row in rows}
    batches = _Batches(producer, {topic: sorted(await producer.partitions_for(topic)) for topic in topics})
    for row in rows:
        batches.add(row)
    await asyncio.gather(*(batches.send(place) for place in batches.by_place))


@lru_cache(maxsize=4096)
def murmur2(key: bytes) -> int:
    """Return the hash by which every Kafka client places a key (org.apache.kafka.common.utils.Utils.murmur2), without its sign.

    By words here, aiokafka's goes by bytes: 2 µs a key instead of 5, of the 12 that a row costs. Kept, because the rows of a link come soon
    after one another with one key.
    """
    whole, rest = len(key) & ~3, len(key) & 3
    found = _SEED ^ len(key)
    for word in unpack(f"<{whole // 4}I", key[:whole]):
        mixed = word * _MIX & _WORD
        found = found * _MIX & _WORD ^ (mixed ^ mixed >> 24) * _MIX & _WORD
    if rest:
        found = (found ^ int.from_bytes(key[whole:], "little")) * _MIX & _WORD
    found = (found ^ found >> 13) * _MIX & _WORD
    return (found ^ found >> 15) & 0x7FFF_FFFF


class _Batches:
    """The rows of each topic and partition, in as many batches as they need."""

    def __init__(self, producer: AIOKafkaProducer, partitions: Mapping[str, Sequence[int]]) -> None:
        self._producer = producer
        self._partitions = partitions
        self.by_place: dict[tuple[str, int], list[BatchBuilder]] = {}

    def add(self, row: Row) -> None:
        key, topic = row["key"].encode(), row["topic"]
        partitions = self._partitions[topic]
        place = (topic, partitions[murmur2(key) % len(partitions)])
        headers = [(name, value.encode()) for name, value in row["headers"].items()]
        batches = self.by_place.get(place)
        if batches is None:
            batches = self.by_place[place] = [self._producer.create_batch()]
        # None: this one is full. The first record of a batch fits always.
        if batches[-1].append(timestamp=None, key=key, value=row["value"], headers=headers) is None:
            batches.append(self._producer.create_batch())
            batches[-1].append(timestamp=None, key=key, value=row["value"], headers=headers)

    async def send(self, place: tuple[str, int]) -> None:
        topic, partition = place
        for batch in self.by_place[place]:
            batch.close()
            acknowledged = await self._producer.send_batch(batch, topic, partition=partition)
            # Waited for, not awaited: a timeout would cancel it, and nobody would look at what aiokafka says of the batch later.
            acknowledged.add_done_callback(_look_at)
            await asyncio.wait([acknowledged])
            acknowledged.result()


def _look_at(acknowledged: "asyncio.Future[object]") -> None:
    if not acknowledged.cancelled():
        acknowledged.exception()
