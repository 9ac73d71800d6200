import pytest

from services.dev.inbox.passcodes import find_passcode

LINK = "http://127.0.0.1:8001/l/k1234567890abcdef12345678"


@pytest.mark.parametrize(
    ("text", "passcode"),
    [
        (f"Sign in:\n\n{LINK}\n\nOr enter this passcode where you asked to sign in: 482 913\n\nOnly for 15 minutes.", "482913"),
        (f"Demo: passcode 482913, or sign in within 15 minutes:\n{LINK}", "482913"),
        (f"*Demo*\n\nPasscode: 482 913\n\n{LINK}", "482913"),
        (f"Demo\n{LINK}\n15 minutes\n48291307", "48291307"),
        ("Passcode: KXQM TWRA", "KXQMTWRA"),
        ("Ihr Code: a7k2 9pq1", "a7k29pq1"),
        ("コード: 482913", "482913"),
        ("Ihr Einmalkennwort 482913 gilt 15 Minuten.", "482913"),
    ],
)  # fmt: skip
def test_the_passcode_of_a_message_is_recognised(text: str, passcode: str) -> None:
    assert find_passcode(text) == passcode


@pytest.mark.parametrize(
    "text",
    [
        "",
        LINK,
        f"Sign in within 15 minutes, until 2026-11-21 07:22: {LINK}",
        "Call +14155550100 or come to 127.0.0.1:8005.",
        "Demo\n1 hour",
        "Either 482913 or 482914.",
    ],
)
def test_what_is_no_passcode_is_not_shown_as_one(text: str) -> None:
    assert find_passcode(text) is None
