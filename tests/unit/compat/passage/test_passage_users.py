"""Users as Passage tells them, and pages of them by number."""

from typing import Any

import pytest

from services.compat.passage.errors import PassageRefusal
from services.compat.passage.shapes import NEVER, user_whole
from services.compat.passage.user_lookup import find_user
from services.compat.passage.user_pages import UserPages
from services.compat.passage.users import UsersApi
from shared.errors import Invalid
from shared.http.routes import Call
from tests.unit.compat.passage.conftest import (
    APP,
    KEY,
    PUBLIC_ID,
    USER,
    USER_ID,
    Bench,
    body_of,
    call,
    refused,
)

OWN = f"GET /v1/users/{USER_ID}"


def keyed(method: str, body: Any = None, **match: str) -> Call:
    return call(method, "/", body, match=match, Authorization=f"Bearer {KEY}")


def test_a_user_is_told_whole_and_never_with_a_null() -> None:
    told = user_whole(
        {**USER, "email": None, "external_id": None, "last_login_at": None, "status": "suspended"}
    )
    assert (told["email"], told["phone"], told["external_id"]) == ("", "", "")
    assert told["last_login_at"] == NEVER
    assert told["status"] == "inactive"
    assert (told["id"], told["user_metadata"], told["login_count"]) == (PUBLIC_ID, {"plan": "pro"}, 3)
    assert None not in told.values()
    assert told.keys() == {
        "created_at", "email", "email_verified", "external_id", "id", "last_login_at", "login_count", "phone",
        "phone_verified", "recent_events", "social_connections", "status", "updated_at", "user_metadata", "webauthn",
        "webauthn_devices", "webauthn_types",
    }  # fmt: skip


async def test_an_imported_user_is_found_by_the_old_id_only(bench: Bench) -> None:
    imported = {**USER, "imported_id": "oldPassageId", "public_id": "oldPassageId"}
    bench.native.answers["GET /v1/users"] = {"items": [imported]}
    assert (await find_user(bench.account, "oldPassageId"))["id"] == str(USER_ID)
    bench.native.answers = {OWN: imported, "GET /v1/users": {"items": []}}
    with pytest.raises(PassageRefusal) as refusal:
        await find_user(bench.account, PUBLIC_ID)
    assert refusal.value.told.code == "user_not_found"


async def test_a_user_is_made_with_201_and_native_names(bench: Bench) -> None:
    bench.native.answers["POST /v1/users"] = USER
    api = UsersApi(bench.callers)
    answer = await api.create(
        keyed("POST", {"email": "ada@example.com", "phone": "", "user_metadata": {"a": 1}})
    )
    assert (answer.status, body_of(answer)["user"]["id"]) == (201, PUBLIC_ID)
    assert bench.native.asked == [
        ("POST /v1/users", {"email": "ada@example.com", "metadata": {"a": 1}})
    ]  # an empty text is an absent one
    with pytest.raises(PassageRefusal, match="email or phone"):
        await api.create(keyed("POST", {"user_metadata": {}}))


async def test_changes_go_to_the_user_that_the_id_names(bench: Bench) -> None:
    bench.native.answers = {OWN: USER, f"PATCH /v1/users/{USER_ID}": {**USER, "status": "inactive"}}
    api = UsersApi(bench.callers)
    match = {"user_id": PUBLIC_ID}
    answer = await api.deactivate(keyed("PATCH", **match))
    assert body_of(answer)["user"]["status"] == "inactive"
    await api.activate(keyed("PATCH", **match))
    await api.change(keyed("PATCH", {"phone": "+15005550006"}, **match))
    changes = [body for asked, body in bench.native.asked if asked.startswith("PATCH")]
    assert changes == [{"status": "inactive"}, {"status": "active"}, {"phone": "+15005550006"}]


async def test_a_change_of_nothing_reads_the_user(bench: Bench) -> None:
    bench.native.answers = {OWN: USER}
    answer = await UsersApi(bench.callers).change(keyed("PATCH", {}, user_id=PUBLIC_ID))
    assert body_of(answer)["user"]["id"] == PUBLIC_ID


async def test_deleting_somebody_unknown_is_refused_and_somebody_known_answers_empty(bench: Bench) -> None:
    bench.native.answers = {OWN: USER, f"DELETE /v1/users/{USER_ID}": None, "GET /v1/users": {"items": []}}
    api = UsersApi(bench.callers)
    answer = await api.delete(keyed("DELETE", user_id=PUBLIC_ID))
    assert (answer.status, answer.body) == (200, None)
    with pytest.raises(PassageRefusal):
        await api.delete(keyed("DELETE", user_id="nobody"))


async def test_there_are_no_devices(bench: Bench) -> None:
    bench.native.answers = {OWN: USER}
    api = UsersApi(bench.callers)
    assert body_of(await api.devices(keyed("GET", user_id=PUBLIC_ID))) == {"devices": []}
    with pytest.raises(PassageRefusal) as refusal:
        await api.revoke_device(keyed("DELETE", user_id=PUBLIC_ID, device_id="d"))
    assert refusal.value.told.code == "device_not_found"


async def test_revoking_tokens_ends_every_session_of_the_user(bench: Bench) -> None:
    bench.native.answers = {OWN: USER, "POST /v1/sessions/revoke": {"revoked": 2}}
    answer = await UsersApi(bench.callers).revoke_tokens(keyed("DELETE", user_id=PUBLIC_ID))
    assert (answer.status, answer.body) == (200, None)
    assert bench.native.asked[-1] == ("POST /v1/sessions/revoke", {"user_id": str(USER_ID)})


# Pages ------------------------------------------------------------------------------------------------------------------


def found(count: int, total: int, cursor: str | None = None) -> dict[str, Any]:
    users = [{**USER, "public_id": f"u{number}"} for number in range(count)]
    return {"items": users, "next_cursor": cursor, "total": total}


async def page(bench: Bench, **query: str) -> dict[str, Any]:
    return await UserPages(bench.account, clock=lambda: 1_700_000_000.0).page(query)


async def test_an_identifier_finds_one_user(bench: Bench) -> None:
    bench.native.answers["POST /v1/users/search"] = found(1, 1)
    told = await page(bench, limit="1", identifier="ada@example.com")
    filters = bench.native.asked[0][1]["filters"]
    assert {"field": "email", "values": ["ada@example.com"]} in filters
    assert (told["total_users"], len(told["users"]), told["created_before"]) == (1, 1, 1_700_000_001)
    assert told["_links"].keys() == {"first", "last", "next", "previous", "self"}
    assert told["_links"]["self"]["href"].startswith("/v1/apps/app24/users?")


async def test_the_third_page_is_the_third_page(bench: Bench) -> None:
    bench.native.answers["POST /v1/users/search"] = found(25, 45, "more")
    told = await page(bench, page="3", limit="10")
    assert bench.native.asked[0][1]["limit"] == 30
    assert [user["id"] for user in told["users"]] == [f"u{number}" for number in range(20, 25)] + [
        f"u{number}" for number in range(5)
    ]  # the second search went on where the first ended
    assert "page=5" in told["_links"]["last"]["href"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"identifier": "+15005550006"}, {"field": "phone", "values": ["+15005550006"]}),
        ({"identifier": "<like:ada>"}, {"field": "email_like", "values": ["ada"]}),
        ({"identifier": "<like:+1500>"}, {"field": "phone_like", "values": ["+1500"]}),
        ({"status": "inactive"}, {"field": "status", "values": ["inactive", "locked", "suspended"]}),
        ({"id": PUBLIC_ID}, {"field": "id", "values": [str(USER_ID)]}),
        ({"id": "old"}, {"field": "imported_id", "values": ["old"]}),
        ({"created_before": "1700000000"}, {"field": "created_before", "values": ["2023-11-14T22:13:20+00:00"]}),
    ],
)  # fmt: skip
async def test_filters_become_the_native_ones(
    bench: Bench, query: dict[str, str], expected: dict[str, Any]
) -> None:
    bench.native.answers["POST /v1/users/search"] = found(0, 0)
    await page(bench, **query)
    assert expected in bench.native.asked[0][1]["filters"]


@pytest.mark.parametrize(
    "query",
    [{"page": "0"}, {"limit": "501"}, {"limit": "x"}, {"order_by": "email:ASC"}, {"login_count": "3"}, {"status": "gone"},
     {"page": "1000", "limit": "500"}],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_and_never_left_out(
    bench: Bench, query: dict[str, str]
) -> None:
    with pytest.raises((PassageRefusal, Invalid)):
        await page(bench, **query)
    assert bench.native.asked == []


async def test_a_native_refusal_of_a_read_is_not_taken_for_an_unknown_user(bench: Bench) -> None:
    bench.native.answers[OWN] = refused("forbidden", 403)
    with pytest.raises(type(refused("x"))) as refusal:
        await find_user(bench.account, PUBLIC_ID)
    assert refusal.value.native_code == "forbidden"
    assert APP.vendor_id == "app24"
