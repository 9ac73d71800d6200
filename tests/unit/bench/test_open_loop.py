"""The load at a rate: it counts what was answered, and a latency begins when the request was due."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.open_loop import offer, percentiles, requests_of
from bench.rows.overload import point

Answer = Callable[[int], Awaitable[bytes | None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 2\r\n\r\n{}"
SHED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
BARE_SHED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Serve each request by its number; None hangs up."""
    numbers = iter(range(1_000_000))
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
            answered = await answer(next(numbers))
            if answered is None:
                break
            # In two pieces: an answer need not come whole.
            writer.write(answered[:-1])
            await asyncio.sleep(0)
            writer.write(answered[-1:])
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


def requests(count: int) -> list[bytes]:
    return requests_of("/x", b"Host: a\r\nKey: {number}\r\n", [b"{}"] * count)


def test_a_request_is_whole_and_has_its_number() -> None:
    assert requests(2)[1] == b"POST /x HTTP/1.1\r\nHost: a\r\nKey: 1\r\nContent-Length: 2\r\n\r\n{}"


def test_percentiles_are_of_what_there_is() -> None:
    assert percentiles([float(n) for n in range(100)]) == {"p50": 50.0, "p90": 90.0, "p99": 99.0}
    assert percentiles([7.0]) == {"p50": 7.0, "p90": 7.0, "p99": 7.0}
    assert percentiles([]) == {}


async def test_answers_are_counted_by_status() -> None:
    async def answer(number: int) -> bytes:
        return SHED if number % 4 == 0 else OK

    async with serving(answer) as url:
        told = await offer(url, requests(40), 400.0, 4)
    assert told["statuses"] == {200: 30, 503: 10}
    assert (told["unanswered"], told["broken"], told["without_retry_after"]) == (0, 0, 0)


async def test_a_503_that_does_not_say_when_to_come_again_is_counted() -> None:
    async def answer(_: int) -> bytes:
        return BARE_SHED

    async with serving(answer) as url:
        told = await offer(url, requests(5), 400.0, 4)
    assert told["without_retry_after"] == 5


async def test_who_is_due_during_a_stall_has_waited_for_its_end() -> None:
    async def answer(number: int) -> bytes:
        if number == 0:
            await asyncio.sleep(0.3)
        return OK

    async with serving(answer) as url:
        told = await offer(url, requests(50), 500.0, 1)
    latencies = told["latencies_ms"]
    assert isinstance(latencies, dict)
    # All are due within 0.1 s and wait for the one connection, which is taken for 0.3 s.
    assert latencies[200]["p50"] > 150


async def test_who_is_hung_up_on_counts_as_broken_and_the_next_is_served() -> None:
    async def answer(number: int) -> bytes | None:
        return None if number == 0 else OK

    async with serving(answer) as url:
        told = await offer(url, requests(20), 200.0, 1)
    assert told["broken"] == 1
    assert told["statuses"] == {200: 19}


@pytest.mark.parametrize(
    "wrong", [{"statuses": {"200": 5, "500": 1}}, {"statuses": {"503": 5}, "without_retry_after": 5}]
)
def test_an_answer_that_is_neither_served_nor_sent_away_properly_fails_the_run(
    wrong: dict[str, object],
) -> None:
    told = {"seconds": 1.0, "latencies_ms": {}, "unanswered": 0, "broken": 0, "without_retry_after": 0,
            "generator_late_ms": {"p99": 1.0}}  # fmt: skip
    with pytest.raises(SystemExit, match="under load"):
        point({**told, **wrong}, 100.0)


def test_a_point_tells_served_and_sent_away_apart() -> None:
    told = {
        "seconds": 2.0,
        "statuses": {"200": 100, "503": 60},
        "latencies_ms": {"200": {"p50": 5.0, "p99": 9.0}, "503": {"p50": 1.0, "p99": 2.0}},
        "unanswered": 3,
        "broken": 1,
        "without_retry_after": 0,
        "generator_late_ms": {"p99": 1.0},
    }
    found = point(told, 82.0)
    assert (found["accepted_per_second"], found["shed_per_second"], found["unanswered_per_second"]) == (
        50.0,
        30.0,
        2.0,
    )
    assert (found["accepted_p99_ms"], found["shed_p99_ms"]) == (9.0, 2.0)
