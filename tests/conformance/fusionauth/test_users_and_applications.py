"""FusionAuth's SDK keeps users, registrations, applications and JWTs."""

import time
from uuid import uuid4

import jwt
import pytest

from tests.conformance.fusionauth.fusion import Fusion

pytestmark = pytest.mark.conformance


async def test_a_user_is_made_read_changed_replaced_and_deleted(fusion: Fusion) -> None:
    user_id, email = str(uuid4()), f"u{uuid4().hex}@example.com"
    fields = {
        "email": email,
        "username": f"name{uuid4().hex}",
        "firstName": "John",
        "lastName": "Doe",
        "fullName": "John Doe",
        "birthDate": "1976-05-30",
        "imageUrl": "https://images.example/1.png",
        "mobilePhone": "303-555-1234",
        "timezone": "America/Denver",
        "preferredLanguages": ["en", "fr"],
        "expiry": 4_102_444_800_000,
        "data": {"displayName": "Johnny Boy", "colours": ["Red"]},
    }
    made = (await fusion.done("create_user", {"user": {**fields, "password": "ignored"}}, user_id))["user"]
    assert made["id"] == user_id
    assert {name: made[name] for name in fields} == fields
    assert made["verified"] is False
    for method, value in (
        ("retrieve_user", user_id),
        ("retrieve_user_by_email", email),
        ("retrieve_user_by_login_id", fields["username"]),
        ("retrieve_user_by_username", fields["username"]),
    ):
        assert (await fusion.done(method, value))["user"]["id"] == user_id
    changed = (
        await fusion.done("patch_user", user_id, {"user": {"firstName": "Jo", "data": {"plan": "gold"}}})
    )["user"]
    assert changed["firstName"] == "Jo"
    assert changed["lastName"] == "Doe"
    assert changed["data"] == {**fields["data"], "plan": "gold"}  # type: ignore[dict-item]
    replaced = (await fusion.done("update_user", user_id, {"user": {"email": email}}))["user"]
    assert replaced["data"] == {}
    assert not {"firstName", "username", "expiry"} & replaced.keys()
    found = await fusion.done("search_users_by_ids", [user_id, str(uuid4())])
    assert [user["id"] for user in found["users"]] == [user_id]
    found = await fusion.done("search_users_by_query", {"search": {"queryString": f"email:{email}"}})
    assert (found["total"], found["users"][0]["id"]) == (1, user_id)
    await fusion.done_empty("delete_user", user_id)
    assert (await fusion.call("retrieve_user", user_id))["status"] == 404


async def test_a_registration_is_made_read_changed_and_deleted(fusion: Fusion) -> None:
    request = {
        "user": {"email": f"u{uuid4().hex}@example.com"},
        "registration": {"applicationId": fusion.application_id, "roles": ["user"], "data": {"since": 2024}},
        "skipVerification": True,
    }
    made = await fusion.done("register", request)
    user_id = made["user"]["id"]
    assert made["registration"]["roles"] == ["user"]
    assert made["registration"]["verified"] is True
    read = await fusion.done("retrieve_registration", user_id, fusion.application_id)
    assert read["registration"] == made["registration"]
    assert (await fusion.done("retrieve_user", user_id))["user"]["registrations"] == [read["registration"]]
    change = {"registration": {"applicationId": fusion.application_id, "roles": ["admin", "user"]}}
    changed = (await fusion.done("patch_registration", user_id, change))["registration"]
    assert sorted(changed["roles"]) == ["admin", "user"]
    assert changed["data"] == {"since": 2024}
    await fusion.done_empty("delete_registration", user_id, fusion.application_id)
    assert (await fusion.call("retrieve_registration", user_id, fusion.application_id))["status"] == 404
    assert (await fusion.call("delete_registration", user_id, fusion.application_id))["status"] == 404
    again = await fusion.call("retrieve_registration", user_id, "garbage")
    assert again["status"] == 404


async def test_an_application_is_made_read_changed_deactivated_and_deleted(fusion: Fusion) -> None:
    application_id = str(uuid4())
    request = {
        "application": {
            "name": "Shop",
            "roles": [{"name": "admin"}],
            "loginConfiguration": {"generateRefreshTokens": False},
        }
    }
    made = (await fusion.done("create_application", request, application_id))["application"]
    assert (made["id"], made["name"], made["tenantId"]) == (application_id, "Shop", fusion.tenant_id)
    assert [role["name"] for role in made["roles"]] == ["admin"]
    listed = (await fusion.done("retrieve_applications"))["applications"]
    assert {application_id, fusion.application_id} <= {one["id"] for one in listed}
    user = await fusion.new_user(registered=False)
    await fusion.done("register", {"registration": {"applicationId": application_id}}, user["id"])
    started = {"applicationId": application_id, "loginId": user["email"]}
    code = (await fusion.done("start_passwordless_login", started))["code"]
    answer = await fusion.login(code, applicationId=application_id)
    # Refresh tokens are the application's to give.
    assert answer["status"] == 200
    assert "refreshToken" not in answer["success"]
    await fusion.done_empty("deactivate_application", application_id)
    assert (await fusion.call("start_passwordless_login", started))["status"] == 400
    await fusion.done("reactivate_application", application_id)
    assert (await fusion.call("start_passwordless_login", started))["status"] == 200
    await fusion.done_empty("delete_application", application_id)
    assert (await fusion.call("retrieve_application", application_id))["status"] == 404
    assert (await fusion.call("delete_application", application_id))["status"] == 404


async def test_jwts_are_validated_here_and_by_the_public_keys(fusion: Fusion) -> None:
    body = await fusion.signed_in(await fusion.new_user())
    assert (await fusion.done("validate_jwt", body["token"]))["jwt"]["iss"] == fusion.house.compat_url
    assert (await fusion.call("validate_jwt", body["token"][:-4] + "AAAA"))["status"] == 401
    assert (await fusion.call("validate_jwt", "garbage"))["status"] == 401
    keys = (await fusion.done("retrieve_json_web_key_set"))["keys"]
    by_kid = (await fusion.done("retrieve_jwt_public_keys"))["publicKeys"]
    assert set(by_kid) == {key["kid"] for key in keys}
    of_application = await fusion.done("retrieve_jwt_public_key_by_application_id", fusion.application_id)
    pem = of_application["publicKey"]
    assert jwt.decode(body["token"], pem, algorithms=["RS256"], audience=fusion.application_id)["roles"] == [
        "user"
    ]
    kid = next(kid for kid, known in by_kid.items() if known == pem)
    assert (await fusion.done("retrieve_jwt_public_key", kid)) == of_application
    assert (await fusion.call("retrieve_jwt_public_key", "garbage"))["status"] == 404


async def test_a_refresh_token_makes_jwts_until_it_is_revoked(fusion: Fusion) -> None:
    user = await fusion.new_user()
    device = {"name": "Richard's phone", "type": "MOBILE", "description": "8 GB"}
    body = await fusion.signed_in(user, metaData={"device": device})
    await fusion.call("passwordless_login", {"code": await fusion.start(user)})
    token = body["refreshToken"]
    refreshed = await fusion.done(
        "exchange_refresh_token_for_jwt", {"refreshToken": token, "token": body["token"]}
    )
    assert (refreshed["refreshToken"], refreshed["refreshTokenId"]) == (token, body["refreshTokenId"])
    claims = (await fusion.done("validate_jwt", refreshed["token"]))["jwt"]
    assert (claims["sub"], claims["roles"]) == (user["id"], ["user"])
    (listed,) = (await fusion.done("retrieve_refresh_tokens", user["id"]))["refreshTokens"]
    assert listed["id"] == body["refreshTokenId"]
    assert device.items() <= listed["metaData"]["device"].items()
    assert (await fusion.done("retrieve_refresh_token_by_id", listed["id"]))["refreshToken"] == listed
    await fusion.done_empty("revoke_refresh_token_by_token", token)
    for refused in (token, "garbage"):
        answer = await fusion.call("exchange_refresh_token_for_jwt", {"refreshToken": refused})
        assert answer["status"] == 400
        assert answer["error"]["fieldErrors"]["refreshToken"][0]["code"] == "[invalid]refreshToken"


async def test_refresh_tokens_are_used_once_where_the_tenant_says_so(fusion: Fusion) -> None:
    key = await fusion.tenant_key()
    once = {"jwtConfiguration": {"refreshTokenUsagePolicy": "OneTimeUse", "timeToLiveInSeconds": 120}}
    await fusion.done("patch_tenant", fusion.tenant_id, {"tenant": once}, key=key)
    try:
        body = await fusion.signed_in(await fusion.new_user())
        assert body["tokenExpirationInstant"] / 1000 - time.time() < 130
        second = await fusion.done("exchange_refresh_token_for_jwt", {"refreshToken": body["refreshToken"]})
        assert second["refreshToken"] != body["refreshToken"]
        assert (await fusion.call("exchange_refresh_token_for_jwt", {"refreshToken": body["refreshToken"]}))[
            "status"
        ] == 400
        # Whoever shows an old one ends the session: one of the two stole it.
        assert (
            await fusion.call("exchange_refresh_token_for_jwt", {"refreshToken": second["refreshToken"]})
        )["status"] == 400
    finally:
        back = {"jwtConfiguration": {"refreshTokenUsagePolicy": "Reusable", "timeToLiveInSeconds": 3600}}
        await fusion.done("patch_tenant", fusion.tenant_id, {"tenant": back}, key=key)


@pytest.mark.parametrize("everywhere", [False, True])
async def test_logout_revokes_one_refresh_token_or_all_of_the_user(fusion: Fusion, everywhere: bool) -> None:
    user = await fusion.new_user()
    first, second = await fusion.signed_in(user), await fusion.signed_in(user)
    answer = await fusion.call("logout", everywhere, first["refreshToken"])
    assert answer["status"] == 200
    statuses = [
        (await fusion.call("exchange_refresh_token_for_jwt", {"refreshToken": body["refreshToken"]}))[
            "status"
        ]
        for body in (first, second)
    ]
    assert statuses == [400, 400 if everywhere else 200]


async def test_refresh_tokens_are_revoked_by_user_and_by_application(fusion: Fusion) -> None:
    user, other = await fusion.new_user(), await fusion.new_user()
    mine, theirs = await fusion.signed_in(user), await fusion.signed_in(other)

    async def works(body: dict[str, str]) -> bool:
        asked = {"refreshToken": body["refreshToken"]}
        return bool((await fusion.call("exchange_refresh_token_for_jwt", asked))["ok"])

    await fusion.done_empty(
        "revoke_refresh_tokens_by_user_id_for_application", user["id"], fusion.application_id
    )
    assert [await works(mine), await works(theirs)] == [False, True]
    mine = await fusion.signed_in(user)
    await fusion.done_empty("revoke_refresh_token_by_id", mine["refreshTokenId"])
    assert [await works(mine), await works(theirs)] == [False, True]
    await fusion.done_empty("revoke_refresh_tokens_by_application_id", fusion.application_id)
    assert await works(theirs) is False
