"""How much of one receiver's there is at once, and how long the rest waits."""

from uuid import uuid4

from services.notifier.webhook_pace import LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, PLACES_AN_ENDPOINT, Pace


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_an_endpoint_has_places_and_gets_them_back() -> None:
    pace, one, other = Pace(), uuid4(), uuid4()
    assert [pace.enter(one) for _ in range(PLACES_AN_ENDPOINT + 1)] == [True] * PLACES_AN_ENDPOINT + [False]
    assert pace.enter(other)
    pace.leave(one)
    assert pace.enter(one)


def test_one_that_fails_has_one_place_until_it_answers_well() -> None:
    pace, one = Pace(), uuid4()
    pace.answered(one, ok=False)
    assert [pace.enter(one), pace.enter(one)] == [True, False]
    pace.answered(one, ok=True)
    assert pace.enter(one)


def test_a_backlog_goes_round_the_less_often_the_longer_it_has_stood() -> None:
    now, one = Now(), uuid4()
    pace = Pace(now)
    rounds = 0
    while now.seconds < 86_400:
        now.seconds += pace.pause_seconds(one)
        rounds += 1
    assert rounds < 40
    assert pace.pause_seconds(one) == LONGEST_PAUSE_SECONDS
    assert pace.pause_seconds(uuid4()) == PAUSE_SECONDS


def test_one_that_has_caught_up_begins_anew() -> None:
    now, one = Now(), uuid4()
    pace = Pace(now)
    for _ in range(10):
        now.seconds += pace.pause_seconds(one)
    now.seconds += 3 * LONGEST_PAUSE_SECONDS
    assert pace.pause_seconds(one) == PAUSE_SECONDS
