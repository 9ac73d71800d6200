"""Every type of event that the program produces, and the events themselves, made by the code that makes them."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson

from services.issuer import ended_sessions, revoke, webhooks
from services.issuer.link_rows import event_rows
from services.issuer.new_links import Group, NewLink
from services.issuer.policy import Form
from services.issuer.reach import FoundUser
from services.notifier import callbacks, deliver
from shared.links import LinkRequest
from shared.messages import MessageFacts, Queueing, Told, message_row, queued_row
from shared.outbox import OutboxRow, lifecycle_row
from tests.house.tree import modules, sql_files

AT = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
FACTS = MessageFacts(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), "email", "interactive")
# What becomes of a message, as the notifier tells it: by itself, and after a callback.
VERBS = {*deliver._TOLD, *callbacks._STATUS.values()}
_TYPE = re.compile(r"magiclink\.[a-z]+\.[a-z_]+\.v[0-9]+")


def produced_types() -> set[str]:
    """Return the types named in code and SQL, and those that are put together of a verb."""
    named = set()
    for module in modules("services", "shared"):
        if not module.path.startswith(("services/dev/", "shared/client/")):
            named |= {
                found.group()
                for node in module.walk()
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
                if (found := _TYPE.fullmatch(node.value))
            }
    for blocks in sql_files().values():
        for sql in blocks.values():
            named |= set(_TYPE.findall(sql))
    return named | {f"magiclink.message.{verb}.v1" for verb in VERBS}


def events_of_python() -> Iterator[dict[str, Any]]:
    """Yield every event that Python code makes, as it stands in the outbox."""
    request: Any = LinkRequest(user_id=FACTS.user_id, channel="email")
    app: Any = SimpleNamespace(id=FACTS.app_id)
    form = Form(app, "interactive", None, None, 900, 900, False, None, request)
    group = Group(form, "1", None, None)
    link = NewLink(
        FACTS.link_id,
        FoundUser(FACTS.user_id, "ann@example.com", None),
        "ann@example.com",
        FACTS.message_id,
        "{}",
        group,
    )
    for *_, events, _ in event_rows([link], AT):
        yield from map(orjson.loads, events.split("\n"))
    row = {
        "id": FACTS.link_id, "app_id": FACTS.app_id, "user_id": FACTS.user_id, "type": "login", "revoked_at": AT, "sequence": 3,
    }  # fmt: skip
    yield _read(revoke._event_row(row, {}))
    for reason in ("user_inactive", "application_deleted", "registration_deleted"):
        yield _read(ended_sessions.ended_row(row, reason, {}))
    yield _read(lifecycle_row(webhooks.tested_event(FACTS.link_id, FACTS.app_id), FACTS.link_id, {}))
    yield _read(queued_row("/notifier", FACTS, Queueing(2, 1, AT), {}))
    for verb in sorted(VERBS):
        for provider in ("twilio", None):
            yield _read(message_row("/notifier", FACTS, Told(verb, 2, provider), {}))


def events_of_sql() -> Iterator[dict[str, Any]]:
    """Yield the shape of every event that a statement makes: its members, each with the text that stands for its value."""
    for blocks in sql_files().values():
        for sql in blocks.values():
            if "'specversion'" in sql:
                start = sql.index("jsonb_build_object(")
                yield _build_object(sql, start)[0]
            # The function of the schema (0002) makes the same members of its arguments.
            for call in re.finditer(r"magiclink\.cloud_event\(", sql):
                yield _cloud_event(sql, call.end())


def _read(row: OutboxRow) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(row.value)
    return event


def _cloud_event(sql: str, begun: int) -> dict[str, Any]:
    """Read the arguments of `magiclink.cloud_event(type, id, source, subject, at, data)`."""
    start = sql.index("jsonb_build_object(", begun)
    event_type, event_id, source, subject, at = (part.strip() for part in sql[begun:start].split(",")[:5])
    data, _ = _build_object(sql, start)
    return {
        "specversion": "'1.0'", "type": event_type, "id": event_id, "source": source, "subject": subject, "time": at,
        "datacontenttype": "'application/json'", "data": data,
    }  # fmt: skip


def _build_object(sql: str, start: int) -> tuple[dict[str, Any], int]:
    """Read `jsonb_build_object(name, value, …)`; return the object, and where it ends."""
    parts: list[Any] = []
    at = begun = start + len("jsonb_build_object(")
    depth = 0
    while True:
        if sql.startswith("jsonb_build_object(", at):
            inner, at = _build_object(sql, at)
            parts.append(inner)
            begun = at
        if sql[at] == "(":
            depth += 1
        elif depth == 0 and sql[at] in ",)":
            text = sql[begun:at].strip()
            parts += [text] if text else []
            begun = at + 1
        if sql[at] == ")":
            if depth == 0:
                break
            depth -= 1
        at += 1
    names = [name.strip("'") for name in parts[::2]]
    return dict(zip(names, parts[1::2], strict=True)), at + 1
