"""Every event type has a JSON Schema under `shared/schemas`, and what is produced keeps to it (DESIGN §5)."""

import json
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.house.event_types import events_of_python, events_of_sql, produced_types
from tests.house.events_page import PAGE, example_of, page
from tests.house.requested_schema import EVENT_TYPE, FOLDER, requested_schema, written

SCHEMAS: dict[str, dict[str, Any]] = {
    path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
}
EVENTS = list(events_of_python())
# What must never stand in an event: addresses and secrets (G6).
SECRET_MEMBERS = {
    "email",
    "phone",
    "recipient",
    "token",
    "passcode",
    "url",
    "grant",
    "code",
    "jwt",
    "data",
    "state",
    "metadata",
}


def faults(event: dict[str, Any]) -> list[str]:
    validator = Draft202012Validator(SCHEMAS[event["type"]])
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(event)]


def test_every_type_that_is_produced_has_a_schema_and_no_schema_is_left_over() -> None:
    assert set(SCHEMAS) == produced_types()


@pytest.mark.parametrize("event_type", SCHEMAS)
def test_a_schema_is_one_and_takes_nothing_it_does_not_name(event_type: str) -> None:
    schema = SCHEMAS[event_type]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"{event_type}.json"
    assert schema["properties"]["type"] == {"const": event_type}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["data"]["additionalProperties"] is False


def test_the_schema_of_a_request_is_that_of_the_model_that_checks_it() -> None:
    text = (FOLDER / f"{EVENT_TYPE}.json").read_text(encoding="utf-8")
    assert text == written(requested_schema()), "write it anew: python -m tests.house.requested_schema"


@pytest.mark.parametrize(
    "event", EVENTS, ids=lambda event: event["id"].partition(".")[2] + " " + event["type"]
)
def test_an_event_that_code_produces_keeps_to_its_schema(event: dict[str, Any]) -> None:
    assert faults(event) == []


@pytest.mark.parametrize("event", list(events_of_sql()), ids=lambda event: event["type"])
def test_an_event_that_a_statement_produces_has_the_members_of_its_schema(event: dict[str, Any]) -> None:
    schema = SCHEMAS[event["type"].strip("'")]
    assert set(event) == set(schema["properties"])
    assert set(event["data"]) == set(schema["properties"]["data"]["properties"])
    for name in ("specversion", "type", "datacontenttype"):
        assert schema["properties"][name] == {"const": event[name].strip("'")}
    # A type that two services produce names both.
    source = schema["properties"]["source"]
    assert event["source"].strip("'") in source.get("enum", [source.get("const")])


def test_every_type_but_the_request_was_seen_being_produced() -> None:
    seen = {event["type"] for event in EVENTS} | {event["type"].strip("'") for event in events_of_sql()}
    assert produced_types() - seen == {EVENT_TYPE}


@pytest.mark.parametrize("event_type", SCHEMAS)
def test_the_example_on_the_page_keeps_to_its_schema(event_type: str) -> None:
    assert faults(example_of(SCHEMAS[event_type])) == []


def test_the_page_about_events_says_what_the_schemas_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.house.events_page"


@pytest.mark.parametrize("event_type", sorted(set(SCHEMAS) - {EVENT_TYPE}))
def test_no_event_carries_an_address_or_a_secret(event_type: str) -> None:
    assert not set(SCHEMAS[event_type]["properties"]["data"]["properties"]) & SECRET_MEMBERS


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"source": "/somebody"},
        {"id": "1"},
        {"type": "magiclink.link.issued.v1", "data": {}},
        {"time": 1},
    ],
)
def test_a_planted_fault_is_found(change: dict[str, Any]) -> None:
    event = deepcopy(EVENTS[0])
    assert faults(event) == []
    assert faults({**event, **change})
    event["data"]["email"] = "ann@example.com"
    assert faults(event)
