"""What passcodes without a link, revealed links and new fields of links answer, and webhooks, in the states that they can have."""

from dataclasses import replace
from uuid import uuid4

from tests.clusters import REDIRECT
from tests.conformance.documented import Documented

PASSCODE, VERIFY, SEND = "POST /v1/passcodes", "POST /v1/passcodes/verify", "POST /v1/passcodes/send"
REVEAL = "POST /v1/links/{id}/reveal"


def address() -> str:
    return f"u{uuid4().hex}@example.com"


async def links_in_other_forms(documented: Documented) -> None:
    wanted = {
        "email": address(),
        "redirect_url": REDIRECT,
        "channel": "email",
        "new_user_status": "pending",
        "verify_address": True,
        "grant_ttl_seconds": 600,
    }
    site = documented.house.cluster.site_url
    form = f"{site}{REDIRECT}?token={{token}}&poll={{poll_token}}"
    made = await documented.call("issuer", "POST /v1/links", {**wanted, "url_template": form})
    assert made["user_created"]
    assert made["link"]["url"].startswith(f"{site}{REDIRECT}?token=")
    unknown = {"email": address(), "redirect_url": REDIRECT, "create_user": False}
    refused = await documented.refused("invalid_request", "issuer", "POST /v1/links", unknown)
    assert [fault["rule"] for fault in refused["errors"]] == ["user_unknown"]
    bare = {**wanted, "url_template": "https://evil.example/?token={token}"}
    await documented.refused("invalid_request", "issuer", "POST /v1/links", bare)
    redeemed = await documented.call(
        "verifier",
        "POST /v1/links/verify",
        {"token": made["link"]["token"], "user_id": made["link"]["user_id"]},
    )
    assert (redeemed["user"]["status"], redeemed["user"]["email_verified"]) == ("active", True)


async def reveals(documented: Documented) -> None:
    (link,) = await documented.house.make_links(1, passcode=True)
    revealed = await documented.call("issuer", REVEAL, id=link["id"])
    assert revealed["link"]["token"] == link["token"]
    await documented.refused("not_found", "issuer", REVEAL, id=uuid4())
    await documented.call("issuer", "POST /v1/links/{id}/revoke", id=link["id"])
    await documented.refused("link_over", "issuer", REVEAL, id=link["id"])


async def passcodes_alone(documented: Documented) -> None:
    email = address()
    wanted = {"email": email, "channel": "email", "ttl_seconds": 60}
    made = await documented.call("issuer", PASSCODE, wanted, key=(once := str(uuid4())))
    again = await documented.call("issuer", PASSCODE, wanted, key=once)
    assert again["passcode"] == made["passcode"]
    await documented.refused("idempotency_conflict", "issuer", PASSCODE, {"email": address()}, key=once)
    assert (await documented.call("issuer", PASSCODE, {"email": address()}))["message"] is None
    await documented.refused("invalid_request", "issuer", PASSCODE, {})
    await documented.refused("invalid_request", "issuer", PASSCODE, {**wanted, "template": "login"})
    right = {"passcode": made["passcode"]["code"], "user_id": made["passcode"]["user_id"]}
    await documented.refused("passcode_invalid", "verifier", VERIFY, {**right, "channel": "phone"})
    await documented.refused("invalid_request", "verifier", VERIFY, {"passcode": "1", "channel": "email"})
    await documented.call("verifier", VERIFY, {**right, "channel": "email", "session": {}})
    await documented.refused("passcode_invalid", "verifier", VERIFY, right)
    await documented.refused("invalid_request", "verifier", VERIFY, {"passcode": "123456"})


async def standing_passcodes(documented: Documented) -> None:
    """Of an app whose passcodes stand alone."""
    alone = replace(documented, house=await documented.house.new_app(passcode_standalone=True))
    wanted = {"email": address(), "redirect_url": REDIRECT, "passcode": True}
    made = await alone.call(
        "issuer", "POST /v1/links", {**wanted, "redirect_url": f"{alone.house.cluster.site_url}/"}
    )
    send = {"passcode": made["link"]["passcode"], "channel": "email"}
    sent = await alone.call("issuer", SEND, send, key=(once := str(uuid4())))
    assert sent["message"]["status"] == "queued"
    await alone.call("issuer", SEND, send, key=once)
    # So soon after the first message another one is refused.
    await alone.refused("rate_limited", "issuer", SEND, send)
    await alone.refused("passcode_invalid", "issuer", SEND, {**send, "passcode": "wrong"})
    await alone.refused("invalid_request", "issuer", SEND, {"passcode": "wrong"})
    right = {"passcode": made["link"]["passcode"], "client": {"ip": "192.0.2.1"}}
    await alone.refused("passcode_invalid", "verifier", VERIFY, {**right, "passcode": "wrong"})
    await alone.call("verifier", VERIFY, right)


async def webhooks(documented: Documented) -> None:
    wanted = {"url": "https://hooks.example/in", "events": ["link.consumed"]}
    made = await documented.call("issuer", "POST /v1/webhooks", wanted, key=(once := str(uuid4())))
    assert (await documented.call("issuer", "POST /v1/webhooks", wanted, key=once))["secret"] == made[
        "secret"
    ]
    await documented.refused(
        "invalid_request", "issuer", "POST /v1/webhooks", {**wanted, "events": ["nonsense"]}
    )
    await documented.refused("invalid_request", "issuer", "POST /v1/webhooks", {"url": "ftp://hooks.example"})
    await documented.call("issuer", "GET /v1/webhooks", limit=1)
    one, path = {"id": made["id"]}, "/v1/webhooks/{id}"
    await documented.call("issuer", f"GET {path}", **one)
    await documented.call("issuer", f"POST {path}/test", **one)
    await documented.refused("not_found", "issuer", f"POST {path}/test", id=uuid4())
    await documented.call("issuer", f"DELETE {path}", **one)
    await documented.refused("not_found", "issuer", f"DELETE {path}", **one)
    await documented.refused("not_found", "issuer", f"GET {path}", **one)


PASSCODE_SCENES = (links_in_other_forms, reveals, passcodes_alone, standing_passcodes, webhooks)
