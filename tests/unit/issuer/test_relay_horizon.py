"""From which due time a relay looks: past what is deleted, yet never past a row for longer than a second."""

from datetime import UTC, datetime, timedelta

from services.issuer.relay import Horizon

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_look_is_from_the_beginning() -> None:
    assert Horizon(FakeClock()).start() < datetime(2001, 1, 1, tzinfo=UTC)


def test_later_looks_start_soon_before_what_was_taken_last() -> None:
    horizon = Horizon(FakeClock())
    horizon.start()
    horizon.took([{"due_at": NOON - timedelta(hours=1)}, {"due_at": NOON}, {"due_at": NOON - timedelta(1)}])
    assert NOON - timedelta(seconds=10) < horizon.start() <= NOON - timedelta(seconds=5)


def test_once_a_second_a_look_is_from_the_beginning() -> None:
    clock = FakeClock()
    horizon = Horizon(clock)
    first = horizon.start()
    horizon.took([{"due_at": NOON}])
    clock.now += 0.9
    assert horizon.start() > first
    clock.now += 0.1
    assert horizon.start() == first
    assert horizon.start() > first


def test_taking_nothing_moves_nothing() -> None:
    horizon = Horizon(FakeClock())
    horizon.start()
    horizon.took([{"due_at": NOON}])
    before = horizon.start()
    horizon.took([])
    assert horizon.start() == before
