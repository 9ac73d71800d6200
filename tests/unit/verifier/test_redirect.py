"""The 303's address: the product's own URL, with a code and its state added."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.verifier.redirect import redirect_location


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://p.example", "https://p.example?code=C"),
        ("https://p.example/in", "https://p.example/in?code=C"),
        ("https://p.example/in?a=%2F&b", "https://p.example/in?a=%2F&b&code=C"),
        ("https://p.example/in?q=a+b%20c&q=", "https://p.example/in?q=a+b%20c&q=&code=C"),
    ],
)
def test_what_the_query_held_stays_as_it_was(url: str, expected: str) -> None:
    assert redirect_location(url, "C", None) == expected


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        ("plain", "plain"),
        ("a&code=evil#f +%", "a&code=evil#f +%"),
        ("", ""),
        ({"b": [1, "ü"]}, '{"b":[1,"ü"]}'),
        (["x"], '["x"]'),
        (0, "0"),
        (False, "false"),
    ],
)
def test_a_text_goes_verbatim_and_anything_else_as_compact_json(state: Any, sent: str) -> None:
    location = redirect_location("https://p.example/in", "C", state)
    query = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert query == {"code": ["C"], "state": [sent]}
    assert location.isascii()
