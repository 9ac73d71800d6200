import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.wording import (
    button_colours,
    harmless,
    one_line,
    passcode_groups,
    plain_punctuation,
    without_links,
)
from shared.asker import device_words, ip_words

# What Android and iOS turn into links, roughly; kept apart from the code's own patterns.
LINK = re.compile(r"(?i)https?://|\b[a-z0-9-]+\.[a-z]{2,}\b|\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")


@pytest.mark.parametrize(
    "name",
    [
        "Win at evil.example",
        "https://evil.example/login",
        "HTTP://1.2.3.4/x",
        "www.evil.example",
        "Ann (evil.co)",
        "a.b.c.evil.example",
        "ann@evil.example",
        "evil\u3002example",
        "evil\uff0eexample",
        "1.2.3.4",
    ],
)
def test_no_phone_finds_a_link_in_a_name(name: str) -> None:
    assert not LINK.search(without_links(name).replace("\u3002", ".").replace("\uff0e", "."))


@pytest.mark.parametrize(
    "name", ["Ann Miller", "J. R. Smith", "3.5 %", "Jean-Luc", "Ngũgĩ wa Thiong'o", "李小龙"]
)
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert without_links(name) == name


def test_a_name_with_a_dot_stays_readable() -> None:
    assert without_links("Dr.Smith") == "Dr. Smith"


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert not set(line) & set("\u202e\u2066\r\n\x00")
    line.encode("utf-8")


def test_data_is_made_harmless_at_every_depth() -> None:
    hostile = "a\r\nb evil.example"
    found = harmless({"a": hostile, "b": [hostile, {"c": hostile}], "n": 3, "none": None, "yes": True})
    safe = "a b evil. example"
    assert found == {"a": safe, "b": [safe, {"c": safe}], "n": 3, "none": None, "yes": True}


@pytest.mark.parametrize(
    ("passcode", "aloud"),
    [
        ("1234", "1234"),
        ("12345", "123 45"),
        ("482913", "482 913"),
        ("1234567", "1234 567"),
        ("ABCD2345", "ABCD 2345"),
    ],
)
def test_a_passcode_is_grouped_as_it_is_read_aloud(passcode: str, aloud: str) -> None:
    assert " ".join(passcode_groups(passcode)) == aloud


@given(st.text(alphabet="ABC123", max_size=40))
def test_groups_hold_the_whole_passcode(passcode: str) -> None:
    assert "".join(passcode_groups(passcode)) == passcode


def test_typographic_punctuation_does_not_double_the_price_of_an_sms() -> None:
    assert plain_punctuation("Ann\u2019s \u201cShop\u201d \u2013 now\u2026") == 'Ann\'s "Shop" - now...'


def test_a_user_agent_only_chooses_among_known_words() -> None:
    chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"
    assert device_words(chrome) == {"browser": "Chrome", "system": "Windows"}
    assert device_words("call +1 900 555 0100, evil.example") == {"browser": None, "system": None}


def test_an_address_that_is_none_is_left_out() -> None:
    assert ip_words("2001:DB8:0::1") == "2001:db8::1"
    assert ip_words("evil.example") is None
    assert ip_words(None) is None


@pytest.mark.parametrize(
    "colour", [None, "red", "#fff", "#12345g", '#123456;background:url("https://evil.example")']
)
def test_a_colour_that_is_none_becomes_the_default(colour: str | None) -> None:
    assert button_colours(colour) == ("#1f4fd8", "#ffffff")


def test_a_bright_button_has_dark_words() -> None:
    assert button_colours("#FFDD00") == ("#ffdd00", "#111111")
