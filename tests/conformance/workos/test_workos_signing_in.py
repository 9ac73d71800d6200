"""Magic links by WorkOS's own SDKs: session, mail, page, redirect, code, profile, and every refusal on the way."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.compat.workos import ids
from tests.conformance.sdks import SdkError
from tests.conformance.workos.product import Product, answered, somebody
from tests.e2e.browsing import press

pytestmark = pytest.mark.conformance


async def sign_in(product: Product) -> dict[str, Any]:
    """A whole sign-in: the session is made and sent, the mail is read, the link followed, the code exchanged."""
    email, state = somebody(), "a b&c=d/é"
    session = await product.session(email=email, state=state)
    assert await product.do("send_session", session_id=session["id"]) is True
    [mail] = await product.house.until_caught(1, to=email)
    assert session["link"] in mail["text"]
    brought = await product.follow(session["link"])
    assert brought["state"] == [state]
    told: dict[str, Any] = await product.do("get_profile_and_token", code=brought["code"][0])
    profile = told["profile"]
    assert (profile["email"], profile["connection_type"]) == (email, "MagicLink")
    assert await product.do("get_profile", access_token=told["access_token"]) == profile
    return told


async def test_somebody_signs_in_by_the_mail(product: Product) -> None:
    told = await sign_in(product)
    assert told["profile"]["id"].startswith("prof_")
    user_id = "user_" + told["profile"]["id"].removeprefix("prof_")
    # The link came by mail: that proves the address.
    assert (await product.do("get_user", user_id=user_id))["email_verified"] is True


async def test_somebody_signs_in_over_tls(product_over_tls: Product) -> None:
    await sign_in(product_over_tls)


async def test_a_session_has_defaults_and_no_state_unless_given(product: Product) -> None:
    before = datetime.now(UTC)
    session = await product.do("create_session", email=somebody())
    assert session["object"] == "passwordless_session"
    lives = datetime.fromisoformat(session["expires_at"]) - before
    assert abs(lives - timedelta(minutes=15)) < timedelta(seconds=30)
    brought = await product.follow(session["link"])
    assert set(brought) == {"code"}


async def test_one_person_is_one_profile_and_one_domain_one_connection(product: Product) -> None:
    email, domain = somebody(), f"d{somebody()[1:20]}.example.com"
    first = await product.do("get_profile_and_token", code=await product.code(email=email))
    again = await product.do("get_profile_and_token", code=await product.code(email=email))
    assert first["profile"] == again["profile"]
    one = await product.do("get_profile_and_token", code=await product.code(email=f"one@{domain}"))
    two = await product.do("get_profile_and_token", code=await product.code(email=f"two@{domain}"))
    assert one["profile"]["connection_id"] == two["profile"]["connection_id"]
    assert one["profile"]["connection_id"] != first["profile"]["connection_id"]
    [connection] = await product.do("list_connections", domain=domain)
    assert connection["id"] == one["profile"]["connection_id"]
    assert await product.do("get_connection", connection_id=connection["id"]) == connection
    assert connection["id"] in [found["id"] for found in await product.do("list_connections", limit=1)]


async def refused(product: Product, function: str, **args: Any) -> SdkError:
    with pytest.raises(SdkError) as raised:
        await product.do(function, **args)
    return raised.value


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"expires_in": 899}, "expires_in"),
        ({"expires_in": 86_401}, "expires_in"),
        ({"redirect_uri": "https://evil.example/callback"}, "redirect_uri"),
        ({"redirect_uri": "http://app.example/callback"}, "redirect_uri"),
        ({"state": "x" * 5000}, "state"),
    ],
)
async def test_bad_input_is_unprocessable(product: Product, asked: dict[str, Any], field: str) -> None:
    whole = {"email": somebody(), **asked}
    error = await refused(product, "create_session", **whole)
    assert error.kind == "UnprocessableEntityError"
    assert [problem["field"] for problem in error.fields["errors"]] == [field]
    assert error.fields["request_id"]


@pytest.mark.parametrize("added", ["?next=1", "#top", "/more", "/../evil"])
async def test_a_redirect_uri_is_a_registered_one_to_the_letter(product: Product, added: str) -> None:
    redirect_uri = product.given["redirect_uri"] + added
    error = await refused(product, "create_session", email=somebody(), redirect_uri=redirect_uri)
    assert error.kind == "UnprocessableEntityError"


async def test_wildcards_and_queries_cannot_be_registered_either(product: Product) -> None:
    app_id = await product.house.app_of("workos")
    for entry in ("https://*.example.com/callback", "https://app.example/cb/*", "https://app.example/cb?x=1"):
        status, told, _ = await product.house.call(
            "PATCH", f"{product.house.issuer_url}/v1/apps/{app_id}", {"redirect_urls": [entry]}
        )
        assert status == 422, told


async def test_a_wrong_key_is_an_authentication_error(product: Product) -> None:
    error = await refused(product, "create_session_with_key", api_key="sk_test_wrong", email=somebody())
    assert error.kind == "AuthenticationError"
    others = product.house.vendors["stytch"]["secret"]
    error = await refused(product, "create_session_with_key", api_key=others, email=somebody())
    assert error.kind == "AuthenticationError"


async def test_a_session_of_nobody_is_not_found(product: Product) -> None:
    unknown = ids.named(ids.SESSION, "0199a000-0000-7000-8000-00000000000a")
    for session_id in (unknown, "passwordless_session_1", "garbage"):
        assert (await refused(product, "send_session", session_id=session_id)).kind == "NotFoundError"


async def test_a_session_is_sent_again_until_it_is_over(product: Product) -> None:
    session = await product.session()
    for count in (1, 2):
        await product.do("send_session", session_id=session["id"])
        mails = await product.house.until_caught(count, to=session["email"])
    links = {line for mail in mails for line in mail["text"].split() if "/l/" in line}
    assert links == {session["link"]}
    await product.follow(session["link"])
    error = await refused(product, "send_session", session_id=session["id"])
    assert (error.kind, error.fields["code"]) == ("BadRequestError", "passwordless_session_over")


async def test_a_link_works_once_and_not_when_late(product: Product) -> None:
    session = await product.session()
    await product.follow(session["link"])
    assert (await press(product.house, session["link"]))[0] == 409
    late = await product.session()
    await product.age(ids.SESSION, late["id"], expires_at="16 minutes")
    assert (await press(product.house, late["link"]))[0] == 410


@pytest.mark.parametrize("code", ["garbage", "", "01ARZ3NDEKTSV4RRFFQ69G5FAV" * 4])
async def test_a_code_that_was_never_issued_is_an_invalid_grant(product: Product, code: str) -> None:
    error = await refused(product, "get_profile_and_token", code=code)
    assert error.kind == "BadRequestError"
    assert error.fields["error"] in ("invalid_grant", "invalid_request")
    assert error.fields["error_description"]


async def test_a_code_works_once(product: Product) -> None:
    code = await product.code()
    await product.do("get_profile_and_token", code=code)
    error = await refused(product, "get_profile_and_token", code=code)
    assert (error.kind, error.fields["error"]) == ("BadRequestError", "invalid_grant")


async def test_a_code_works_for_ten_minutes(product: Product) -> None:
    for age, works in (("9 minutes", True), ("11 minutes", False)):
        session = await product.session()
        code = (await product.follow(session["link"]))["code"][0]
        await product.age(ids.SESSION, session["id"], consumed_at=age)
        if works:
            await product.do("get_profile_and_token", code=code)
        else:
            error = await refused(product, "get_profile_and_token", code=code)
            assert error.fields["error"] == "invalid_grant"


async def test_a_code_is_its_clients_alone(product: Product) -> None:
    code = await product.code()
    others = product.house.vendors["stytch"]["secret"]
    for change in ({"client_id": "client_other"}, {"api_key": "sk_test_wrong"}, {"api_key": others}):
        error = await refused(product, "get_profile_and_token_of", code=code, **change)
        assert (error.kind, error.fields["error"]) == ("BadRequestError", "invalid_client")
    # None of them burnt it.
    await product.do("get_profile_and_token", code=code)


@pytest.mark.parametrize("access_token", ["garbage", "client_1.token", "."])
async def test_an_access_token_of_nobody_is_an_authentication_error(
    product: Product, access_token: str
) -> None:
    error = await refused(product, "get_profile", access_token=access_token)
    assert error.kind == "AuthenticationError"


async def test_of_fifty_exchanges_at_once_one_wins(product: Product) -> None:
    code = await product.code()
    asked = [product.do("get_profile_and_token", code=code) for _ in range(50)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    losers = [outcome for outcome in outcomes if isinstance(outcome, SdkError)]
    assert len(losers) == 49, outcomes
    assert {(error.kind, error.fields["error"]) for error in losers} == {("BadRequestError", "invalid_grant")}


async def test_a_post_that_is_sent_again_has_one_effect_and_one_answer(product: Product) -> None:
    key = somebody()
    asked = {"email": somebody(), "type": "MagicLink"}
    first, again = await product.do("post_twice", path="passwordless/sessions", body=asked, key=key)
    assert first == again
    code = (await product.follow(first["link"]))["code"][0]
    exchange = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": product.given["client_id"],
        "client_secret": product.given["api_key"],
    }
    first, again = await product.do("post_twice", path="sso/token", body=exchange, key=key)
    assert first == again
    user = {"email": somebody()}
    first, again = await product.do("post_twice", path="user_management/users", body=user, key=key)
    assert first == again
    magic = {"email": somebody()}
    first, again = await product.do("post_twice", path="user_management/magic_auth", body=magic, key=key)
    assert first == again
    await product.house.until_caught(1, to=magic["email"])
    await asyncio.sleep(0.5)
    assert len(await product.house.inbox(to=magic["email"])) == 1


async def test_a_key_used_for_another_request_is_a_conflict(product: Product) -> None:
    key = somebody()
    asked = {"email": somebody(), "type": "MagicLink"}
    await product.do("post_twice", path="passwordless/sessions", body=asked, key=key)
    other = {"email": somebody(), "type": "MagicLink"}
    error = await refused(product, "post_twice", path="passwordless/sessions", body=other, key=key)
    assert (error.kind, error.fields["code"]) == ("ConflictError", "idempotency_conflict")


async def test_an_outage_burns_no_code(product: Product) -> None:
    code = await product.code()
    cluster = product.house.cluster
    await cluster.kill("verifier")
    try:
        exchange = asyncio.create_task(product.do("get_profile_and_token", code=code))
        await asyncio.sleep(1)
    finally:
        await cluster.start_part("verifier")
    assert (await answered(exchange, product.do, "get_profile_and_token", code=code))["profile"]["email"]
