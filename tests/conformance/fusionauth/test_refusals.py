"""What FusionAuth's SDK is refused, and how it sees it."""

from uuid import uuid4

import pytest

from tests.conformance.fusionauth.fusion import Fusion

pytestmark = pytest.mark.conformance
GARBAGE_KEYS = ("", "garbage", "Bearer garbage", "mlk_000000000000_" + "0" * 43)


async def test_a_bad_key_is_401_with_an_empty_body(fusion: Fusion) -> None:
    asked = {"applicationId": fusion.application_id, "loginId": "x@example.com"}
    for key in (*GARBAGE_KEYS, fusion.house.vendors["stytch"]["secret"]):
        for method, args in (("start_passwordless_login", (asked,)), ("retrieve_user", (str(uuid4()),))):
            answer = await fusion.call(method, *args, key=key)
            assert (answer["status"], answer["text"], answer["ok"]) == (401, "", False), key[:10]


async def test_a_key_is_one_tenant_s(fusion: Fusion) -> None:
    user = await fusion.new_user()
    assert (await fusion.call("retrieve_user", user["id"], tenant=fusion.tenant_id))["status"] == 200
    assert (await fusion.call("retrieve_user", user["id"], tenant=str(uuid4())))["status"] == 401
    assert (await fusion.call("retrieve_tenant", fusion.tenant_id))["status"] == 200
    assert (await fusion.call("retrieve_tenant", str(uuid4())))["status"] == 404


async def test_a_key_may_call_only_the_methods_and_endpoints_it_has(fusion: Fusion) -> None:
    key = await fusion.tenant_key(endpoints={"/api/passwordless/start": ["POST"], "/api/user": ["GET"]})
    user = await fusion.new_user()
    asked = {"applicationId": fusion.application_id, "loginId": user["email"]}
    assert (await fusion.call("start_passwordless_login", asked, key=key))["status"] == 200
    assert (await fusion.call("retrieve_user", user["id"], key=key))["status"] == 200
    refused = (
        ("delete_user", (user["id"],)),
        ("patch_user", (user["id"], {"user": {"firstName": "Eve"}})),
        ("retrieve_registration", (user["id"], fusion.application_id)),
        ("retrieve_tenant", (fusion.tenant_id,)),
        ("generate_two_factor_secret", ()),
    )
    for method, args in refused:
        answer = await fusion.call(method, *args, key=key)
        assert (answer["status"], answer["text"]) == (401, ""), method


async def test_an_unknown_user_is_404_to_who_has_a_key(fusion: Fusion) -> None:
    asked = {"applicationId": fusion.application_id, "loginId": f"nobody{uuid4().hex}@example.com"}
    for method, args in (
        ("start_passwordless_login", (asked,)),
        ("retrieve_user", (str(uuid4()),)),
        ("retrieve_user", ("garbage",)),
        ("retrieve_user_by_email", (asked["loginId"],)),
        ("delete_user", (str(uuid4()),)),
    ):
        answer = await fusion.call(method, *args)
        assert (answer["status"], answer["text"]) == (404, ""), method


async def test_faults_of_a_start_are_named_each(fusion: Fusion) -> None:
    answer = await fusion.call("start_passwordless_login", {})
    assert answer["status"] == 400
    codes = {field: problems[0]["code"] for field, problems in answer["error"]["fieldErrors"].items()}
    assert codes == {"applicationId": "[missing]applicationId", "loginId": "[missing]loginId"}
    asked = {"applicationId": str(uuid4()), "loginId": "x@example.com"}
    answer = await fusion.call("start_passwordless_login", asked)
    assert answer["error"]["fieldErrors"]["applicationId"][0]["code"] == "[invalid]applicationId"
    known = {"applicationId": fusion.application_id, "loginId": (await fusion.new_user())["email"]}
    answer = await fusion.call("start_passwordless_login", {**known, "state": {"long": "x" * 5000}})
    assert list(answer["error"]["fieldErrors"]) == ["state"]


async def test_a_bad_e_mail_address_is_400_at_user_email(fusion: Fusion) -> None:
    answer = await fusion.call("create_user", {"user": {"email": "not an address"}})
    assert answer["status"] == 400
    assert answer["error"]["fieldErrors"]["user.email"][0]["code"] == "[notEmail]user.email"
    user = await fusion.new_user()
    answer = await fusion.call("create_user", {"user": {"email": user["email"].upper()}})
    assert answer["error"]["fieldErrors"]["user.email"][0]["code"] == "[duplicate]user.email"


async def test_a_body_that_is_no_json_is_400_with_a_general_error(fusion: Fusion) -> None:
    url = f"{fusion.house.compat_url}/api/passwordless/login"
    async with fusion.house.session.post(url, data=b"{") as response:
        assert response.status == 400
        assert (await response.json())["generalErrors"][0]["code"] == "[invalidJSON]"


async def test_a_call_without_a_key_must_name_a_tenant_that_is_there(fusion: Fusion) -> None:
    answer = await fusion.call("passwordless_login", {"code": "x"}, tenant=str(uuid4()))
    assert answer["status"] == 400
    assert answer["error"]["generalErrors"][0]["code"] == "[TenantIdRequired]"
    assert (await fusion.call("passwordless_login", {"code": "x"}, tenant=fusion.tenant_id))["status"] == 404
