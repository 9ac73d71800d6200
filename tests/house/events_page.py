"""`docs/events.md`, made of the schemas. Run as a module, it writes the page anew.

Every example on the page is checked against its schema by test_event_schemas.
"""

import json
import re
from pathlib import Path
from typing import Any

from shared.bus import DELIVERIES, EVENTS, LINK_REQUESTS, RENEWALS
from tests.house.requested_schema import EVENT_TYPE, FOLDER

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
INTRODUCTION = Path(__file__).with_name("events_introduction.md")

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINK_ID = "019ab3f2-6c1e-7d04-9b1f-3f6a52c8e07d"
_IDS = {
    "link_id": _LINK_ID,
    "message_id": "019ab3f2-6c1e-7b35-8c02-9d4417aa61f0",
    "app_id": "019ab3e0-02d4-7c11-a0de-51b6f0c3d2a9",
    "user_id": "019ab3f2-6c1d-7a90-b7c4-e82f19d0543b",
}
_MOMENT = "2026-11-21T09:30:00.250000Z"
_TOPICS = {
    EVENT_TYPE: f"`{LINK_REQUESTS}`",
    "magiclink.message.queued.v1": " and ".join(f"`{topic}`" for topic in DELIVERIES.values()),
    "magiclink.link.renewal_requested.v1": f"`{RENEWALS}`",
}
_REQUEST = {
    "app_id": _IDS["app_id"],
    "email": "ann@example.com",
    "channel": "email",
    "redirect_url": "/reports/weekly",
    "template_data": {"report": "Week 47"},
    "locale": "de",
    "time_zone": "Europe/Berlin",
    "send_at": "2026-11-23T07:00:00Z",
}


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by its event type."""
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.json"))
    }


def example_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an event that keeps to the schema, with the members that a reader needs."""
    names = [name for name in schema["properties"] if name in schema["required"] or name == "time"]
    event = {name: _example(name, schema["properties"][name], schema) for name in names}
    if schema["title"] == EVENT_TYPE:
        event |= {"id": "report-47-ann", "source": "/reports/weekly-job", "data": _REQUEST}
    return event


def page() -> str:
    """Return the text of the page."""
    found = schemas()
    overview = [
        f"| [`{name}`](#{name.replace('.', '')}) | {_topic(name)} | {schema['description']} |"
        for name, schema in found.items()
    ]
    table = ["| Type | Topic | Tells |", "|---|---|---|", *overview]
    parts = [INTRODUCTION.read_text(encoding="utf-8").rstrip(), "\n".join(table)]
    return "\n\n".join([*parts, *map(_section, found.values())]) + "\n"


def _section(schema: dict[str, Any]) -> str:
    name = schema["title"]
    data = schema["properties"]["data"]
    rows = [
        f"| `{field}` | {_kind(rule)} | {'yes' if field in data['required'] else 'no'} | {rule.get('description', '')} |"
        for field, rule in data["properties"].items()
    ]
    table = ["| `data` | Is | Always there | Says |", "|---|---|---|---|", *rows]
    example = json.dumps(example_of(schema), indent=2)
    return "\n\n".join(
        [
            f"## {name}",
            f"{schema['description']} Topic: {_topic(name)}. Schema: `shared/schemas/{name}.json`.",
            "\n".join(table),
            f"```json\n{example}\n```",
        ]
    )


def _topic(name: str) -> str:
    return _TOPICS.get(name, f"`{EVENTS}`")


def _kind(rule: dict[str, Any]) -> str:
    """Return what a field is, in words."""
    if "anyOf" in rule:
        return " or ".join(_kind(option) for option in rule["anyOf"])
    if "enum" in rule:
        return ", ".join(f"`{json.dumps(value)}`" for value in rule["enum"])
    form = "uuid" if _UUID in rule.get("pattern", "") else rule.get("format", "")
    kinds = {"uuid": "UUID", "date-time": "time (RFC 3339)"}.get(form) or rule.get("type", "any JSON")
    if "$ref" in rule:
        kinds = "object"
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _example(name: str, rule: dict[str, Any], schema: dict[str, Any]) -> Any:
    if "const" in rule or "enum" in rule:
        choices = rule.get("enum", [rule.get("const")])
        return choices[-1] if name == "source" else choices[0]
    if rule.get("type") == "object":
        return {field: _example(field, part, schema) for field, part in rule.get("properties", {}).items()}
    if "pattern" in rule:
        about_message = "message_id" in schema["properties"]["data"].get("properties", {})
        subject = _IDS["message_id" if about_message else "link_id"]
        text = rule["pattern"].strip("^$").replace(_UUID, _IDS.get(name, subject))
        return re.sub(r"\[0-9\]\+", "1", text).replace("\\", "")
    if rule.get("type") == "integer":
        return max(1, rule.get("minimum", 1))
    return _MOMENT if rule.get("format") == "date-time" else {"provider": "smtp"}.get(name, name)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
