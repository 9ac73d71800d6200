"""Embedded and sent magic links through Passage's own SDK, activated as its browser library does."""

import re

import pytest

from tests.conformance.passage.conftest import PassageHouse, fresh_email, fresh_phone, text_of

pytestmark = pytest.mark.conformance

FORM = re.compile(r"ml\.([A-Za-z0-9]+)\.([A-Za-z0-9]+)\.([A-Za-z0-9]+)")


async def test_an_embedded_link_has_the_vendors_form_and_signs_its_new_user_in(passage: PassageHouse) -> None:
    email = fresh_email()
    made = await passage.link(
        {"email": email}, options={"redirect_url": "/login", "magic_link_path": "/login", "ttl": 12, "language": "de"}
    )  # fmt: skip
    form = FORM.fullmatch(text_of(made["url"]))
    assert form is not None
    assert form.groups() == (made["id"], made["user_id"], made["secret"])
    assert made["url"] == f"{passage.house.site_url}/login?psg_magic_link={form.group()}"
    assert (made["activated"], made["app_id"], made["identifier"]) == (False, passage.app_id, email)
    assert (made["ttl"], made["type"], made["redirect_url"]) == (12, "login", "/login")

    result = await passage.signed_in(made["url"])
    assert result["redirect_url"] == "/login"
    assert result["refresh_token"]
    assert result["refresh_token_expiration"] > 1_700_000_000
    assert await passage.call("validate_jwt", token=result["auth_token"]) == made["user_id"]
    user = await passage.call("get_user", user_id=made["user_id"])
    assert (user["email"], user["login_count"], user["status"]) == (email, 1, "active")
    assert not user["last_login_at"].startswith("0001")
    # Nobody knows how an embedded link came to its user.
    assert user["email_verified"] is False


async def test_a_link_works_once(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()})
    await passage.signed_in(made["url"])
    status, told = await passage.activate(made["url"])
    assert (status, told["code"]) == (401, "invalid_magic_link")


async def test_defaults_are_the_apps(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()})
    assert made["ttl"] == 60
    assert made["redirect_url"] == f"{passage.house.site_url}/login"
    assert made["url"].startswith(f"{passage.house.site_url}/?psg_magic_link=ml.")


async def test_a_sent_link_is_in_the_mail_and_verifies_the_address(passage: PassageHouse) -> None:
    email = fresh_email()
    made = await passage.link({"email": email}, send=True, options={"redirect_url": "/login"})
    (mail,) = await passage.house.until_caught(1, to=email)
    links = [link for link in mail["links"] if "psg_magic_link" in link]
    assert links
    assert text_of(links[0]) == text_of(made["url"])
    await passage.signed_in(links[0])
    user = await passage.call("get_user", user_id=made["user_id"])
    assert user["email_verified"] is True


async def test_a_mail_is_in_the_language_that_is_asked_for(passage: PassageHouse) -> None:
    mails = []
    for language in ("de", "en"):
        email = fresh_email()
        await passage.link({"email": email}, send=True, options={"language": language})
        (mail,) = await passage.house.until_caught(1, to=email)
        mails.append(mail["text"])
    assert "anmelden" in mails[0]
    assert "anmelden" not in mails[1]


async def test_two_links_for_two_channels_are_both_good(passage: PassageHouse) -> None:
    """The seed's use case: a request with an address and a number, answered through both."""
    email, phone = fresh_email(), fresh_phone()
    user = await passage.call("create_user", email=email, phone=phone)
    by_text = await passage.link({"user_id": user["id"], "channel": "phone"}, send=True)
    by_mail = await passage.link({"user_id": user["id"], "channel": "email"}, send=True)
    assert (by_text["identifier"], by_mail["identifier"]) == (phone, email)
    assert by_text["user_id"] == by_mail["user_id"] == user["id"]
    (mail,) = await passage.house.until_caught(1, to=email)
    texts = await passage.house.until_caught(1, to=phone)
    assert text_of(by_text["url"]) in texts[0]["text"]
    assert mail["links"]
    for made in (by_text, by_mail):
        result = await passage.signed_in(made["url"])
        assert await passage.call("validate_jwt", token=result["auth_token"]) == user["id"]
    told = await passage.call("get_user", user_id=user["id"])
    assert (told["email_verified"], told["phone_verified"], told["login_count"]) == (True, True, 2)


async def test_a_link_by_phone_makes_its_user(passage: PassageHouse) -> None:
    phone = fresh_phone()
    made = await passage.link({"phone": phone})
    user = await passage.call("get_user", user_id=made["user_id"])
    assert (user["phone"], user["email"]) == (phone, "")


async def test_a_link_of_type_verify_identifier_verifies(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()}, kind="verify_identifier", send=True)
    assert made["type"] == "verify_identifier"
    await passage.signed_in(made["url"])
    assert (await passage.call("get_user", user_id=made["user_id"]))["email_verified"] is True


async def test_another_device_waits_for_the_activation_and_gets_a_session_of_its_own(
    passage: PassageHouse,
) -> None:
    made = await passage.link({"email": fresh_email()})
    status, told = await passage.waited(made["id"])
    assert (status, told["code"]) == (404, "magic_link_not_found")
    mine = await passage.signed_in(made["url"])
    status, told = await passage.waited(made["id"])
    assert status == 200
    theirs = told["auth_result"]
    assert await passage.call("validate_jwt", token=theirs["auth_token"]) == made["user_id"]
    assert theirs["refresh_token"] != mine["refresh_token"]
    again = (await passage.waited(made["id"]))[1]["auth_result"]
    assert again["refresh_token"] == theirs["refresh_token"]


async def test_the_older_sdks_audience_is_in_the_jwt_too(passage: PassageHouse) -> None:
    """2.x checks the auth origin of apps that are not hosted (VENDORS §3.4)."""
    result = await passage.signed_in((await passage.link({"email": fresh_email()}))["url"])
    status, told, _ = await passage.browser("GET", "")
    assert status == 200
    origin = told["app"]["auth_origin"]
    assert await passage.call("audiences", token=result["auth_token"]) == [passage.app_id, origin]
