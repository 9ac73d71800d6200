"""How far the notifiers have read a lane: whether lag explains that a message is still queued."""

from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.bus import DELIVERIES, NOTIFIER_GROUPS, connection_options
from shared.settings import KafkaSettings


class LaneLag:
    """Reads the notifier group's offsets without joining the group."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def has_read_past(self, lane: str, moment: datetime) -> bool:
        """Say whether the notifiers have read everything of this lane that was produced before `moment`.

        When a topic lost its data, its end lies before the committed offset: everything there is has been read.
        Raises `KafkaError` when the broker is away.
        """
        partitions = await self._partitions(DELIVERIES[lane])
        consumer = AIOKafkaConsumer(
            **connection_options(self._settings), group_id=NOTIFIER_GROUPS[lane], enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            milliseconds = int(moment.timestamp() * 1000)
            later = await consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
            for partition in partitions:
                found = later.get(partition)
                # Nothing that late: none from Apache Kafka, a time of -1 from the embedded broker.
                nothing = found is None or found.timestamp < 0
                wanted = ends[partition] if nothing else min(found.offset, ends[partition])
                if (await consumer.committed(partition) or 0) < wanted:
                    return False
            return True
        finally:
            await consumer.stop()

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        admin = AIOKafkaAdminClient(**connection_options(self._settings))
        await admin.start()
        try:
            described = await admin.describe_topics([topic])
        finally:
            await admin.close()
        return [TopicPartition(topic, found["partition"]) for found in described[0]["partitions"]]
