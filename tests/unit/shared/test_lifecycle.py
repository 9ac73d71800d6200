import asyncio
import signal
import subprocess
import sys
import textwrap

import pytest
from structlog.testing import capture_logs

from shared.lifecycle import Service
from shared.settings import ServiceSettings

SETTINGS = ServiceSettings.model_construct(drain_seconds=1.0)


def service() -> Service:
    return Service("test", SETTINGS)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_failing_task_stops_the_service_with_status_1_and_says_why() -> None:
    async def broken() -> None:
        raise KeyError("what nobody expected")

    made = service()
    with capture_logs() as logs:
        made.run_task(for_ever(), "other")
        made.run_task(broken(), "broken")
        async with asyncio.timeout(1):
            await made.wait()
        assert await made.close() == 1
    (entry,) = (entry for entry in logs if entry["event"] == "task_failed")
    assert entry["task"] == "broken"
    assert isinstance(entry["exc_info"], KeyError)


async def test_a_loop_that_ends_by_itself_is_a_failure_too() -> None:
    async def short() -> None:
        return

    made = service()
    made.run_task(short(), "short")
    async with asyncio.timeout(1):
        await made.wait()
    assert await made.close() == 1


async def test_a_stop_that_was_asked_for_has_status_0() -> None:
    made = service()
    made.run_task(for_ever(), "loop")
    made.stop()
    await made.wait()
    assert await made.close() == 0


async def test_parts_are_closed_in_reverse_order_and_loops_before_what_they_use() -> None:
    closed: list[str] = []

    async def close(name: str) -> None:
        closed.append(name)

    async def loop() -> None:
        try:
            await for_ever()
        finally:
            closed.append("loop")

    made = service()
    made.on_stop(lambda: close("pool"))
    made.on_stop(lambda: close("cache"))
    made.run_task(loop(), "loop")
    await asyncio.sleep(0)
    made.on_stop(lambda: close("listener"))
    assert await made.close() == 0
    assert closed == ["listener", "loop", "cache", "pool"]


PROGRAM = """
    import asyncio, sys
    from shared.lifecycle import Service, run_service
    from shared.settings import ServiceSettings

    async def fail():
        raise KeyError("unexpected")

    async def start(service):
        if sys.argv[1] == "start fails":
            raise RuntimeError("no database")
        service.run_task(fail() if sys.argv[1] == "task fails" else asyncio.Event().wait(), "task")
        print("started", flush=True)

    settings = ServiceSettings.model_construct(log_level="info", log_format="json")
    sys.exit(run_service("test", settings, start))
"""


@pytest.mark.parametrize(
    ("how", "status", "event"),
    [("start fails", 1, "service_failed"), ("task fails", 1, "task_failed"), ("SIGTERM", 0, "service_stopped"),
     ("SIGINT", 0, "service_stopped")],
)  # fmt: skip
def test_the_process_ends_with_the_status_that_its_orchestrator_needs(
    how: str, status: int, event: str
) -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if how.startswith("SIG"):
            assert first == "started\n"
            process.send_signal(signal.Signals[how])
        rest = process.stdout.read()
        assert process.wait(10) == status
    assert f'"event":"{event}"' in first + rest
