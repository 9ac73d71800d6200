from typing import Any, cast
from uuid import uuid4

import orjson
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from services.issuer.intake import Intake, Requested, _distinct
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import App, Apps, Draft
from services.issuer.store import IssuerStore
from shared.consumer import Record
from shared.dead_letters import Refused
from shared.errors import NotFound
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.redirects import RedirectPolicy

RING = KeyRing.parse(derive_ring(new_master(), "issuer"), SERVICE_PURPOSES["issuer"])
APP_ID, OTHER_APP_ID, DEAF_APP_ID = uuid4(), uuid4(), uuid4()
GOOD_DATA: dict[str, Any] = {"app_id": str(APP_ID), "email": "ann@example.com", "channel": "email"}
GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "type": "magiclink.link.requested.v1",
    "id": "job-7.1",
    "source": "/jobs/reminder",
    "time": "2026-06-01T12:00:00Z",
    "data": GOOD_DATA,
}
NOW = 1_780_315_200.0  # 2026-06-01T12:00:00Z


class FakeApps:
    async def get(self, app_id: object) -> App:
        if app_id not in (APP_ID, OTHER_APP_ID, DEAF_APP_ID):
            raise NotFound("no such app")
        return App(
            id=cast(Any, app_id), name="Shop", redirects=RedirectPolicy(None, ()), default_redirect_url=None,
            landing_url=None, ttl_seconds=900, max_ttl_seconds=3600, grant_ttl_seconds=60, passcode_format="digits:6",
            locale="en", sender=None, intake=app_id != DEAF_APP_ID, interactive_per_minute=600, latest_only=frozenset(),
            ttl_from="issue", acceptance_cap_seconds=86400, texts_per_hour=1000, texts_per_recipient_per_hour=10,
            passcode_standalone=False, user_id_format="{uuid}",
        )  # fmt: skip


class SameLane:
    """Keeps every lane, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def assign_all(self, items: list[Draft]) -> list[Draft]:
        self.asked += 1
        return items


def intake() -> Intake:
    made = Intake(
        cast(Issue, None), cast(Apps, FakeApps()), cast(Lanes, SameLane()), cast(IssuerStore, None), RING
    )
    made.clock = lambda: NOW
    return made


def record(value: bytes | None, headers: Any = (), offset: int = 0) -> Record:
    made = ConsumerRecord(
        topic="magiclink.link-requests", partition=1, offset=offset, timestamp=0, timestamp_type=0, key=None, value=value,
        checksum=None, serialized_key_size=0, serialized_value_size=0, headers=headers,
    )  # fmt: skip
    return cast(Record, made)


async def read(event: Any = None, headers: Any = ()) -> Requested | Refused:
    return await intake()._read(record(orjson.dumps(event or GOOD), headers), {})


async def reason(**changes: Any) -> str:
    found = await read({**GOOD, **changes})
    assert isinstance(found, Refused)
    return found.reason


async def test_a_good_event_becomes_an_order_guarded_by_its_source_and_id() -> None:
    found = await read()
    assert isinstance(found, Requested)
    guard = found.order.guard
    assert guard is not None
    assert (guard.app_id, guard.scope, guard.key) == (APP_ID, "event /jobs/reminder", "job-7.1")
    assert guard.keep_seconds == 30 * 86400
    (draft,) = found.order.items
    assert isinstance(draft, Draft)
    assert (draft.form.lane, draft.user.value, found.order.via) == ("bulk", "ann@example.com", "kafka")


async def test_events_of_several_apps_come_together_and_each_app_allows_its_own() -> None:
    known: dict[str, Any] = {}
    events = [{**GOOD, "data": {**GOOD["data"], **changes}} for changes in (
        {}, {"email": "Bob@Example.com"}, {"app_id": str(DEAF_APP_ID)}, {"email": "bad"}, {"app_id": str(APP_ID).upper()},
        {"app_id": None}, {"app_id": str(DEAF_APP_ID), "email": "b@example.com"}, {"app_id": str(OTHER_APP_ID)},
    )]  # fmt: skip
    one = intake()
    found = [await one._read(record(orjson.dumps(event)), known) for event in events]
    assert [isinstance(item, Requested) for item in found] == [
        True,
        True,
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    orders = [item.order for item in found if isinstance(item, Requested)]
    drafts = [draft for order in orders for draft in order.items if isinstance(draft, Draft)]
    assert [draft.user.value for draft in drafts] == [
        "ann@example.com",
        "bob@example.com",
        *["ann@example.com"] * 2,
    ]
    assert drafts[0].form is drafts[1].form
    assert [order.app_id for order in orders] == [APP_ID, APP_ID, APP_ID, OTHER_APP_ID]
    reasons = [item.reason for item in found if isinstance(item, Refused)]
    off = "the app does not allow link requests over Kafka (intake is off)"
    assert [reasons[0], reasons[3]] == [off, off]
    assert "data.email" in reasons[1]
    assert "data.app_id" in reasons[2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "magiclink.link.requested.v2"}, "type: expected magiclink.link.requested.v1"),
        ({"id": "x" * 513}, "at most 512"),
        ({"source": "/" + "x" * 512}, "at most 512"),
        ({"time": "2026-05-02T11:59:59Z"}, "older than 30 days"),
        ({"data": {}}, "invalid_request: data."),
        ({"data": {**GOOD_DATA, "channel": "none"}}, "data.channel"),
        ({"data": {**GOOD_DATA, "ttl_seconds": 1}}, "data.ttl_seconds"),
        ({"data": {**GOOD_DATA, "ttl_seconds": 7200}}, "ttl_seconds"),
        ({"data": {**GOOD_DATA, "surprise": 1}}, "data.surprise"),
        ({"data": {**GOOD_DATA, "phone": "+4930123456"}}, "exactly one of"),
        ({"data": {**GOOD_DATA, "redirect_url": "https://evil.example/"}}, "redirect_url"),
        ({"data": {**GOOD_DATA, "app_id": str(uuid4())}}, "not_found: no such app"),
        ({"data": {**GOOD_DATA, "app_id": str(DEAF_APP_ID)}}, "intake is off"),
    ],
)
async def test_a_bad_request_is_put_aside_with_the_rule_it_breaks(
    changes: dict[str, Any], words: str
) -> None:
    assert words in await reason(**changes)


async def test_a_reason_never_repeats_an_address() -> None:
    for data in ({**GOOD_DATA, "email": "ann.private"}, {**GOOD_DATA, "time_zone": "ann.private"}):
        assert "ann.private" not in await reason(data=data)


async def test_an_event_without_a_time_is_taken() -> None:
    assert isinstance(await read({name: value for name, value in GOOD.items() if name != "time"}), Requested)


async def test_an_event_of_the_last_30_days_is_taken() -> None:
    assert isinstance(await read({**GOOD, "time": "2026-05-02T12:00:00Z"}), Requested)


@pytest.mark.parametrize("value", [b"", b"{", None, b"[]", b"\xff"])
async def test_what_is_no_event_is_put_aside(value: bytes | None) -> None:
    assert isinstance(await intake()._read(record(value), {}), Refused)


@pytest.mark.parametrize(
    "value",
    [
        orjson.dumps(GOOD).replace(b'"ann@example.com"', b'"ann@example.com","state":1' + b"0" * 30),
        orjson.dumps(GOOD).replace(b'"ann@example.com"', b'"ann@example.com","ttl_seconds":1' + b"0" * 30),
        orjson.dumps(GOOD).replace(
            b'"ann@example.com"', b'"ann@example.com","state":' + b"[" * 500 + b"]" * 500
        ),
        orjson.dumps(GOOD).replace(b'"ann@example.com"', b"[" * 990 + b"]" * 990),
    ],
    ids=["a number past 64 bits", "a lifetime past 64 bits", "a state nested deep", "an address nested deep"],
)
async def test_no_record_stops_its_partition(value: bytes) -> None:
    assert isinstance(await intake()._read(record(value), {}), Refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(
        ["email", "state", "send_at", "client", "metadata", "locale", "ttl_seconds", "app_id", "x"]
    ),
    JSON,
)
async def test_whatever_stands_in_a_field_is_a_request_or_put_aside(name: str, value: Any) -> None:
    import json

    raw = json.dumps({**GOOD, "data": {**GOOD_DATA, name: value}}).encode()
    assert isinstance(await intake()._read(record(raw), {}), Requested | Refused)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ((("x-request-id", b"r-1"),), "r-1"),
        ((), "magiclink.link-requests.1.0"),
        ((("x-request-id", None),), "magiclink.link-requests.1.0"),
        ((("x-request-id", b"a\x00b"),), "magiclink.link-requests.1.0"),
        ((("x-request-id", b"\xff"),), "magiclink.link-requests.1.0"),
        ((("x-request-id", b"x" * 129),), "magiclink.link-requests.1.0"),
    ],
)
async def test_a_request_id_is_taken_over_if_it_may_stand_in_a_log(headers: Any, request_id: str) -> None:
    found = await read(headers=headers)
    assert isinstance(found, Requested)
    assert found.order.headers == {"x-request-id": request_id}


async def test_the_same_data_in_another_order_is_the_same_request() -> None:
    first = await read()
    again = await read({**GOOD, "data": dict(reversed(GOOD_DATA.items()))})
    other = await read({**GOOD, "data": {**GOOD_DATA, "locale": "de"}})
    hashes = [
        item.order.guard.body_hash
        for item in (first, again, other)
        if isinstance(item, Requested) and item.order.guard
    ]
    assert hashes[0] == hashes[1] != hashes[2]


async def test_the_same_event_twice_in_a_batch_goes_in_rounds() -> None:
    events = [GOOD, GOOD, {**GOOD, "id": "job-7.2"}, {**GOOD, "source": "/jobs/other"}, GOOD]
    items = [found for found in [await read(event) for event in events] if isinstance(found, Requested)]
    first, again = _distinct(items)
    assert [len(first), len(again)] == [3, 2]
    assert [len(part) for part in _distinct(again)] == [1, 1]


async def test_the_rates_of_apps_are_looked_at_once_for_all_records_of_a_batch() -> None:
    lanes = SameLane()
    made = Intake(
        cast(Issue, None), cast(Apps, FakeApps()), cast(Lanes, lanes), cast(IssuerStore, None), RING
    )
    data = {**GOOD_DATA, "lane": "interactive"}
    found = [await read({**GOOD, "id": f"job-{number}", "data": data}) for number in range(5)]
    requested = [item for item in found if isinstance(item, Requested)]
    assert await made._with_lanes(requested) == requested
    assert (len(requested), lanes.asked) == (5, 1)
