"""Brand colours on the pages: whatever an app chooses, its button can be read and seen."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.verifier.colours import brand_style, contrast, seen_on, text_on
from services.verifier.skeletons import STYLE

PARTS = st.integers(0, 255)
CARDS = [(255, 255, 255), (27, 31, 39)]


@given(st.tuples(PARTS, PARTS, PARTS), st.sampled_from(CARDS))
def test_every_colour_becomes_a_button_that_stands_out_and_can_be_read(
    colour: tuple[int, int, int], card: tuple[int, int, int]
) -> None:
    shown = seen_on(card, colour)
    assert contrast(shown, card) >= 3
    assert contrast(text_on(shown), shown) >= 4.5


def test_a_colour_that_stands_out_is_left_as_it_is() -> None:
    assert "--act:#0f766e;" in brand_style("#0f766e")


@pytest.mark.parametrize(
    "bad", [None, 7, "", "red", "#12345", "#1234567", "#12345g", "#123456}body{", "#123456\n"]
)
def test_what_is_no_colour_never_reaches_the_page(bad: object) -> None:
    assert brand_style(bad) == brand_style("#1f4fd8")


def test_the_cards_are_those_of_the_style() -> None:
    assert re.findall(r"--card: (#\w+);", STYLE) == ["#fff", "#1b1f27"]
