"""Magic links by e-mail, by Stytch's Python SDK: the mail is read from the inbox, its link redeemed by the product."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.conformance.stytch.conftest import Product, new_email

pytestmark = pytest.mark.conformance
OVER = (401, "unable_to_auth_magic_link")


async def test_an_unknown_address_gets_no_link_and_nobody_is_made(product: Product) -> None:
    email = new_email()
    assert await product.refused("magic_links.email.send", email=email) == (404, "email_not_found")
    assert await product.refused("magic_links.email.revoke_invite", email=email) == (404, "email_not_found")


async def test_a_user_signs_in_by_mail_and_their_address_is_verified(product: Product) -> None:
    made = await product.user()
    email = made["user"]["emails"][0]["email"]
    sent = await product.ask("magic_links.email.send", email=email, locale="pt-br")
    assert (sent["user_id"], sent["email_id"]) == (made["user_id"], made["email_id"])
    token = await product.mailed(email)
    told = await product.ask("magic_links.authenticate", token=token, session_duration_minutes=60)
    assert told["method_id"] == made["email_id"]
    assert [one["verified"] for one in told["user"]["emails"]] == [True]
    (factor,) = told["session"]["authentication_factors"]
    assert (factor["type"], factor["delivery_method"]) == ("magic_link", "email")
    assert factor["email_factor"] == {"email_id": made["email_id"], "email_address": email}
    assert await product.refused("magic_links.authenticate", token=token) == OVER
    user = await product.ask("users.get", user_id=made["user_id"])
    assert [one["verified"] for one in user["emails"]] == [True]


async def test_login_or_create_makes_whoever_is_missing(product: Product) -> None:
    email = new_email()
    made = await product.ask("magic_links.email.login_or_create", email=email, create_user_as_pending=True)
    assert made["user_created"] is True
    assert (await product.ask("users.get", user_id=made["user_id"]))["status"] == "pending"
    told = await product.ask("magic_links.authenticate", token=await product.mailed(email))
    assert (told["user_id"], told["method_id"]) == (made["user_id"], made["email_id"])
    assert told["user"]["status"] == "active"
    again = await product.ask("magic_links.email.login_or_create", email=email)
    assert (again["user_created"], again["user_id"]) == (False, made["user_id"])
    token = await product.mailed(email, 2)
    assert (await product.ask("magic_links.authenticate", token=token))["user"]["status"] == "active"


async def test_new_users_are_sent_to_the_sign_up_page_others_to_the_login(product: Product) -> None:
    email, site = new_email(), product.house.site_url
    urls = {
        "login_magic_link_url": f"{site}/authenticate?from=login&next=%2Freports",
        "signup_magic_link_url": f"{site}/authenticate?from=signup",
    }
    await product.ask("magic_links.email.login_or_create", email=email, **urls)
    (first,) = await product.house.until_caught(1, to=email)
    assert any(
        link.startswith(f"{site}/authenticate?from=signup&stytch_token_type=magic_links&token=")
        for link in first["links"]
    )
    await product.ask("magic_links.email.send", email=email, **urls)
    second, _ = await product.house.until_caught(2, to=email)
    link = next(link for link in second["links"] if "stytch_token_type" in link)
    assert link.startswith(
        f"{site}/authenticate?from=login&next=%2Freports&stytch_token_type=magic_links&token="
    )


async def test_a_link_of_a_pkce_flow_needs_the_verifier(product: Product) -> None:
    email, verifier = new_email(), secrets.token_urlsafe(32)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    await product.ask("magic_links.email.login_or_create", email=email, code_challenge=challenge)
    token = await product.mailed(email)
    for wrong in ({}, {"code_verifier": "not-it"}):
        refused = await product.refused("magic_links.authenticate", token=token, **wrong)
        assert refused == (401, "pkce_mismatch")
    await product.ask("magic_links.authenticate", token=token, code_verifier=verifier)


async def test_an_invite_makes_a_pending_user_whom_it_activates(product: Product) -> None:
    email = new_email()
    invited = await product.ask(
        "magic_links.email.invite",
        email=email,
        invite_magic_link_url=f"{product.house.site_url}/authenticate",
        name={"first_name": "Ann", "last_name": "Lee"},
        trusted_metadata={"team": "a"},
    )
    user = await product.ask("users.get", user_id=invited["user_id"])
    assert (user["status"], user["name"]["first_name"], user["name"]["last_name"]) == (
        "pending",
        "Ann",
        "Lee",
    )
    assert user["trusted_metadata"] == {"team": "a"}
    told = await product.ask("magic_links.authenticate", token=await product.mailed(email))
    assert (told["user_id"], told["method_id"]) == (invited["user_id"], invited["email_id"])
    assert (told["user"]["status"], told["user"]["emails"][0]["verified"]) == ("active", True)


async def test_a_revoked_invite_is_worthless(product: Product) -> None:
    email = new_email()
    await product.ask("magic_links.email.invite", email=email)
    token = await product.mailed(email)
    await product.ask("magic_links.email.revoke_invite", email=email)
    assert await product.refused("magic_links.authenticate", token=token) == OVER


async def test_revoking_an_invite_leaves_logins_alone(product: Product) -> None:
    email = new_email()
    await product.ask("magic_links.email.login_or_create", email=email)
    token = await product.mailed(email)
    await product.ask("magic_links.email.revoke_invite", email=email)
    await product.ask("magic_links.authenticate", token=token)


@pytest.mark.parametrize(
    ("args", "status", "error_type"),
    [
        ({"email": "nope"}, 400, "invalid_email"),
        ({"login_magic_link_url": "https://evil.example/in"}, 400, "no_match_for_provided_magic_link_url"),
        ({"login_magic_link_url": "not a url"}, 400, "invalid_magic_link_url"),
        ({"login_expiration_minutes": 4}, 400, "invalid_expiration"),
        ({"login_expiration_minutes": 10081}, 400, "invalid_expiration"),
        ({"code_challenge": "short"}, 400, "invalid_pkce_code_challenge"),
        ({"locale": "??"}, 400, "invalid_locale"),
        ({"user_id": "garbage"}, 400, "invalid_user_id"),
    ],
)
async def test_a_bad_request_is_refused_in_stytchs_words(
    product: Product, args: dict[str, Any], status: int, error_type: str
) -> None:
    made = await product.user()
    asked = {"email": made["user"]["emails"][0]["email"], **args}
    assert await product.refused("magic_links.email.send", **asked) == (status, error_type)


async def test_an_address_of_somebody_else_is_a_duplicate(product: Product) -> None:
    one, other = await product.user(), await product.user()
    email = other["user"]["emails"][0]["email"]
    refused = await product.refused("magic_links.email.send", email=email, user_id=one["user_id"])
    assert refused == (400, "duplicate_email")
