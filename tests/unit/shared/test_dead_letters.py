from typing import Any, cast

import orjson
import pytest

from shared.database import Connection
from shared.dead_letters import Refused, put_aside
from tests.records import record


class Written:
    """Stands in for a connection: keeps the arguments of each statement."""

    def __init__(self) -> None:
        self.statements: list[tuple[Any, ...]] = []

    async def execute(self, statement: str, *columns: Any) -> None:
        self.statements.append((statement, *columns))


async def test_a_record_is_put_aside_with_its_reason_and_where_it_came_from() -> None:
    written = Written()
    await put_aside(
        cast(Connection, written), [Refused(record(b"k", b"v", (("x-request-id", b"r-1"),)), "why")]
    )
    letters, outbox = written.statements
    assert [column[0] for column in letters[2:7]] == ["magiclink.link-requests", 3, 42, b"k", b"v"]
    assert letters[8] == ["why"]
    assert outbox[3:6] == (["magiclink.link-requests.dlq"], ["k"], [b"v"])
    for headers in (letters[7][0], outbox[6][0]):
        assert orjson.loads(headers) == {
            "x-request-id": "r-1",
            "dlq-reason": "why",
            "dlq-topic": "magiclink.link-requests",
            "dlq-partition": "3",
            "dlq-offset": "42",
        }


@pytest.mark.parametrize(
    ("headers", "kept"),
    [((("empty", None),), {"empty": ""}), ((("bin", b"\xff\x00"),), {"bin": "\N{REPLACEMENT CHARACTER}"}),
     ((("n\0l", b"x"),), {"nl": "x"}), ((), {})],
)  # fmt: skip
async def test_whatever_headers_a_record_has_it_can_be_put_aside(headers: Any, kept: dict[str, str]) -> None:
    # A record that could not even be put aside would stop its partition for ever.
    written = Written()
    await put_aside(cast(Connection, written), [Refused(record(None, None, headers), "why")])
    text = written.statements[0][7][0]
    assert {name: value for name, value in orjson.loads(text).items() if not name.startswith("dlq-")} == kept
    assert "\\u0000" not in text
