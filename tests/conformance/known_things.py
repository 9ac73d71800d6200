"""What a cluster holds for schemathesis to ask for: without ids and tokens that exist, most of what it makes up is 404."""

import time
from typing import Any
from uuid import uuid4

from services.verifier import totp
from tests.clusters import House

SECRET = totp.secret_text(b"12345678901234567890")


async def made(house: House, url: str, body: Any = None) -> dict[str, Any]:
    status, answer, _ = await house.call("POST", url, body)
    assert status < 300, answer
    found: dict[str, Any] = answer
    return found


async def make_known_things(house: House) -> dict[str, str]:
    """Make one of each; return their ids and tokens by the names that schemathesis.toml and `PINNED` have for them."""
    link, waiting = await house.make_links(2, channel="none", passcode=True)
    issuer, verifier = house.issuer_url, house.verifier_url
    application = await made(house, f"{issuer}/v1/applications", {"name": "Web"})
    user = await made(house, f"{issuer}/v1/users", {"username": uuid4().hex})
    factors = f"{verifier}/v1/users/{user['id']}/second-factors"
    code = totp.code_of(totp.read_secret(SECRET), totp.step_at(time.time()))
    factor = await made(house, factors, {"type": "totp", "secret": SECRET, "code": code})
    started = {"user_id": user["id"], "refresh": True}
    session = await made(house, f"{verifier}/v1/sessions", started)
    refreshed = await made(house, f"{verifier}/v1/sessions", started)
    challenge = await made(house, f"{verifier}/v1/second-factors/challenge", {"user_id": user["id"]})
    webhook = await made(house, f"{issuer}/v1/webhooks", {"url": "https://hooks.example/in"})
    connection = await made(house, f"{issuer}/v1/connections", {"domain": f"{uuid4().hex}.example"})
    return {
        "LINK_ID": link["id"],
        "LINK_TOKEN": link["token"],
        "POLL_TOKEN": waiting["poll_token"],
        "APPLICATION_ID": application["id"],
        "USER_ID": user["id"],
        "FACTOR_ID": factor["factor"]["id"],
        "SESSION_ID": session["session"]["id"],
        "SESSION_TOKEN": session["session_token"],
        "REFRESH_TOKEN": refreshed["refresh_token"],
        "CHALLENGE": challenge["challenge"],
        "WEBHOOK_ID": webhook["id"],
        "CONNECTION_ID": connection["id"],
    }


PINNED = {
    ("PollRequest", "poll_token"): "POLL_TOKEN",
    ("StartRequest", "user_id"): "USER_ID",
    ("AuthenticateRequest", "session_token"): "SESSION_TOKEN",
    ("RefreshRequest", "refresh_token"): "REFRESH_TOKEN",
    ("ChallengeRequest", "user_id"): "USER_ID",
    ("AnswerRequest", "challenge"): "CHALLENGE",
    ("PasscodeCreate", "user_id"): "USER_ID",
    ("RegistrationCreate", "application_id"): "APPLICATION_ID",
}
"""Fields of bodies that are one of these things, as (schema, field)."""


def pinned(document: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """Return the document with these fields open to nothing but what is known."""
    schemas = document["components"]["schemas"]
    for (model, field), name in PINNED.items():
        if model in schemas:
            schemas[model]["properties"][field] = {"const": known[name]}
    return document
