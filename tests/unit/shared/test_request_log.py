import asyncio
import io
from typing import Any

import orjson
from structlog.testing import capture_logs

from shared.request_log import RequestLog


def write(log: RequestLog, request_id: str = "r-1") -> None:
    log.write("POST", "/l/{token}", 303, 0.0123456, request_id)


async def lines_of(stream: io.BytesIO) -> list[dict[str, Any]]:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


async def test_a_request_is_one_line_with_the_members_of_every_other_line() -> None:
    log, stream = RequestLog(), io.BytesIO()
    log.write_json_lines("verifier", stream)
    write(log)
    write(log, "r-2")
    first, second = await lines_of(stream)
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "request", "level": "info", "service": "verifier", "request_id": "r-1",
        "method": "POST", "route": "/l/{token}", "status": 303, "ms": 12.35,
    }  # fmt: skip
    assert second["request_id"] == "r-2"


async def test_what_else_comes_by_the_thousand_is_a_line_alike() -> None:
    log, stream = RequestLog(), io.BytesIO()
    log.write_json_lines("notifier", stream)
    log.tell("delivery_attempted", f"x.{'Z' * 39}", {"channel": "email", "attempt": 2})
    (line,) = await lines_of(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "delivery_attempted", "level": "info", "service": "notifier", "request_id": "x.[redacted]",
        "channel": "email", "attempt": 2,
    }  # fmt: skip
    with capture_logs() as lines:
        RequestLog().tell("delivery_attempted", "r-1", {"attempt": 3})
    assert [(line["event"], line["attempt"]) for line in lines] == [("delivery_attempted", 3)]


async def test_a_token_that_somebody_sends_as_request_id_stands_in_no_line() -> None:
    log, stream = RequestLog(), io.BytesIO()
    log.write_json_lines("verifier", stream)
    token = "a" + "Z" * 38
    for request_id in (token, f"x.{token}", f"mlk_0123456789ab_{'s' * 43}"):
        write(log, request_id)
    assert token[1:] not in stream.getvalue().decode()
    assert {line["request_id"] for line in await lines_of(stream)} == {"[redacted]", "x.[redacted]"}


async def test_until_it_is_told_where_to_it_goes_through_structlog() -> None:
    with capture_logs() as lines:
        write(RequestLog())
    assert [(line["event"], line["status"], line["ms"]) for line in lines] == [("request", 303, 12.35)]


async def test_above_the_level_info_there_is_none() -> None:
    log, stream = RequestLog(), io.BytesIO()
    log.write_json_lines("verifier", stream)
    log.leave_out()
    write(log)
    assert await lines_of(stream) == []
