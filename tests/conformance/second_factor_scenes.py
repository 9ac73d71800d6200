"""What second factors, challenges and the login policy answer, in the states that they can have."""

import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

from services.verifier import totp
from tests.clusters import REDIRECT
from tests.conformance.documented import Documented

VERIFY, FACTORS = "POST /v1/links/verify", "/v1/users/{id}/second-factors"
CHALLENGE, ANSWER = "POST /v1/second-factors/challenge", "POST /v1/second-factors/verify"
SECRET = b"12345678901234567890"


def code_in(steps: int) -> str:
    """Return the code of a step around now, not at the very end of one."""
    left = totp.STEP_SECONDS - time.time() % totp.STEP_SECONDS
    if left < 2:
        time.sleep(left)
    return totp.code_of(SECRET, totp.step_at(time.time()) + steps)


def wrong_code() -> str:
    near = {code_in(steps) for steps in range(-3, 4)}
    return next(code for number in range(9) if (code := f"{number:06}") not in near)


async def new_user(documented: Documented, **fields: Any) -> dict[str, Any]:
    user: dict[str, Any] = await documented.call(
        "issuer", "POST /v1/users", {"username": uuid4().hex, **fields}
    )
    return user


async def link_of(documented: Documented, user: dict[str, Any]) -> dict[str, Any]:
    wanted = {"user_id": user["id"], "redirect_url": REDIRECT}
    link: dict[str, Any] = (await documented.call("issuer", "POST /v1/links", wanted))["link"]
    return link


async def factors(documented: Documented) -> None:
    of_user = {"id": (await new_user(documented))["id"]}
    made = await documented.call(
        "verifier", f"POST {FACTORS}", {"type": "totp"}, key=(once := str(uuid4())), **of_user
    )
    await documented.call("verifier", f"POST {FACTORS}", {"type": "totp"}, key=once, **of_user)
    await documented.refused("not_found", "verifier", f"POST {FACTORS}", {"type": "totp"}, id=uuid4())
    await documented.refused("invalid_request", "verifier", f"POST {FACTORS}", {"type": "sms"}, **of_user)
    known = {"type": "totp", "secret": totp.secret_text(SECRET)}
    wrong = {**known, "code": wrong_code()}
    await documented.refused("second_factor_invalid", "verifier", f"POST {FACTORS}", wrong, **of_user)
    one = {**of_user, "factor_id": made["factor"]["id"]}
    confirm = f"POST {FACTORS}/{{factor_id}}/confirm"
    await documented.refused("second_factor_invalid", "verifier", confirm, {"code": "nonsense"}, **one)
    secret = totp.read_secret(made["secret"])
    right = {"code": totp.code_of(secret, totp.step_at(time.time()))}
    await documented.call("verifier", confirm, right, **one)
    await documented.call("verifier", confirm, right, **one)
    await documented.refused("not_found", "verifier", confirm, right, **of_user, factor_id=uuid4())
    await documented.call("verifier", f"POST {FACTORS}", {**known, "code": code_in(0)}, **of_user)
    told = await documented.call("verifier", f"GET {FACTORS}", **of_user)
    assert len(told["items"]) == 2
    nobody = await documented.call("verifier", f"GET {FACTORS}", id=uuid4())
    assert nobody == {"items": []}
    await documented.call("verifier", f"DELETE {FACTORS}/{{factor_id}}", **one)
    await documented.refused("not_found", "verifier", f"DELETE {FACTORS}/{{factor_id}}", **one)
    await documented.call("verifier", f"DELETE {FACTORS}", **of_user)
    await documented.refused("not_found", "verifier", f"DELETE {FACTORS}", id=uuid4())


async def challenges(documented: Documented) -> None:
    user = await new_user(documented)
    named = {"user_id": user["id"]}
    await documented.refused("invalid_request", "verifier", CHALLENGE, named)
    known = {"type": "totp", "secret": totp.secret_text(SECRET), "code": code_in(-1)}
    await documented.call("verifier", f"POST {FACTORS}", known, id=user["id"])
    token = (await link_of(documented, user))["token"]
    first = {"token": token, "session": {"refresh": True}}
    refused = await documented.refused(
        "second_factor_required", "verifier", VERIFY, first, key=(once := str(uuid4()))
    )
    assert refused["methods"]
    again = await documented.refused("second_factor_required", "verifier", VERIFY, first, key=once)
    assert again["challenge"] == refused["challenge"]
    typed = {"challenge": refused["challenge"]}
    await documented.refused("second_factor_invalid", "verifier", ANSWER, {**typed, "code": wrong_code()})
    garbage = {"challenge": "garbage", "code": "123456"}
    await documented.refused("challenge_invalid", "verifier", ANSWER, garbage)
    await documented.refused("invalid_request", "verifier", ANSWER, typed)
    unknown = {**typed, "code": code_in(0), "application_id": str(uuid4())}
    await documented.refused("invalid_request", "verifier", ANSWER, unknown)
    right = {**typed, "code": code_in(0), "trust_device": True}
    passed = await documented.call("verifier", ANSWER, right, key=(once := str(uuid4())))
    assert passed["trust_token"]
    assert passed["session"]["factors"][-1]["type"] == "totp"
    assert (await documented.call("verifier", ANSWER, right, key=once))["trust_token"] == passed[
        "trust_token"
    ]
    await documented.refused("challenge_invalid", "verifier", ANSWER, right)
    trusted = {"token": (await link_of(documented, user))["token"], "trust_token": passed["trust_token"]}
    await documented.call("verifier", VERIFY, trusted)
    own = await documented.call("verifier", CHALLENGE, named)
    without_link = {"challenge": own["challenge"], "code": code_in(1), "jwt": False}
    assert (await documented.call("verifier", ANSWER, without_link))["link"] is None
    own = await documented.call("verifier", CHALLENGE, named)
    await documented.call("issuer", "PATCH /v1/users/{id}", {"status": "locked"}, id=user["id"])
    late = {"challenge": own["challenge"], "code": wrong_code()}
    await documented.refused("user_locked", "verifier", ANSWER, late)


async def policy(documented: Documented) -> None:
    """Redemptions that are done and sign nobody in, and those that are refused for the user's state."""
    due = await new_user(documented, password_change_required=True)
    named = {"token": (await link_of(documented, due))["token"]}
    refused = await documented.refused("password_change_required", "verifier", VERIFY, named)
    assert refused["user"]["id"] == due["id"]
    application = await documented.call(
        "issuer", "POST /v1/applications", {"name": "Web", "require_verified_registration": True}
    )
    at, user = {"application_id": application["id"]}, await new_user(documented)
    await documented.call(
        "issuer", "POST /v1/users/{id}/registrations", {**at, "verified": False}, id=user["id"]
    )
    named = {"token": (await link_of(documented, user))["token"], **at}
    refused = await documented.refused("registration_unverified", "verifier", VERIFY, named)
    assert refused["registration"]["application_id"] == application["id"]
    for status in ("inactive", "locked", "suspended"):
        barred = await new_user(documented)
        named = {"token": (await link_of(documented, barred))["token"]}
        change = {"status": status, "status_reason": "unpaid"}
        await documented.call("issuer", "PATCH /v1/users/{id}", change, id=barred["id"])
        refused = await documented.refused(f"user_{status}", "verifier", VERIFY, named)
    assert refused["status_reason"] == "unpaid"
    strict = replace(documented, house=await documented.house.new_app(require_verified=True))
    unknown = await new_user(strict, email=f"{uuid4().hex}@example.com")
    named = {"token": (await link_of(strict, unknown))["token"]}
    refused = await strict.refused("address_unverified", "verifier", VERIFY, named)
    assert refused["user"]["id"] == unknown["id"]


SECOND_FACTOR_SCENES = (factors, challenges, policy)
