"""Records that cannot be handled, put aside with the reason: on `<topic>.dlq` and in the table `dead_letters` (DESIGN §5)."""

from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from shared import outbox
from shared.consumer import Record
from shared.database import Connection
from shared.metrics import DEAD_LETTERS
from shared.outbox import OutboxRow
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

log = structlog.get_logger()

SQL = SqlBlocks(Path(__file__).parent / "sql" / "dead_letters.sql")


@dataclass(frozen=True, slots=True)
class Refused:
    """A record and why it is put aside."""

    record: Record
    reason: str


async def put_aside(connection: Connection, refused: list[Refused]) -> None:
    """Write them within the caller's transaction; the relay takes them to the dead-letter topic."""
    await connection.execute(
        SQL.add_dead_letters,
        [new_link_id() for _ in refused],
        [item.record.topic for item in refused],
        [item.record.partition for item in refused],
        [item.record.offset for item in refused],
        [item.record.key for item in refused],
        [item.record.value for item in refused],
        [orjson.dumps(_headers(item)).decode() for item in refused],
        [item.reason for item in refused],
    )
    await outbox.append(connection, [_row(item) for item in refused])
    for item in refused:
        record = item.record
        DEAD_LETTERS.labels(topic=record.topic).inc()
        log.warning(
            "dead_letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=item.reason,
        )


def _row(item: Refused) -> OutboxRow:
    key = storable_text(item.record.key)
    return OutboxRow(
        "events", f"{item.record.topic}.dlq", key, item.record.value or b"", None, _headers(item)
    )


def _headers(item: Refused) -> dict[str, str]:
    return {
        **{storable_text(name): storable_text(value) for name, value in item.record.headers or ()},
        "dlq-reason": item.reason,
        "dlq-topic": item.record.topic,
        "dlq-partition": str(item.record.partition),
        "dlq-offset": str(item.record.offset),
    }


def storable_text(value: str | bytes | None) -> str:
    """Return the text of a record's key, header name or header value as the outbox can hold it."""
    # Whoever wrote the record chose all of them, and may leave a value out (null): what the table does not take would stop the
    # partition for ever.
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
    return text.replace("\0", "")
