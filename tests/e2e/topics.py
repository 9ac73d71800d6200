"""Everything that a cluster's topics hold."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.clusters import House


async def topic_records(house: House) -> list[tuple[str, str]]:
    """Return each record of each of our topics, as its topic and all of it as text."""
    bootstrap = house.cluster.backends.kafka_bootstrap
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    described = await admin.describe_topics(
        [name for name in await admin.list_topics() if name.startswith("magiclink")]
    )
    await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=20)
    await consumer.start()
    partitions = [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    ends = await consumer.end_offsets(partitions)
    found = []
    while any([await consumer.position(at) < end for at, end in ends.items()]):
        for at, records in (await consumer.getmany(timeout_ms=200)).items():
            found += [(at.topic, f"{r.key!r} {r.value!r} {r.headers!r}") for r in records]
    await consumer.stop()
    assert found
    return found
