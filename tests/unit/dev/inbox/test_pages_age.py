from datetime import timedelta

import pytest

from services.dev.inbox.rendering import ago


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "just now"),
        (4, "just now"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7_200, "2 h ago"),
        (200_000, "2 d ago"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(seconds: int, words: str) -> None:
    assert ago(timedelta(seconds=seconds)) == words
