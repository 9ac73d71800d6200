import pytest

from services.notifier.segments import measure_sms, outside_gsm


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("é" * 160, "GSM-7", 160, 1),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("€" * 153, "GSM-7", 306, 3),  # 152 of 153 units a segment: no escape is split
        ("ó" * 70, "UCS-2", 70, 1),
        ("ó" * 71, "UCS-2", 71, 2),
        ("ó" * 135, "UCS-2", 135, 3),
        ("👍" * 35, "UCS-2", 70, 1),
        ("👍" * 67, "UCS-2", 134, 3),  # 66 of 67 units a segment: no surrogate pair is split
    ],
)
def test_an_sms_is_measured_as_networks_count(text: str, encoding: str, units: int, segments: int) -> None:
    size = measure_sms(text)
    assert (size.encoding, size.units, size.segments) == (encoding, units, segments)


def test_the_letters_that_double_the_price_are_named() -> None:
    assert outside_gsm("código ç ó 😀") == ["ó", "ç", "😀"]
