"""How far the notifiers have read a lane: whether lag explains that a message is still queued."""

from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.bus import DELIVERIES, NOTIFIER_GROUP, connection_options
from shared.settings import KafkaSettings


class LaneLag:
    """Reads the notifier group's offsets without joining the group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def has_read_past(self, lane: str, moment: datetime) -> bool:
        """Say whether the notifiers have read everything of this lane that was produced before `moment`.

        When a topic lost its data, its end lies before the committed offset: everything there is has been read.
        """
        consumer = AIOKafkaConsumer(
            **connection_options(self._settings),
            group_id=NOTIFIER_GROUP,
            enable_auto_commit=False,
            request_timeout_ms=5_000,
        )
        await consumer.start()
        try:
            topic = DELIVERIES[lane]
            partitions = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
            if not partitions:
                return True
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            milliseconds = int(moment.timestamp() * 1000)
            later = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
            for partition in partitions:
                found = later.get(partition)
                wanted = ends[partition] if found is None else min(found.offset, ends[partition])
                if (await consumer.committed(partition) or 0) < wanted:
                    return False
            return True
        finally:
            await consumer.stop()


async def _partitions(consumer: "AIOKafkaConsumer[bytes, bytes]", topic: str) -> list[int]:
    known = consumer.partitions_for_topic(topic)
    if known is None:
        await consumer.topics()
        known = consumer.partitions_for_topic(topic)
    return sorted(known or ())
