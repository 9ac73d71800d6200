"""One-time passcodes by SMS, WhatsApp and e-mail, by Stytch's Python SDK."""

import asyncio
import random
from collections import Counter

import pytest

from tests.conformance.sdks import SdkError
from tests.conformance.stytch.conftest import Product, new_email

pytestmark = pytest.mark.conformance
WRONG = (401, "unable_to_auth_otp_code")


def new_phone() -> str:
    # A block of German mobile numbers.
    return f"+4915{random.SystemRandom().randrange(10**8, 2 * 10**8)}"


async def texted(product: Product, to: str, count: int = 1) -> str:
    """Return the code of the newest message to a phone or address."""
    newest = (await product.house.until_caught(count, to=to))[0]
    url = f"{product.house.cluster.inbox_url}/api/messages/{newest['id']}"
    async with product.house.session.get(url) as response:
        code = str((await response.json())["passcode"])
    assert code.isdigit()
    return code


def recipient(channel: str) -> tuple[str, str, str]:
    """Return an address for a channel, and what the SDK calls it and its id."""
    if channel == "email":
        return new_email(), "email", "email_id"
    return new_phone(), "phone_number", "phone_id"


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
async def test_a_passcode_makes_a_user_signs_them_in_and_verifies(product: Product, channel: str) -> None:
    to, name, id_name = recipient(channel)
    assert (await product.refused(f"otps.{channel}.send", **{name: to}))[0] == 404
    made = await product.ask(
        f"otps.{channel}.login_or_create", **{name: to}, expiration_minutes=10, create_user_as_pending=True
    )
    assert made["user_created"] is True
    code = await texted(product, to)
    told = await product.ask(
        "otps.authenticate", method_id=made[id_name], code=code, session_duration_minutes=60
    )
    assert (told["user_id"], told["method_id"]) == (made["user_id"], made[id_name])
    (address,) = told["user"]["emails"] or told["user"]["phone_numbers"]
    assert (address["verified"], told["user"]["status"]) == (True, "active")
    (factor,) = told["session"]["authentication_factors"]
    assert (factor["type"], factor["delivery_method"]) == ("otp", channel)
    assert to in str(factor["email_factor"] or factor["phone_number_factor"])
    assert await product.refused("otps.authenticate", method_id=made[id_name], code=code) == WRONG
    sent = await product.ask(f"otps.{channel}.send", **{name: to})
    assert (sent["user_id"], sent[id_name]) == (made["user_id"], made[id_name])
    again = await product.ask(f"otps.{channel}.login_or_create", **{name: to})
    assert (again["user_created"], again[id_name]) == (False, made[id_name])


async def test_a_passcode_is_the_methods_own_and_the_newest_one_counts(product: Product) -> None:
    email, phone = new_email(), new_phone()
    user = await product.user(email=email, phone_number=phone)
    await product.ask("otps.sms.send", phone_number=phone)
    old = await texted(product, phone)
    await product.ask("otps.whatsapp.send", phone_number=phone)
    new = await texted(product, phone, 2)
    await product.ask("otps.email.send", email=email)
    mailed = await texted(product, email)
    if old != new:
        assert await product.refused("otps.authenticate", method_id=user["phone_id"], code=old) == WRONG
    if mailed != new:
        assert await product.refused("otps.authenticate", method_id=user["phone_id"], code=mailed) == WRONG
    told = await product.ask("otps.authenticate", method_id=user["phone_id"], code=new)
    assert told["method_id"] == user["phone_id"]
    told = await product.ask("otps.authenticate", method_id=user["email_id"], code=mailed)
    assert told["method_id"] == user["email_id"]


async def test_wrong_codes_and_methods_are_refused_and_five_tries_are_all(product: Product) -> None:
    email = new_email()
    made = await product.ask("otps.email.login_or_create", email=email)
    code = await texted(product, email)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    unknown = "email-test-00000000-0000-4000-8000-000000000000"
    assert await product.refused("otps.authenticate", method_id=unknown, code=code) == WRONG
    assert await product.refused("otps.authenticate", method_id="garbage", code=code) == (
        400,
        "invalid_method_id",
    )
    for _ in range(5):
        assert await product.refused("otps.authenticate", method_id=made["email_id"], code=wrong) == WRONG
    assert await product.refused("otps.authenticate", method_id=made["email_id"], code=code) == WRONG


@pytest.mark.parametrize(
    ("method", "args", "error_type"),
    [
        ("otps.sms.login_or_create", {"phone_number": "12"}, "invalid_phone_number"),
        ("otps.email.login_or_create", {"email": "nope"}, "invalid_email"),
        (
            "otps.sms.login_or_create",
            {"phone_number": "+4915112345678", "expiration_minutes": 0},
            "invalid_expiration",
        ),
        (
            "otps.email.login_or_create",
            {"email": "a@example.com", "expiration_minutes": 11},
            "invalid_expiration",
        ),
    ],
)
async def test_a_bad_request_is_refused_in_stytchs_words(
    product: Product, method: str, args: dict[str, object], error_type: str
) -> None:
    with pytest.raises(SdkError) as raised:
        await product.sdk.call("calls:ask", method=method, args=args)
    told = raised.value.fields["told"]
    assert (told["status_code"], told["error_type"]) == (400, error_type)


async def test_a_late_code_is_refused(product: Product) -> None:
    email = new_email()
    made = await product.ask("otps.email.login_or_create", email=email)
    code = await texted(product, email)
    await product.house.execute(
        "UPDATE magiclink.links SET not_before = now() - interval '1 hour', expires_at = now() - interval '1 second'"
        " WHERE user_id = $1",
        made["user_id"].removeprefix("user-test-"),
    )
    assert await product.refused("otps.authenticate", method_id=made["email_id"], code=code) == WRONG


async def test_of_fifty_who_type_the_code_at_once_one_wins(product: Product) -> None:
    """The right code by everybody: five tries are counted, one of them wins."""
    email = new_email()
    made = await product.ask("otps.email.login_or_create", email=email)
    code = await texted(product, email)

    async def authenticate() -> str:
        try:
            await product.ask("otps.authenticate", method_id=made["email_id"], code=code)
        except SdkError as error:
            return str(error.fields["told"]["error_type"])
        return "won"

    outcomes = Counter(await asyncio.gather(*(authenticate() for _ in range(50))))
    assert outcomes["won"] == 1
    assert set(outcomes) <= {"won", "unable_to_auth_otp_code"}
