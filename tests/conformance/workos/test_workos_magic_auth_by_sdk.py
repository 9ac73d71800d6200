"""Magic Auth by WorkOS's own SDKs: the code by mail, sessions with access tokens that the SDK checks itself, refresh and revocation."""

import asyncio
from typing import Any

import pytest

from services.compat.workos import ids
from services.verifier.totp import code_of, new_secret, secret_text, step_at
from shared.clock import wall
from shared.public_ids import parse_id
from tests.conformance.sdks import SdkError
from tests.conformance.workos.product import Product, answered, somebody

pytestmark = pytest.mark.conformance


async def refused(product: Product, function: str, **args: Any) -> SdkError:
    with pytest.raises(SdkError) as raised:
        await product.do(function, **args)
    return raised.value


async def sign_in(product: Product) -> dict[str, Any]:
    email = somebody()
    made = await product.do("create_magic_auth", email=email)
    [mail] = await product.house.until_caught(1, to=email)
    code = made["code"]
    # In groups, as it is read aloud.
    assert f"{code[:3]} {code[3:]}" in mail["text"]
    assert "/l/" not in mail["text"]
    seen = {"ip_address": "192.0.2.7", "user_agent": "Firefox"}
    told: dict[str, Any] = await product.do("authenticate", code=code, email=email, **seen)
    assert (told["user"]["email"], told["user"]["email_verified"]) == (email, True)
    assert (told["user"]["id"], told["authentication_method"]) == (made["user_id"], "MagicAuth")
    claims = await product.do("claims_of", access_token=told["access_token"])
    assert claims["sub"] == made["user_id"]
    read = await product.do("read_cookie", answer=told)
    assert read == {"authenticated": True, "session_id": claims["sid"]}
    return told


async def test_somebody_signs_in_by_the_code_of_the_mail(product: Product) -> None:
    told = await sign_in(product)
    user = await product.do("get_user", user_id=told["user"]["id"])
    assert user["last_sign_in_at"] is not None


async def test_somebody_signs_in_by_code_over_tls(product_over_tls: Product) -> None:
    await sign_in(product_over_tls)


async def test_a_code_is_read_again_while_it_lives(product: Product) -> None:
    made = await product.do("create_magic_auth", email=somebody())
    read = await product.do("get_magic_auth", magic_auth_id=made["id"])
    assert {name: read[name] for name in ("id", "code", "email", "user_id", "expires_at")} == {
        name: made[name] for name in ("id", "code", "email", "user_id", "expires_at")
    }
    await product.do("authenticate", code=made["code"], email=made["email"])
    assert (await refused(product, "get_magic_auth", magic_auth_id=made["id"])).kind == "NotFoundError"
    session = await product.session()
    of_a_link = session["id"].replace("passwordless_session_", "magic_auth_")
    for unknown in ("magic_auth_1", of_a_link):
        assert (await refused(product, "get_magic_auth", magic_auth_id=unknown)).kind == "NotFoundError"


async def test_a_wrong_used_late_or_foreign_code_is_invalid(product: Product) -> None:
    made = await product.do("create_magic_auth", email=somebody())
    other = await product.do("create_magic_auth", email=somebody())
    wrong = "000000" if made["code"] != "000000" else "000001"
    used = await product.do("create_magic_auth", email=somebody())
    await product.do("authenticate", code=used["code"], email=used["email"])
    late = await product.do("create_magic_auth", email=somebody())
    await product.age(ids.MAGIC_AUTH, late["id"], expires_at="11 minutes")
    for code, email in (
        (wrong, made["email"]),
        (used["code"], used["email"]),
        (late["code"], late["email"]),
        (made["code"], somebody()),
    ):
        error = await refused(product, "authenticate", code=code, email=email)
        assert (error.kind, error.fields["code"]) == ("BadRequestError", "invalid_one_time_code")
    await product.do("authenticate", code=other["code"], email=other["email"])


async def test_of_fifty_authentications_at_once_one_wins(product: Product) -> None:
    made = await product.do("create_magic_auth", email=somebody())
    asked = [product.do("authenticate", code=made["code"], email=made["email"]) for _ in range(50)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    winners = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(winners) == 1
    losers = [outcome for outcome in outcomes if isinstance(outcome, SdkError)]
    assert {error.kind for error in losers} == {"BadRequestError"}


async def test_a_session_is_refreshed_each_refresh_token_once(product: Product) -> None:
    told = await product.signed_in()
    again = await product.do("refresh", refresh_token=told["refresh_token"])
    assert again["refresh_token"] != told["refresh_token"]
    first, second = [await product.do("claims_of", access_token=one["access_token"]) for one in (told, again)]
    assert (first["sid"], first["sub"]) == (second["sid"], second["sub"])
    assert await product.do("read_cookie", answer=again) == {
        "authenticated": True,
        "session_id": first["sid"],
    }
    # A token that was used before is somebody's who has no business with it: the session ends (RFC 9700 §4.14.2).
    error = await refused(product, "refresh", refresh_token=told["refresh_token"])
    assert (error.kind, error.fields["error"]) == ("BadRequestError", "invalid_grant")


async def test_a_session_is_revoked(product: Product) -> None:
    told = await product.signed_in()
    claims = await product.do("claims_of", access_token=told["access_token"])
    await product.do("revoke_session", session_id=claims["sid"])
    error = await refused(product, "refresh", refresh_token=told["refresh_token"])
    assert (error.kind, error.fields["error"]) == ("BadRequestError", "invalid_grant")
    assert (await refused(product, "revoke_session", session_id="session_1")).kind == "NotFoundError"


async def test_a_second_factor_is_asked_for_and_goes_on(product: Product) -> None:
    told = await product.signed_in()
    user_id, email = parse_id("user_{ulid}", told["user"]["id"]), told["user"]["email"]
    secret = new_secret()
    status, enrolled, _ = await product.house.call(
        "POST",
        f"{product.house.verifier_url}/v1/users/{user_id}/second-factors",
        {"type": "totp", "secret": secret_text(secret), "code": code_of(secret, step_at(wall()) - 1)},
        Authorization=f"Bearer {product.given['api_key']}",
    )
    assert status == 201, enrolled
    made = await product.do("create_magic_auth", email=email)
    error = await refused(product, "authenticate", code=made["code"], email=email)
    assert (error.kind, error.fields["code"]) == ("MfaChallengeError", "mfa_challenge")
    assert [factor["type"] for factor in error.fields["authentication_factors"]] == ["totp"]
    pending = error.fields["pending_authentication_token"]
    code = code_of(secret, step_at(wall()))
    wrong = "000000" if code != "000000" else "000001"
    error = await refused(product, "authenticate_with_totp", code=wrong, pending_authentication_token=pending)
    assert error.kind == "BadRequestError"
    done = await product.do("authenticate_with_totp", code=code, pending_authentication_token=pending)
    assert done["user"]["email"] == email
    assert (await product.do("read_cookie", answer=done))["authenticated"] is True


async def test_the_sdk_reads_the_public_keys(product: Product) -> None:
    keys = (await product.do("get_jwks"))["keys"]
    assert keys
    assert {key["alg"] for key in keys} == {"RS256"}


async def test_an_outage_burns_no_magic_auth(product: Product) -> None:
    made = await product.do("create_magic_auth", email=somebody())
    cluster = product.house.cluster
    await cluster.kill("verifier")
    try:
        authentication = asyncio.create_task(
            product.do("authenticate", code=made["code"], email=made["email"])
        )
        await asyncio.sleep(1)
    finally:
        await cluster.start_part("verifier")
    told = await answered(authentication, product.do, "authenticate", code=made["code"], email=made["email"])
    assert told["user"]["email"] == made["email"]
