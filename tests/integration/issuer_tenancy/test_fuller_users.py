from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from shared.database import Pool
from shared.public_ids import format_id
from shared.tokens import new_link_id
from tests.integration.issuer_tenancy.bench import Caller, Replica

FULL = {
    "email": "ann@shop.example", "phone": "+4930901820", "username": "ann", "email_verified": True, "phone_verified": True,
    "status": "suspended", "status_reason": "asked for it", "suspended_until": "2030-01-02T03:04:05Z", "expires_at": "2031-01-02T03:04:05Z",
    "external_id": "crm-1", "imported_id": "auth0|42", "profile": {"given_name": "Ann"}, "roles": ["admin"], "metadata": {"plan": "pro"},
    "password_change_required": True,
}  # fmt: skip


async def make(shop: Caller, **user: Any) -> dict[str, Any]:
    made = await shop.ask("POST", "/v1/users", user)
    assert made.status == 201, made.body
    body: dict[str, Any] = made.body
    return body


async def a_session(shop: Caller, user_id: str, application_id: str | None = None) -> UUID:
    session_id = new_link_id()
    await shop.owner.execute(
        """INSERT INTO magiclink.sessions (id, kid, app_id, user_id, application_id, opened_by, expires_at)
           VALUES ($1, '1', $2, $3, $4, 'api', now() + interval '1 hour')""",
        session_id, UUID(shop.app_id), UUID(user_id), application_id and UUID(application_id),
    )  # fmt: skip
    return session_id


async def is_revoked(shop: Caller, session_id: UUID) -> bool:
    query = "SELECT revoked_at IS NOT NULL FROM magiclink.sessions WHERE id = $1"
    return bool(await shop.owner.fetchval(query, session_id))


async def test_a_user_is_told_whole(shop: Caller) -> None:
    made = await make(shop, **FULL)
    assert {name: made[name] for name in FULL} == FULL
    assert (made["public_id"], made["has_second_factor"], made["login_count"]) == ("auth0|42", False, 0)
    assert (await shop.ask("GET", f"/v1/users/{made['id']}")).body == made


async def test_a_user_is_changed_field_by_field(shop: Caller) -> None:
    made = await make(shop, **FULL)
    path = f"/v1/users/{made['id']}"
    changed = await shop.ask("PATCH", path, {"status": "active", "roles": ["owner"], "suspended_until": None})
    expected = {**made, "status": "active", "roles": ["owner"], "suspended_until": None}
    assert changed.body == {**expected, "updated_at": changed.body["updated_at"]}
    cleared = await shop.ask("PATCH", path, {"profile": None, "metadata": None, "username": None})
    assert (cleared.body["profile"], cleared.body["metadata"], cleared.body["username"]) == ({}, {}, None)


async def test_a_user_with_only_a_user_name_keeps_it(shop: Caller) -> None:
    made = await make(shop, username="ann")
    refused = await shop.ask("PATCH", f"/v1/users/{made['id']}", {"username": None})
    assert (refused.status, refused.rules) == (422, {"email": "address_missing"})


@pytest.mark.parametrize("field", ["username", "external_id", "imported_id"])
async def test_a_name_belongs_to_one_user_of_an_app(shop: Caller, stranger: Caller, field: str) -> None:
    await make(shop, email="ann@shop.example", **{field: "one"})
    again = await shop.ask("POST", "/v1/users", {"email": "bob@shop.example", field: "one"})
    assert (again.status, again.code) == (409, "already_exists")
    assert again.body["detail"].startswith(f"{field}:")
    await make(stranger, email="ann@shop.example", **{field: "one"})


async def test_an_id_of_the_callers_is_kept_and_taken_once_in_the_cluster(
    shop: Caller, stranger: Caller
) -> None:
    user_id = str(uuid4())
    assert (await make(shop, id=user_id, email="ann@shop.example"))["id"] == user_id
    taken = await stranger.ask("POST", "/v1/users", {"id": user_id, "email": "eve@shop.example"})
    assert (taken.code, taken.body["detail"].partition(":")[0]) == ("already_exists", "id")
    assert (await stranger.ask("GET", f"/v1/users/{user_id}")).status == 404


async def test_users_are_named_by_the_apps_format(shop: Caller) -> None:
    await shop.ask("PATCH", f"/v1/apps/{shop.app_id}", {"user_id_format": "user_{ulid}"})
    made = await make(shop, email="ann@shop.example")
    assert made["public_id"] == format_id("user_{ulid}", UUID(made["id"]))
    assert made["public_id"].startswith("user_0")


async def test_an_imported_id_of_the_apps_own_form_is_the_id_itself(shop: Caller) -> None:
    # Else two users could have one public id, and one `sub`.
    await shop.ask("PATCH", f"/v1/apps/{shop.app_id}", {"user_id_format": "user-test-{uuid}"})
    meant = str(uuid4())
    made = await make(shop, email="ann@shop.example", imported_id=f"user-test-{meant}")
    assert (made["id"], made["public_id"]) == (meant, f"user-test-{meant}")
    wanted = {"email": "eve@shop.example", "imported_id": f"user-test-{uuid4()}", "id": str(uuid4())}
    refused = await shop.ask("POST", "/v1/users", wanted)
    assert (refused.status, refused.rules) == (422, {"imported_id": "imported_id_other"})
    bob = await make(shop, email="bob@shop.example")
    taken = await shop.ask(
        "POST", "/v1/users", {"email": "eve@shop.example", "imported_id": bob["public_id"]}
    )
    assert taken.code == "already_exists"


@pytest.mark.parametrize(
    "query",
    ["email=ann@shop.example", "username=ann", "external_id=crm-1", "imported_id=auth0%7C42", "email=ann@shop.example&username=ann"],
)  # fmt: skip
async def test_a_user_is_found_by_every_name(shop: Caller, stranger: Caller, query: str) -> None:
    made = await make(shop, **FULL)
    await make(shop, email="bob@shop.example", username="bob", external_id="crm-2", imported_id="auth0|43")
    found = await shop.ask("GET", f"/v1/users?{query}")
    assert found.body == {"items": [made], "next_cursor": None}
    assert (await stranger.ask("GET", f"/v1/users?{query}")).body["items"] == []


async def test_a_user_is_found_only_by_names_that_are_all_theirs(shop: Caller) -> None:
    await make(shop, email="ann@shop.example", username="ann")
    await make(shop, email="bob@shop.example", username="bob")
    found = await shop.ask("GET", "/v1/users?email=ann@shop.example&username=bob")
    assert found.body["items"] == []


async def test_who_becomes_inactive_has_no_sessions_left(shop: Caller) -> None:
    ann, bob = [await make(shop, email=f"{name}@shop.example") for name in ("ann", "bob")]
    sessions = [await a_session(shop, user["id"]) for user in (ann, ann, bob)]
    path = f"/v1/users/{ann['id']}"
    for status in ("locked", "suspended", "active"):
        assert (await shop.ask("PATCH", path, {"status": status})).status == 200
    assert [await is_revoked(shop, session) for session in sessions] == [False, False, False]
    assert (await shop.ask("PATCH", path, {"status": "inactive"})).status == 200
    assert [await is_revoked(shop, session) for session in sessions] == [True, True, False]
    (told,) = await shop.events_of(sessions[0])
    assert (told["event"]["type"], told["key"]) == ("magiclink.session.revoked.v1", ann["id"])
    assert told["event"]["data"]["reason"] == "user_inactive"


async def test_a_barred_users_links_are_left_as_they_are(shop: Caller) -> None:
    ann = await make(shop, email="ann@shop.example")
    link = await shop.seed_link(user_id=ann["id"])
    for status in ("inactive", "locked", "suspended"):
        await shop.ask("PATCH", f"/v1/users/{ann['id']}", {"status": status})
    assert (await shop.link_row(link))["revoked_at"] is None


async def test_a_deleted_user_leaves_no_session(shop: Caller) -> None:
    ann = await make(shop, email="ann@shop.example")
    session = await a_session(shop, ann["id"])
    assert (await shop.ask("DELETE", f"/v1/users/{ann['id']}")).status == 204
    assert await shop.owner.fetchrow("SELECT FROM magiclink.sessions WHERE id = $1", session) is None


# A search -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def people(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool, shop: Caller, stranger: Caller
) -> list[str]:
    """Ann, Bob and Cleo of the shop, in the order in which they were made; the stranger has an Ann as well."""
    ann = await make(shop, email="ann_1@shop.example", username="ann", status="locked", email_verified=True)
    bob = await make(shop, email="bob@shop.example", phone="+4930901820", external_id="crm-2")
    cleo = await make(shop, email="cleo@other.example", status="pending", imported_id="c-3")
    await make(stranger, email="ann_1@shop.example", username="ann", status="locked", email_verified=True)
    return [user["id"] for user in (ann, bob, cleo)]


async def search(shop: Caller, *filters: tuple[str, Any], **more: Any) -> Any:
    wanted = [
        {"field": field, "values": value if isinstance(value, list) else [value]} for field, value in filters
    ]
    answer = await shop.ask("POST", "/v1/users/search", {"filters": wanted, **more})
    assert answer.status == 200, answer.body
    return answer.body


@pytest.mark.parametrize(
    ("field", "value", "who"),
    [
        ("email", "BOB@shop.example", [1]), ("email", ["bob@shop.example", "ann_1@shop.example"], [0, 1]), ("phone", "+49 30 901820", [1]),
        ("external_id", "crm-2", [1]), ("imported_id", "c-3", [2]), ("username", "ann", [0]), ("status", ["locked", "pending"], [0, 2]),
        ("email_verified", True, [0]), ("phone_verified", False, [0, 1, 2]), ("email_like", "SHOP", [0, 1]), ("phone_like", "3090", [1]),
        ("email_like", "n_1", [0]), ("email_like", "n%", []), ("email_like", "b_b", []), ("created_after", "2020-01-01T00:00:00Z", [0, 1, 2]),
        ("created_before", "2020-01-01T00:00:00Z", []), ("id", "00000000-0000-4000-8000-000000000000", []),
    ],
)  # fmt: skip
async def test_a_filter_finds_whoever_has_one_of_its_values(
    shop: Caller, people: list[str], field: str, value: Any, who: list[int]
) -> None:
    for operator in ("AND", "OR"):
        found = await search(shop, (field, value), operator=operator)
        assert [user["id"] for user in found["items"]] == [people[index] for index in who]
        assert (found["total"], found["next_cursor"]) == (len(who), None)


async def test_filters_are_joined_by_the_operator(shop: Caller, people: list[str]) -> None:
    filters = ("email_like", "shop"), ("status", ["active", "pending"])
    both = await search(shop, *filters)
    assert [user["id"] for user in both["items"]] == [people[1]]
    either = await search(shop, *filters, operator="OR")
    assert [user["id"] for user in either["items"]] == people
    assert (await search(shop, ("id", people[0])))["items"][0]["username"] == "ann"


@pytest.mark.parametrize("operator", ["AND", "OR"])
async def test_a_search_without_filters_finds_everybody_in_pages(
    shop: Caller, people: list[str], operator: str
) -> None:
    for order, expected in (("asc", people), ("desc", people[::-1])):
        first = await search(shop, limit=2, order=order, operator=operator)
        assert ([user["id"] for user in first["items"]], first["total"]) == (expected[:2], 3)
        second = await search(shop, limit=2, order=order, operator=operator, cursor=first["next_cursor"])
        assert ([user["id"] for user in second["items"]], second["total"]) == (expected[2:], 3)
        assert second["next_cursor"] is None


async def test_a_page_begins_behind_any_user(shop: Caller, people: list[str]) -> None:
    for order, expected in (("asc", people), ("desc", people[::-1])):
        page = await search(shop, limit=1, order=order, after=expected[0])
        assert [user["id"] for user in page["items"]] == [expected[1]]
        both = {"order": order, "limit": 1, "after": expected[0], "cursor": page["next_cursor"]}
        answer = await shop.ask("POST", "/v1/users/search", both)
        assert (answer.status, answer.body["errors"][0]["rule"]) == (422, "one_beginning")


async def test_past_the_last_page_the_total_is_still_told(shop: Caller, people: list[str]) -> None:
    page = await search(shop, limit=2)
    await shop.ask("DELETE", f"/v1/users/{people[2]}")
    assert await search(shop, cursor=page["next_cursor"]) == {"items": [], "next_cursor": None, "total": 2}
