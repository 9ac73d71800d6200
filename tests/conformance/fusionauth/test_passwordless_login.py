"""FusionAuth's SDK signs users in: start, send, login."""

import asyncio
import re
from uuid import uuid4

import pytest

from tests.conformance.fusionauth.fusion import Fusion

pytestmark = pytest.mark.conformance


async def test_a_code_of_start_signs_its_user_in_with_token_refresh_token_and_state(fusion: Fusion) -> None:
    user = await fusion.new_user(firstName="Ada", data={"plan": "gold"})
    state = {"client_id": fusion.application_id, "redirect_uri": "", "state": "CSRF123", "cart": {"id": 1234}}
    answer = await fusion.login(await fusion.start(user, state=state))
    assert answer["status"] == 200, answer
    body = answer["success"]
    assert body["state"] == state
    assert body["user"]["id"] == user["id"]
    assert body["user"]["data"] == {"plan": "gold"}
    assert body["user"]["tenantId"] == fusion.tenant_id
    assert [one["applicationId"] for one in body["user"]["registrations"]] == [fusion.application_id]
    assert body["refreshToken"]
    assert answer["cookies"] == {"access_token": body["token"], "refresh_token": body["refreshToken"]}
    claims = (await fusion.done("validate_jwt", body["token"]))["jwt"]
    assert claims["sub"] == user["id"]
    assert claims["aud"] == claims["applicationId"] == fusion.application_id
    assert claims["roles"] == ["user"]
    assert claims["email"] == user["email"]
    assert claims["authenticationType"] == "PASSWORDLESS"
    assert claims["exp"] * 1000 == body["tokenExpirationInstant"]


async def test_a_code_works_once_and_every_other_code_is_nobody_s(fusion: Fusion) -> None:
    code = await fusion.start(await fusion.new_user())
    assert (await fusion.login(code))["status"] == 200
    for other in (code, code.swapcase() + "0", "garbage", "0" * len(code), "a" * 500):
        answer = await fusion.login(other)
        assert (answer["status"], answer["text"]) == (404, ""), (other, answer)


async def test_a_new_start_makes_every_earlier_code_of_the_user_invalid(fusion: Fusion) -> None:
    user, other = await fusion.new_user(), await fusion.new_user()
    first, of_another = await fusion.start(user), await fusion.start(other)
    second = await fusion.start(user)
    assert (await fusion.login(first))["status"] == 404
    assert (await fusion.login(second))["status"] == 200
    assert (await fusion.login(of_another))["status"] == 200


async def test_a_code_that_is_late_is_nobody_s(fusion: Fusion) -> None:
    user = await fusion.new_user()
    code = await fusion.start(user)
    await fusion.house.execute(
        "UPDATE magiclink.links SET not_before = now() - interval '4 minutes', expires_at = now() - interval '1 minute' "
        "WHERE user_id = $1::uuid",
        user["id"],
    )
    assert (await fusion.login(code))["status"] == 404


async def test_of_fifty_logins_with_one_code_one_wins(fusion: Fusion) -> None:
    code = await fusion.start(await fusion.new_user())
    answers = await asyncio.gather(*(fusion.login(code) for _ in range(50)))
    statuses = sorted(answer["status"] for answer in answers)
    assert statuses.count(200) == 1, statuses
    assert set(statuses[1:]) <= {404, 503}, statuses


async def test_without_a_jwt_there_are_no_tokens_and_no_cookies(fusion: Fusion) -> None:
    answer = await fusion.login(await fusion.start(await fusion.new_user()), noJWT=True)
    assert answer["status"] == 200
    assert (
        not {"token", "refreshToken", "tokenExpirationInstant", "refreshTokenId"} & answer["success"].keys()
    )
    assert answer["cookies"] == {}


async def test_only_the_code_is_needed_to_log_in(fusion: Fusion) -> None:
    user = await fusion.new_user()
    answer = await fusion.call("passwordless_login", {"code": await fusion.start(user)})
    assert answer["status"] == 200, answer
    # No application is named: no roles of one, and no refresh token.
    assert "refreshToken" not in answer["success"]
    claims = (await fusion.done("validate_jwt", answer["success"]["token"]))["jwt"]
    assert claims["sub"] == user["id"]
    assert "applicationId" not in claims
    assert "roles" not in claims


async def test_users_are_found_by_address_number_and_name(fusion: Fusion) -> None:
    name, number = f"name{uuid4().hex}", f"+4930{uuid4().int % 10**8:08}"
    user = await fusion.new_user(username=name, phoneNumber=number)
    for login_id, kinds in ((user["email"], None), (name, None), (number, None), (number, ["phoneNumber"])):
        asked = {"applicationId": fusion.application_id, "loginId": login_id, "loginIdTypes": kinds}
        code = (await fusion.done("start_passwordless_login", asked))["code"]
        assert (await fusion.login(code))["success"]["user"]["id"] == user["id"]
    asked = {"applicationId": fusion.application_id, "loginId": name, "loginIdTypes": ["email"]}
    assert (await fusion.call("start_passwordless_login", asked))["status"] == 404


async def test_with_a_form_field_the_code_needs_its_one_time_code(fusion: Fusion) -> None:
    user = await fusion.new_user()
    asked = {
        "applicationId": fusion.application_id,
        "loginId": user["email"],
        "loginStrategy": "FormField",
        "state": {"cart": 7},
    }
    started = await fusion.done("start_passwordless_login", asked)
    code, one_time_code = started["code"], started["oneTimeCode"]
    assert (await fusion.login(code))["status"] == 404
    assert (await fusion.login(one_time_code))["status"] == 404
    assert (await fusion.login(code, oneTimeCode="000000"))["status"] == 404
    answer = await fusion.login(code, oneTimeCode=one_time_code)
    assert answer["status"] == 200, answer
    assert answer["success"]["state"] == {"cart": 7}
    assert (await fusion.login(code, oneTimeCode=one_time_code))["status"] == 404


async def set_life(fusion: Fusion, key: str, seconds: int) -> None:
    configuration = {"passwordlessLoginTimeToLiveInSeconds": seconds}
    tenant = {"tenant": {"externalIdentifierConfiguration": configuration}}
    await fusion.done("patch_tenant", fusion.tenant_id, tenant, key=key)


async def test_strategy_length_and_life_of_codes_are_the_tenant_s(fusion: Fusion) -> None:
    key = await fusion.tenant_key()
    forms = {
        "randomDigits": (8, r"[0-9]{8}"),
        "randomAlpha": (10, r"[A-Z]{10}"),
        "randomAlphaNumeric": (12, r"[A-Z0-9]{12}"),
        "randomBytes": (32, r"[0-9a-f]{64}"),
    }
    user = await fusion.new_user()
    for kind, (length, form) in forms.items():
        configuration = {
            "passwordlessLoginGenerator": {"type": kind, "length": length},
            "passwordlessLoginTimeToLiveInSeconds": 180,
        }
        changed = await fusion.done(
            "patch_tenant",
            fusion.tenant_id,
            {"tenant": {"externalIdentifierConfiguration": configuration}},
            key=key,
        )
        assert changed["tenant"]["externalIdentifierConfiguration"] == configuration
        code = await fusion.start(user)
        assert re.fullmatch(form, code), (kind, code)
        assert (await fusion.login(code))["status"] == 200
    for seconds in (60, 180):
        await set_life(fusion, key, seconds)
        code = await fusion.start(user)
        # 61 seconds pass.
        await fusion.house.execute(
            "UPDATE magiclink.links SET not_before = not_before - interval '61 seconds', "
            "expires_at = expires_at - interval '61 seconds' WHERE user_id = $1::uuid AND consumed_at IS NULL",
            user["id"],
        )
        assert (await fusion.login(code))["status"] == (404 if seconds == 60 else 200)
    refused = {"externalIdentifierConfiguration": {"passwordlessLoginGenerator": {"length": 2}}}
    answer = await fusion.call("patch_tenant", fusion.tenant_id, {"tenant": refused}, key=key)
    assert answer["status"] == 400
    field = "tenant.externalIdentifierConfiguration.passwordlessLoginGenerator.length"
    assert list(answer["error"]["fieldErrors"]) == [field]
