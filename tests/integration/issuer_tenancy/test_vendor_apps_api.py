import secrets
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from shared.api_keys import SCOPES
from shared.database import Pool
from tests.integration.issuer_tenancy.bench import Caller, Replica, new_caller


@pytest.fixture
async def compat(http: aiohttp.ClientSession, replica: Replica, owner: Pool) -> Caller:
    """A caller that acts for every app that answers as a vendor's."""
    return await new_caller(
        http, replica, owner, ["apps:act", "users:read", "users:write", "apps:admin", "links:create"]
    )


async def vendor_app(operator: Caller, **settings: Any) -> dict[str, Any]:
    named = {"vendor": "stytch", "vendor_id": f"project-test-{secrets.token_hex(8)}"}
    made = await operator.ask("POST", "/v1/apps", {"name": "Shop", **named, **settings})
    assert made.status == 201, made.body
    body: dict[str, Any] = made.body
    return body


async def test_an_app_answers_as_one_project_of_a_vendor(operator: Caller, compat: Caller) -> None:
    settings = {
        "vendor_settings": {"expiry": 5}, "jwt_issuer": "stytch.com/p1", "jwt_audience": ["p1"], "user_id_format": "user-test-{uuid}",
        "redirects_exact": True, "redirect_urls": ["https://shop.example/in"], "passcode_standalone": True, "require_verified": True,
        "session_seconds": 3600, "trust_seconds": 600,
    }  # fmt: skip
    made = await vendor_app(operator, **settings)
    assert {name: made[name] for name in settings} == settings
    path = f"/v1/apps/by-vendor?vendor=stytch&vendor_id={made['vendor_id']}"
    assert (await compat.ask("GET", path)).body == made
    other = f"/v1/apps/by-vendor?vendor=workos&vendor_id={made['vendor_id']}"
    assert (await compat.ask("GET", other)).code == "not_found"
    again = await operator.ask(
        "POST", "/v1/apps", {"name": "Other", "vendor": "stytch", "vendor_id": made["vendor_id"]}
    )
    assert (again.status, again.code) == (409, "already_exists")
    assert again.body["detail"].startswith("vendor_id:")


async def test_an_app_is_found_by_its_application(operator: Caller, compat: Caller, shop: Caller) -> None:
    made = await vendor_app(operator)
    acting = {"magiclink_app": made["id"]}
    application = await compat.ask("POST", "/v1/applications", {"name": "Web"}, **acting)
    path = f"/v1/apps/by-vendor?vendor=stytch&application_id={application.body['id']}"
    assert (await compat.ask("GET", path)).body["id"] == made["id"]
    no_vendors = await shop.ask("POST", "/v1/applications", {"name": "Web"})
    foreign = f"/v1/apps/by-vendor?vendor=stytch&application_id={no_vendors.body['id']}"
    assert (await compat.ask("GET", foreign)).code == "not_found"


async def test_the_only_app_of_a_vendor_needs_no_name(operator: Caller, compat: Caller) -> None:
    # One that is one of several does.
    path = "/v1/apps/by-vendor?vendor=passage"
    assert (await compat.ask("GET", path)).code == "not_found"
    only = await vendor_app(operator, vendor="passage")
    assert (await compat.ask("GET", path)).body["id"] == only["id"]
    await vendor_app(operator, vendor="passage")
    assert (await compat.ask("GET", path)).code == "not_found"


async def test_apps_are_found_by_vendor_only_by_who_acts_for_them(operator: Caller) -> None:
    made = await vendor_app(operator)
    path = f"/v1/apps/by-vendor?vendor=stytch&vendor_id={made['vendor_id']}"
    assert (await operator.ask("GET", path)).code == "forbidden"
    unnamed = await operator.ask("GET", "/v1/apps/by-vendor")
    assert unnamed.code == "forbidden"


async def test_as_whom_an_app_answers_is_the_operators_to_say(shop: Caller, operator: Caller) -> None:
    path = f"/v1/apps/{shop.app_id}"
    wanted = {"vendor": "workos", "vendor_id": f"client_{secrets.token_hex(8)}", "jwt_audience": ["other"]}
    refused = await shop.ask("PATCH", path, wanted)
    assert (refused.status, refused.code) == (403, "forbidden")
    for name in wanted:
        assert name in refused.body["detail"]
    assert (await operator.ask("PATCH", path, wanted)).status == 200
    # What is not changed may be said again, and the rest is the app's own.
    changed = await shop.ask("PATCH", path, {**wanted, "vendor_settings": {"a": 1}, "session_seconds": 600})
    assert (changed.status, changed.body["vendor_settings"], changed.body["session_seconds"]) == (200, {"a": 1}, 600)  # fmt: skip
    assert (await shop.ask("PATCH", path, {"jwt_issuer": "https://other.example"})).code == "forbidden"


async def test_any_key_is_told_what_it_may_do(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool
) -> None:
    narrow = await new_caller(http, replica, owner, ["links:verify"])
    told = await narrow.ask("GET", "/v1/keys/self")
    assert told.status == 200
    assert (told.body["scopes"], told.body["endpoints"], told.body["app"]["id"]) == (["links:verify"], None, narrow.app_id)  # fmt: skip
    assert "key" not in told.body
    nobody = await http.get(replica.server.make_url("/v1/keys/self"))
    assert nobody.status == 401


async def test_who_acts_for_an_app_is_told_of_that_app(compat: Caller, operator: Caller) -> None:
    made = await vendor_app(operator)
    told = await compat.ask("GET", "/v1/keys/self", magiclink_app=made["id"])
    assert (told.status, told.body["app"]) == (200, made)
    assert told.body["scopes"] == ["links:create", "users:read", "users:write"]
    user = await compat.ask("POST", "/v1/users", {"email": "ann@shop.example"}, magiclink_app=made["id"])
    assert (user.status, user.body["app_id"]) == (201, made["id"])


async def test_an_app_that_is_no_vendors_is_acted_for_by_nobody_else(compat: Caller, shop: Caller) -> None:
    assert (await compat.ask("GET", "/v1/users", magiclink_app=shop.app_id)).code == "forbidden"
    assert (await compat.ask("GET", "/v1/users", magiclink_app=str(uuid4()))).code == "forbidden"
    assert (await compat.ask("GET", "/v1/users", magiclink_app="x")).code == "forbidden"


async def test_acting_for_an_app_is_not_administering_it(compat: Caller, operator: Caller) -> None:
    made = await vendor_app(operator)
    answers = [
        await compat.ask("PATCH", f"/v1/apps/{made['id']}", {"name": "Mine"}, magiclink_app=made["id"]),
        await compat.ask("GET", "/v1/apps", magiclink_app=made["id"]),
    ]
    assert [answer.code for answer in answers] == ["forbidden", "forbidden"]


async def test_who_may_not_act_grants_nobody_to_act(
    http: aiohttp.ClientSession, replica: Replica, owner: Pool
) -> None:
    admin = await new_caller(http, replica, owner, [scope for scope in SCOPES if scope != "apps:act"])
    refused = await admin.ask("POST", f"/v1/apps/{admin.app_id}/keys", {"name": "x", "scopes": ["apps:act"]})
    assert refused.code == "forbidden"


async def test_a_key_grants_no_endpoint_past_its_own(shop: Caller) -> None:
    keys = f"/v1/apps/{shop.app_id}/keys"
    own = {"/api/login": ["POST"], "/api/user": ["GET", "POST"]}
    made = await shop.ask("POST", keys, {"name": "till", "scopes": ["apps:write"], "endpoints": own})
    assert (made.status, made.body["endpoints"]) == (201, own)
    till = Caller(shop.http, shop.replica, shop.owner, shop.app_id, made.body["key"])
    assert (await till.ask("GET", "/v1/keys/self")).body["endpoints"] == own
    wanted = {"name": "x", "scopes": ["apps:write"]}
    wider: list[Any] = [
        None,
        {"/api/user": ["DELETE"]},
        {"/api/tenant": ["GET"]},
        {**own, "/api/user": ["PUT"]},
    ]
    for endpoints in wider:
        refused = await till.ask("POST", keys, {**wanted, "endpoints": endpoints})
        assert (refused.code, "endpoints" in refused.body["detail"]) == ("forbidden", True)
    assert (await till.ask("POST", keys, {**wanted, "endpoints": {"/api/user": ["GET"]}})).status == 201


@pytest.mark.parametrize(
    "endpoints", [{}, {"api": ["GET"]}, {"/api": ["FETCH"]}, {"/a b": ["GET"]}, ["GET /"]]
)
async def test_endpoints_are_paths_with_methods(shop: Caller, endpoints: Any) -> None:
    wanted = {"name": "x", "scopes": ["links:create"], "endpoints": endpoints}
    assert (await shop.ask("POST", f"/v1/apps/{shop.app_id}/keys", wanted)).status == 422
