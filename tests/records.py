"""Records as a consumer gets them, made by hand."""

from typing import Any, cast

from aiokafka import ConsumerRecord

from shared.consumer import Record


def record(
    key: bytes | None,
    value: bytes | None,
    headers: Any = (),
    *,
    topic: str = "magiclink.link-requests",
    offset: int = 42,
) -> Record:
    """Make one record of partition 3."""
    made = ConsumerRecord(
        topic=topic, partition=3, offset=offset, timestamp=0, timestamp_type=0, key=key, value=value,
        checksum=None, serialized_key_size=0, serialized_value_size=0, headers=headers,
    )  # fmt: skip
    return cast(Record, made)
