"""Users, devices, the app and its keys, through Passage's own SDK."""

import pytest

from tests.conformance.passage.conftest import PassageHouse, fresh_email, fresh_phone

pytestmark = pytest.mark.conformance


async def test_a_users_life(passage: PassageHouse) -> None:
    email, phone = fresh_email(), fresh_phone()
    made = await passage.call("create_user", email=email, user_metadata={"plan": "pro"})
    assert (made["email"], made["phone"], made["login_count"]) == (email, "", 0)
    assert made["user_metadata"] == {"plan": "pro"}
    assert len(made["id"]) == 22

    assert (await passage.call("get_user", user_id=made["id"]))["id"] == made["id"]
    changed = await passage.call(
        "update_user", user_id=made["id"], phone=phone, user_metadata={"plan": "team"}
    )
    assert (changed["phone"], changed["user_metadata"]) == (phone, {"plan": "team"})

    for identifier in (email.upper(), phone):
        assert (await passage.call("get_by_identifier", identifier=identifier))["id"] == made["id"]

    assert (await passage.call("deactivate_user", user_id=made["id"]))["status"] == "inactive"
    assert (await passage.call("activate_user", user_id=made["id"]))["status"] == "active"

    await passage.call("delete_user", user_id=made["id"])
    refusal = await passage.refused("get_user", user_id=made["id"])
    assert (refusal["status_code"], refusal["error_code"]) == (404, "user_not_found")


async def test_an_imported_user_keeps_their_passage_id(passage: PassageHouse) -> None:
    email, old_id = fresh_email(), f"oldPassageId{fresh_email()[1:13]}"
    url = f"{passage.house.issuer_url}/v1/users"
    async with passage.house.session.post(
        url, json={"email": email, "imported_id": old_id}, headers=passage.keyed
    ) as response:
        assert response.status == 201, await response.text()
    made = await passage.link({"user_id": old_id, "channel": "email"})
    assert made["user_id"] == old_id
    result = await passage.signed_in(made["url"])
    assert await passage.call("validate_jwt", token=result["auth_token"]) == old_id
    assert (await passage.call("get_by_identifier", identifier=email))["id"] == old_id


async def test_there_are_no_devices(passage: PassageHouse) -> None:
    user = await passage.call("create_user", email=fresh_email())
    assert await passage.call("list_devices", user_id=user["id"]) == []
    refusal = await passage.refused("revoke_device", user_id=user["id"], device_id="laptop")
    assert (refusal["status_code"], refusal["error_code"]) == (404, "device_not_found")
    refusal = await passage.refused("list_devices", user_id="nobody")
    assert (refusal["status_code"], refusal["error_code"]) == (404, "user_not_found")


async def test_pages_of_users_go_on_by_number(passage: PassageHouse) -> None:
    mark = fresh_email()[1:9]
    made = [await passage.call("create_user", email=f"{mark}-{n}@example.com") for n in range(3)]
    seen = []
    for page in (1, 2):
        path = f"/users?limit=2&page={page}&identifier=%3Clike:{mark}-%3E"
        status, told, _ = await passage.browser("GET", path, **passage.keyed)
        assert (status, told["total_users"], told["page"], told["limit"]) == (200, 3, page, 2)
        seen += [user["id"] for user in told["users"]]
    assert seen == [user["id"] for user in reversed(made)]


async def test_the_app_and_its_keys_are_public(passage: PassageHouse) -> None:
    status, told, _ = await passage.browser("GET", "")
    assert (status, told["app"]["id"]) == (200, passage.app_id)
    assert (told["app"]["hosted"], told["app"]["auth_origin"]) == (False, passage.house.site_url)
    status, told, headers = await passage.browser("GET", "/.well-known/jwks.json")
    assert status == 200
    assert all(
        {"key_ops", "x5c", "x5tS256", "x5t#S256", "kid", "n", "e"} <= key.keys() for key in told["keys"]
    )
    assert "max-age" in headers["Cache-Control"]
