"""Every status of a FusionAuth login that the SDK's users tell apart."""

import json
import time

import pytest

from services.verifier import totp
from tests.conformance.fusionauth.fusion import Answer, Fusion

pytestmark = pytest.mark.conformance


async def try_login(fusion: Fusion, user: Answer) -> Answer:
    """Start and complete a login; a user who may not sign in can still start one."""
    return await fusion.login(await fusion.start(user))


async def test_202_for_a_user_who_is_not_registered_and_whose_jwt_says_so(fusion: Fusion) -> None:
    answer = await try_login(fusion, await fusion.new_user(registered=False))
    assert answer["status"] == 202
    assert answer["success"]["user"]["registrations"] == []
    claims = (await fusion.done("validate_jwt", answer["success"]["token"]))["jwt"]
    assert "applicationId" not in claims
    assert "roles" not in claims


async def test_203_for_a_user_whose_password_must_be_changed(fusion: Fusion) -> None:
    user = await fusion.new_user()
    await fusion.done("patch_user", user["id"], {"user": {"passwordChangeRequired": True}})
    answer = await try_login(fusion, user)
    assert answer["status"] == 203
    assert answer["success"]["changePasswordReason"] == "Administrative"
    assert answer["success"]["changePasswordId"]
    assert "token" not in answer["success"]
    assert answer["cookies"] == {}


async def test_212_for_an_address_that_is_not_verified(fusion: Fusion) -> None:
    user = await fusion.new_user()
    await fusion.set_user(user, email_verified=False)
    await fusion.house.change_app("fusionauth", require_verified=True)
    try:
        answer = await try_login(fusion, user)
    finally:
        await fusion.house.change_app("fusionauth", require_verified=False)
    assert answer["status"] == 212
    assert answer["success"]["user"]["id"] == user["id"]
    assert answer["success"]["user"]["verified"] is False
    assert "token" not in answer["success"]


async def test_213_for_a_registration_that_is_not_verified(fusion: Fusion) -> None:
    asked = {"application": {"name": "Careful", "verifyRegistration": True}}
    application = (await fusion.done("create_application", asked))["application"]
    user = await fusion.new_user(registered=False)
    await fusion.done("register", {"registration": {"applicationId": application["id"]}}, user["id"])
    started = {"applicationId": application["id"], "loginId": user["email"]}
    code = (await fusion.done("start_passwordless_login", started))["code"]
    answer = await fusion.login(code, applicationId=application["id"])
    assert answer["status"] == 213
    assert answer["success"]["user"]["registrations"][0]["verified"] is False
    assert "token" not in answer["success"]


async def test_404_for_a_user_who_is_deactivated_and_200_again_afterwards(fusion: Fusion) -> None:
    user = await fusion.new_user()
    await fusion.done("deactivate_user", user["id"])
    code = await fusion.start(user)
    answer = await fusion.login(code)
    assert (answer["status"], answer["text"]) == (404, "")
    assert (await fusion.done("reactivate_user", user["id"]))["user"]["active"] is True
    # The refusal burnt nothing.
    assert (await fusion.login(code))["status"] == 200


async def test_409_names_the_action_that_prevents_the_login(fusion: Fusion) -> None:
    user = await fusion.new_user()
    action = {"actioneeUserId": user["id"], "comment": "Payment is late", "expiry": 4_102_444_800_000}
    taken = (await fusion.done("action_user", {"action": action, "broadcast": False}))["action"]
    code = await fusion.start(user)
    answer = await fusion.login(code)
    assert answer["status"] == 409
    (told,) = json.loads(answer["text"])["actions"]
    assert told["reason"] == "Payment is late"
    assert told["expiry"] == 4_102_444_800_000
    assert (await fusion.done("retrieve_active_actions", user["id"]))["actions"] == [taken]
    await fusion.done("cancel_action", taken["id"], {})
    assert (await fusion.login(code))["status"] == 200


async def test_409_stays_when_the_user_is_written_back_as_read_or_reactivated(fusion: Fusion) -> None:
    user = await fusion.new_user()
    taken = await fusion.done("action_user", {"action": {"actioneeUserId": user["id"]}, "broadcast": False})
    code = await fusion.start(user)
    read = (await fusion.done("retrieve_user", user["id"]))["user"]
    await fusion.done("update_user", user["id"], {"user": {**read, "firstName": "Eve"}})
    await fusion.done("patch_user", user["id"], {"user": {"active": True}})
    await fusion.done("reactivate_user", user["id"])
    assert (await fusion.login(code))["status"] == 409
    await fusion.done("cancel_action", taken["action"]["id"], {})
    assert (await fusion.login(code))["status"] == 200


async def test_410_for_a_user_who_has_expired(fusion: Fusion) -> None:
    user = await fusion.new_user()
    await fusion.done("patch_user", user["id"], {"user": {"expiry": 1_571_786_483_322}})
    answer = await try_login(fusion, user)
    assert (answer["status"], answer["text"]) == (410, "")


async def test_423_for_a_user_who_is_locked(fusion: Fusion) -> None:
    user = await fusion.new_user()
    await fusion.set_user(user, status="locked")
    answer = await try_login(fusion, user)
    assert (answer["status"], answer["text"]) == (423, "")


async def test_242_asks_for_a_second_factor_which_completes_the_login(fusion: Fusion) -> None:
    user = await fusion.new_user()
    secret = await switch_on(fusion, user)
    waiting = await fusion.login(await fusion.start(user, state={"cart": 7}))
    assert waiting["status"] == 242
    assert waiting["success"].keys() == {"twoFactorId", "methods"}
    (method,) = waiting["success"]["methods"]
    assert method["method"] == "authenticator"
    assert waiting["cookies"] == {}
    asked = {"twoFactorId": waiting["success"]["twoFactorId"], "applicationId": fusion.application_id}
    wrong = await fusion.call("two_factor_login", {**asked, "code": "000000"})
    assert (wrong["status"], wrong["text"]) == (421, "")
    unknown = await fusion.call("two_factor_login", {"twoFactorId": "garbage", "code": "000000"})
    assert (unknown["status"], unknown["text"]) == (404, "")
    code = await fresh_code(fusion, user, secret)
    done = await fusion.call("two_factor_login", {**asked, "code": code, "trustComputer": True})
    assert done["status"] == 200, done
    assert done["success"]["state"] == {"cart": 7}
    assert done["success"]["user"]["twoFactor"]["methods"] == [method]
    assert done["cookies"]["fusionauth.trust"] == done["success"]["twoFactorTrustId"]
    assert done["success"]["refreshToken"]
    trusted = await fusion.login(
        await fusion.start(user), twoFactorTrustId=done["success"]["twoFactorTrustId"]
    )
    assert trusted["status"] == 200
    assert (await fusion.login(await fusion.start(user), twoFactorTrustId="garbage"))["status"] == 242


async def test_a_second_factor_is_switched_off_by_a_code_of_it(fusion: Fusion) -> None:
    user = await fusion.new_user()
    secret = await switch_on(fusion, user)
    (method,) = (await fusion.done("retrieve_user", user["id"]))["user"]["twoFactor"]["methods"]
    assert (await fusion.call("disable_two_factor", user["id"], method["id"], "000000"))["status"] == 421
    code = await fresh_code(fusion, user, secret)
    assert (await fusion.call("disable_two_factor", user["id"], method["id"], code))["status"] == 200
    assert (await try_login(fusion, user))["status"] == 200


async def test_a_second_factor_is_asked_for_without_a_login_before(fusion: Fusion) -> None:
    user = await fusion.new_user()
    secret = await switch_on(fusion, user)
    started = await fusion.done(
        "start_two_factor_login", {"userId": user["id"], "applicationId": fusion.application_id}
    )
    sent = await fusion.call(
        "send_two_factor_code_for_login_using_method",
        started["twoFactorId"],
        {"methodId": started["methods"][0]["id"]},
    )
    assert sent["status"] == 400
    code = await fresh_code(fusion, user, secret)
    asked = {"twoFactorId": started["twoFactorId"], "code": code, "applicationId": fusion.application_id}
    assert (await fusion.done("two_factor_login", asked))["user"]["id"] == user["id"]


async def switch_on(fusion: Fusion, user: Answer) -> bytes:
    """Switch an authenticator on through the SDK; return its secret."""
    given = await fusion.done("generate_two_factor_secret")
    secret = totp.read_secret(given["secretBase32Encoded"])
    wrong = {"method": "authenticator", "code": "000000", "secret": given["secret"]}
    assert (await fusion.call("enable_two_factor", user["id"], wrong))["status"] == 421
    await fusion.done("enable_two_factor", user["id"], {**wrong, "code": code_now(secret)})
    return secret


async def fresh_code(fusion: Fusion, user: Answer, secret: bytes) -> str:
    """Return a code that works: each step is good once, so the last one is forgotten."""
    await fusion.house.execute(
        "UPDATE magiclink.second_factors SET last_step = 0 WHERE user_id = $1::uuid", user["id"]
    )
    return code_now(secret)


def code_now(secret: bytes) -> str:
    return totp.code_of(secret, totp.step_at(time.time()))
