"""Two projects of Stytch on one cluster: nothing of the one is anything to the other, by Stytch's own SDK."""

from dataclasses import replace
from uuid import uuid4

import pytest

from tests.conformance.stytch.conftest import Product, new_email

pytestmark = pytest.mark.conformance
NO_SESSION = (404, "session_not_found")
NO_USER = (404, "user_not_found")


@pytest.fixture(scope="module")
async def theirs(product: Product) -> Product:
    # Of the same environment: its ids look alike.
    return replace(product, credentials=await product.house.another("stytch", f"project-test-{uuid4()}"))


async def test_a_link_of_another_project_was_never_issued_and_is_not_used_up(
    product: Product, theirs: Product
) -> None:
    user = await product.user()
    created = await product.ask("magic_links.create", user_id=user["user_id"])
    refused = await theirs.refused("magic_links.authenticate", token=created["token"])
    assert refused == (404, "magic_link_not_found")
    await product.ask("magic_links.authenticate", token=created["token"])


async def test_a_session_of_another_project_is_not_found_by_token_jwt_or_id(
    product: Product, theirs: Product
) -> None:
    user = await product.user()
    created = await product.ask("magic_links.create", user_id=user["user_id"])
    told = await product.ask("magic_links.authenticate", token=created["token"], session_duration_minutes=60)
    token, jwt = told["session_token"], told["session_jwt"]
    for named in ({"session_token": token}, {"session_jwt": jwt}):
        assert await theirs.refused("sessions.authenticate", **named) == NO_SESSION
        assert await theirs.refused("sessions.revoke", **named) == NO_SESSION
    session_id = told["session"]["session_id"]
    assert await theirs.refused("sessions.revoke", session_id=session_id) == NO_SESSION
    # The SDK checks the JWT by itself, and asks when it does not find it good.
    assert await theirs.refused("sessions.authenticate_jwt", session_jwt=jwt) == NO_SESSION
    assert await theirs.ask("sessions.authenticate_jwt_local", session_jwt=jwt) is None
    own = await theirs.user()
    link = await theirs.ask("magic_links.create", user_id=own["user_id"])
    for named in ({"session_token": token}, {"session_jwt": jwt}):
        assert await theirs.refused("magic_links.authenticate", token=link["token"], **named) == NO_SESSION
    await theirs.ask("magic_links.authenticate", token=link["token"])
    assert (await product.ask("sessions.authenticate", session_token=token))["session_token"] == token


async def test_a_passcode_of_another_project_is_wrong_and_its_tries_are_not_used_up(
    product: Product, theirs: Product
) -> None:
    email = new_email()
    made = await product.ask("otps.email.login_or_create", email=email)
    newest = (await product.house.until_caught(1, to=email))[0]
    url = f"{product.house.cluster.inbox_url}/api/messages/{newest['id']}"
    async with product.house.session.get(url) as response:
        typed = {"method_id": made["email_id"], "code": str((await response.json())["passcode"])}
    for _ in range(6):
        assert await theirs.refused("otps.authenticate", **typed) == (401, "unable_to_auth_otp_code")
    await product.ask("otps.authenticate", **typed)


async def test_a_user_of_another_project_is_not_found(product: Product, theirs: Product) -> None:
    user = await product.user(external_id=new_email())
    named = {"user_id": user["user_id"]}
    for method in ("users.get", "users.update", "users.delete", "sessions.get", "magic_links.create"):
        assert await theirs.refused(method, **named) == NO_USER, method
    email, email_id = user["user"]["emails"][0]["email"], user["email_id"]
    assert await theirs.refused("users.delete_email", email_id=email_id) == (404, "email_not_found")
    assert await theirs.refused("magic_links.email.send", email=email) == (404, "email_not_found")
    for name, value in (("user_id", user["user_id"]), ("email_id", email_id), ("email_address", email)):
        query = {"operator": "AND", "operands": [{"filter_name": name, "filter_value": [value]}]}
        assert (await theirs.ask("users.search", query=query))["results"] == []
    assert (await product.ask("users.get", **named))["user_id"] == user["user_id"]
