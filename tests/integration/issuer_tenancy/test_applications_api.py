import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.integration.issuer_tenancy.bench import Caller
from tests.integration.issuer_tenancy.test_fuller_users import a_session, is_revoked, make


async def an_application(shop: Caller, **application: Any) -> dict[str, Any]:
    made = await shop.ask("POST", "/v1/applications", {"name": "Web", **application})
    assert made.status == 201, made.body
    body: dict[str, Any] = made.body
    return body


async def test_an_application_comes_back_as_it_was_made_and_changed(shop: Caller) -> None:
    wanted = {
        "id": str(uuid4()), "name": "Admin site", "roles": ["admin", "guest"], "refresh_tokens": True,
        "require_verified_registration": True, "active": False, "metadata": {"a": [1]},
    }  # fmt: skip
    made = await an_application(shop, **wanted)
    assert {name: made[name] for name in wanted} == wanted
    path = f"/v1/applications/{made['id']}"
    assert (await shop.ask("GET", path)).body == made
    changed = await shop.ask("PATCH", path, {"active": True, "roles": []})
    assert changed.body == {**made, "active": True, "roles": [], "updated_at": changed.body["updated_at"]}
    assert (await shop.ask("DELETE", path)).status == 204
    assert [(await shop.ask(method, path)).status for method in ("GET", "DELETE")] == [404, 404]


async def test_applications_are_listed_in_pages(shop: Caller, stranger: Caller) -> None:
    ids = sorted([(await an_application(shop))["id"] for _ in range(3)])
    await an_application(stranger)
    first = (await shop.ask("GET", "/v1/applications?limit=2")).body
    rest = (await shop.ask("GET", f"/v1/applications?limit=2&cursor={first['next_cursor']}")).body
    assert [found["id"] for found in first["items"] + rest["items"]] == ids


async def test_a_foreign_application_is_unknown(shop: Caller, stranger: Caller) -> None:
    made = await an_application(shop)
    user = await make(stranger, email="eve@shop.example")
    path = f"/v1/applications/{made['id']}"
    answers = [
        await stranger.ask("GET", path),
        await stranger.ask("PATCH", path, {"name": "Mine"}),
        await stranger.ask("DELETE", path),
    ]
    assert [answer.status for answer in answers] == [404, 404, 404]
    registrations = f"/v1/users/{user['id']}/registrations"
    refused = await stranger.ask("POST", registrations, {"application_id": made["id"]})
    assert (refused.status, refused.rules) == (422, {"application_id": "application_unknown"})
    assert (await shop.ask("GET", path)).body == made


async def test_an_audience_is_one_applications_only(shop: Caller, stranger: Caller, operator: Caller) -> None:
    # With another's audience an app could sign in as that app's users.
    claimed = str(uuid4())
    await operator.ask("PATCH", f"/v1/apps/{shop.app_id}", {"jwt_audience": [claimed]})
    theirs = (await an_application(shop))["id"]
    for taken in (theirs, shop.app_id, stranger.app_id, claimed):
        refused = await stranger.ask("POST", "/v1/applications", {"name": "Mine", "id": taken})
        assert (refused.status, refused.code) == (409, "already_exists")
        assert refused.body["detail"].startswith("id:")
    assert (await an_application(shop, id=claimed))["id"] == claimed


async def test_an_application_is_made_once_for_each_idempotency_key(shop: Caller) -> None:
    wanted = {"name": "Web"}
    first = await shop.ask("POST", "/v1/applications", wanted, idempotency_key="a1")
    again = await shop.ask("POST", "/v1/applications", wanted, idempotency_key="a1")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    assert len((await shop.ask("GET", "/v1/applications")).body["items"]) == 1


@pytest.mark.parametrize(
    ("given", "rules"),
    [({"name": ""}, {"name": "string_too_short"}), ({"name": "a\nb"}, {"name": "text_format"}), ({"roles": [""]}, {"roles.0": "string_too_short"}),
     ({"active": "yes", "app_id": "x"}, {"active": "bool_type", "app_id": "extra_forbidden"}),
     ({"id": str(UUID(int=0))}, {"id": "id_nil"})],
)  # fmt: skip
async def test_an_application_that_breaks_rules_is_refused_with_all_of_them(
    shop: Caller, given: dict[str, Any], rules: dict[str, str]
) -> None:
    assert (await shop.ask("POST", "/v1/applications", {"name": "Web", **given})).rules == rules


# Registrations --------------------------------------------------------------------------------------------------------


async def test_a_registration_comes_back_as_it_was_made_and_changed(shop: Caller) -> None:
    user, application = await make(shop, email="ann@shop.example"), await an_application(shop)
    wanted = {
        "application_id": application["id"], "id": str(uuid4()), "roles": ["admin"], "username": "ann", "verified": False,
        "metadata": {"plan": "pro"},
    }  # fmt: skip
    registrations = f"/v1/users/{user['id']}/registrations"
    made = await shop.ask("POST", registrations, wanted)
    assert made.status == 201
    assert {name: made.body[name] for name in wanted} == wanted
    assert (made.body["user_id"], made.body["last_login_at"]) == (user["id"], None)
    path = f"/v1/users/{user['id']}/registrations/{application['id']}"
    assert (await shop.ask("GET", path)).body == made.body
    assert (await shop.ask("GET", registrations)).body == {"items": [made.body]}
    changed = await shop.ask("PATCH", path, {"verified": True, "username": None})
    assert (changed.body["verified"], changed.body["username"], changed.body["roles"]) == (
        True,
        None,
        ["admin"],
    )
    assert (await shop.ask("DELETE", path)).status == 204
    assert [(await shop.ask(method, path)).status for method in ("GET", "DELETE")] == [404, 404]
    assert (await shop.ask("PATCH", path, {"verified": True})).status == 404


async def test_a_user_is_registered_for_an_application_once(shop: Caller) -> None:
    ann, bob = [await make(shop, email=f"{name}@shop.example") for name in ("ann", "bob")]
    application = await an_application(shop)
    wanted = {"application_id": application["id"]}
    first = await shop.ask("POST", f"/v1/users/{ann['id']}/registrations", wanted, idempotency_key="r1")
    again = await shop.ask("POST", f"/v1/users/{ann['id']}/registrations", wanted, idempotency_key="r1")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    refused = await shop.ask("POST", f"/v1/users/{ann['id']}/registrations", wanted)
    assert (refused.status, refused.body["detail"].partition(":")[0]) == (409, "application_id")
    same_id = await shop.ask(
        "POST", f"/v1/users/{bob['id']}/registrations", {**wanted, "id": first.body["id"]}
    )
    assert (same_id.status, same_id.body["detail"].partition(":")[0]) == (409, "id")
    assert (await shop.ask("POST", f"/v1/users/{uuid4()}/registrations", wanted)).status == 404


async def test_registrations_of_a_foreign_user_are_unknown(shop: Caller, stranger: Caller) -> None:
    user, application = await make(shop, email="ann@shop.example"), await an_application(shop)
    registrations = f"/v1/users/{user['id']}/registrations"
    await shop.ask("POST", registrations, {"application_id": application["id"]})
    one = f"{registrations}/{application['id']}"
    answers = [
        await stranger.ask("GET", registrations),
        await stranger.ask("GET", one),
        await stranger.ask("PATCH", one, {"verified": False}),
        await stranger.ask("DELETE", one),
        await stranger.ask("POST", registrations, {"application_id": (await an_application(stranger))["id"]}),
    ]
    assert [answer.status for answer in answers] == [404] * 5
    assert (await shop.ask("GET", one)).body["verified"] is True


async def test_what_is_deleted_ends_its_sessions_and_no_others(shop: Caller) -> None:
    user = await make(shop, email="ann@shop.example")
    web, phone = [await an_application(shop) for _ in range(2)]
    for application in (web, phone):
        await shop.ask("POST", f"/v1/users/{user['id']}/registrations", {"application_id": application["id"]})
    of_web, of_phone, of_none = [
        await a_session(shop, user["id"], application) for application in (web["id"], phone["id"], None)
    ]
    await shop.ask("DELETE", f"/v1/users/{user['id']}/registrations/{web['id']}")
    assert [await is_revoked(shop, found) for found in (of_web, of_phone, of_none)] == [True, False, False]
    await shop.ask("DELETE", f"/v1/applications/{phone['id']}")
    assert [await is_revoked(shop, found) for found in (of_web, of_phone, of_none)] == [True, True, False]
    assert (await shop.ask("GET", f"/v1/users/{user['id']}/registrations")).body == {"items": []}
    reasons = [
        [told["event"]["data"]["reason"] for told in await shop.events_of(found)]
        for found in (of_web, of_phone, of_none)
    ]
    assert reasons == [["registration_deleted"], ["application_deleted"], []]


# Connections ----------------------------------------------------------------------------------------------------------


async def test_a_domain_has_one_connection(shop: Caller, stranger: Caller) -> None:
    made = await shop.ask("POST", "/v1/connections", {"domain": "Shop.Example", "organization_id": "org_1"})
    assert made.status == 200
    told = {name: made.body[name] for name in ("app_id", "type", "domain", "organization_id")}
    assert told == {"app_id": shop.app_id, "type": "magic_link", "domain": "shop.example", "organization_id": "org_1"}  # fmt: skip
    assert (await shop.ask("POST", "/v1/connections", {"domain": "shop.example"})).body == made.body
    theirs = await stranger.ask("POST", "/v1/connections", {"domain": "shop.example"})
    assert theirs.body["id"] != made.body["id"]


async def test_a_connection_that_many_ask_for_at_once_is_made_once(shop: Caller) -> None:
    asked = [shop.ask("POST", "/v1/connections", {"domain": "shop.example"}) for _ in range(20)]
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["id"] for answer in answers}) == 1


async def test_connections_are_read_and_listed(shop: Caller, stranger: Caller) -> None:
    made = [
        (await shop.ask("POST", "/v1/connections", {"domain": f"{name}.example"})).body for name in ("a", "b")
    ]
    path = f"/v1/connections/{made[0]['id']}"
    assert (await shop.ask("GET", path)).body == made[0]
    assert (await stranger.ask("GET", path)).status == 404
    assert (await shop.ask("GET", "/v1/connections")).body["items"] == made
    assert (await shop.ask("GET", "/v1/connections?domain=B.example")).body["items"] == [made[1]]
    assert (await stranger.ask("GET", "/v1/connections")).body["items"] == []


@pytest.mark.parametrize("domain", ["", "not a domain", "ann@shop.example", "localhost"])
async def test_a_connection_is_for_a_domain_that_mail_goes_to(shop: Caller, domain: str) -> None:
    refused = await shop.ask("POST", "/v1/connections", {"domain": domain})
    assert (refused.status, list(refused.rules)) == (422, ["domain"])
