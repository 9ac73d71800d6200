import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from shared.bus import TOPICS, Event, EventInvalid, decode_event, encode_event, holds_nul

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "type": "magiclink.link.requested.v1",
    "id": "job-7.1",
    "source": "/jobs/reminder",
    "data": {"email": "ann@example.com"},
}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def with_(**changes: Any) -> bytes:
    return orjson.dumps({**GOOD, **changes})


def without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in GOOD.items() if key != name})


def deep(depth: int, innermost: bytes) -> bytes:
    return orjson.dumps(GOOD).replace(b'"ann@example.com"', b"[" * depth + innermost + b"]" * depth)


BAD: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "the record has no value"),
    "empty": (b"", "not JSON"),
    "no JSON": (b"{", "not JSON"),
    "no UTF-8": (b'{"id": "\xff"}', "not JSON"),
    "NaN": (b'{"id": NaN}', "not JSON"),
    "lone surrogate": (orjson.dumps(GOOD).replace(b"job-7.1", b"\\ud800"), "not JSON"),
    "no object": (b"[1]", "not a JSON object"),
    "NUL in data": (with_(data={"state": "a\0b"}), "NUL"),
    "NUL in a name": (with_(data={"a\0b": 1}), "NUL"),
    "NUL in an attribute": (with_(id="a\0b"), "NUL"),
    "NUL very deep": (deep(900, b'"\\u0000"'), "NUL"),
    "nested too deep": (deep(5000, b"1"), "not JSON"),
    "no specversion": (without("specversion"), "specversion"),
    "another specversion": (with_(specversion="0.3"), "specversion"),
    "no type": (without("type"), "type"),
    "empty type": (with_(type=""), "type"),
    "no id": (without("id"), "id"),
    "empty id": (with_(id=""), "id"),
    "a number as id": (with_(id=7), "id"),
    "no source": (without("source"), "source"),
    "empty source": (with_(source=""), "source"),
    "an empty subject": (with_(subject=""), "subject"),
    "a time that is none": (with_(time="yesterday"), "not a CloudEvent"),
    "a time without zone": (with_(time="2026-01-01T00:00:00"), "time"),
    "a number as time": (with_(time=7), "not a CloudEvent"),
    "an attribute in capitals": (with_(EXT="x"), "EXT"),
    "no data": (without("data"), "data must be a JSON object"),
    "data that is no object": (with_(data=[1]), "data must be a JSON object"),
    "data in base64": (orjson.dumps({**GOOD, "data_base64": "AAAA"}), "data_base64"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_event_is_refused_by_the_rule_it_breaks(case: str) -> None:
    value, words = BAD[case]
    with pytest.raises(EventInvalid, match=words):
        decode_event(value)


@pytest.mark.parametrize("planted", ["pl4nted-s3cret"])
@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "data", "subject"])
def test_no_message_repeats_what_stood_in_the_event(name: str, planted: str) -> None:
    for value in ([planted], {planted: planted}, f"{planted}\x07 "):
        try:
            decode_event(with_(**{name: value}))
        except EventInvalid as invalid:
            assert planted not in str(invalid)  # noqa: PT017 - a text is a good value for some


def test_a_good_event_is_read() -> None:
    event = decode_event(with_(time="2026-01-02T03:04:05.678Z", subject="ann", traceparent="00-x"))
    assert event == Event(
        type="magiclink.link.requested.v1",
        id="job-7.1",
        source="/jobs/reminder",
        subject="ann",
        data={"email": "ann@example.com"},
        time=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    )


@given(
    st.builds(
        Event,
        type=st.just("magiclink.link.issued.v1"),
        id=TEXT,
        source=st.just("/issuer"),
        subject=st.just("") | TEXT,
        data=st.dictionaries(
            TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.lists(TEXT)
        ),
        time=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    )
)
def test_what_is_encoded_reads_back(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


EVENTS = st.builds(
    Event,
    type=st.just("magiclink.link.issued.v1"),
    id=TEXT,
    source=st.just("/issuer"),
    subject=st.just("") | TEXT,
    data=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT),
    time=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(EVENTS)
def test_what_is_encoded_is_a_cloudevent_to_the_sdk(event: Event) -> None:
    read = JSONFormat().read(CloudEvent, encode_event(event))
    assert (read.get_type(), read.get_id(), read.get_source()) == (event.type, event.id, event.source)
    assert (read.get_subject() or "") == event.subject
    assert read.get_data() == event.data
    assert read.get_datacontenttype() == "application/json"
    time = read.get_time()
    assert time is not None
    assert time.utcoffset() is not None
    assert event.time in (None, time)


@pytest.mark.parametrize(
    ("text", "microseconds", "hour"),
    [
        ("2026-01-02T03:04:05Z", 0, 3),
        ("2026-01-02T03:04:05.678+02:00", 678_000, 1),
        ("2026-01-02T03:04:05.123456789Z", 123_456, 3),
    ],
)
def test_a_time_is_read_with_its_offset_and_any_fraction(text: str, microseconds: int, hour: int) -> None:
    assert decode_event(with_(time=text)).time == datetime(2026, 1, 2, hour, 4, 5, microseconds, tzinfo=UTC)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_are_a_fault_of_ours(value: bytes) -> None:
    with pytest.raises(EventInvalid):
        decode_event(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*GOOD, "time", "subject", "datacontenttype", "dataschema", "ext"]), JSON)
def test_no_member_is_a_fault_of_ours(name: str, value: Any) -> None:
    try:
        event = decode_event(json.dumps({**GOOD, name: value}).encode())
    except EventInvalid:
        return
    assert isinstance(event.id, str)
    assert isinstance(event.source, str)
    assert isinstance(event.data, dict)


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("a\0", True),
        ({"a": ["x", {"b": "\0"}]}, True),
        ({"\0": 1}, True),
        ({"a": ["b", 1, None, 0.0, True]}, False),
        (0, False),
    ],
)
def test_a_nul_is_found_wherever_it_hides(value: Any, holds: bool) -> None:
    assert holds_nul(value) is holds


def test_every_consumed_topic_has_a_dead_letter_topic() -> None:
    consumed = {topic for topic in TOPICS if not topic.endswith(".dlq")}
    assert {f"{topic}.dlq" for topic in consumed} == {topic for topic in TOPICS if topic.endswith(".dlq")}
