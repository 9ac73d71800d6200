"""Headers that all vendors' calls and answers have in common."""

from collections.abc import Collection

from shared.errors import Refusal
from shared.http.problems import refusal_headers
from shared.http.routes import Call

AGENT_CHARS = 512
"""The most of a `User-Agent` that the native API takes."""


def bearer(call: Call, schemes: Collection[str] = ("bearer",)) -> str | None:
    """Return what the `Authorization` header bears (RFC 6750 §2.1), None when it bears nothing of these schemes."""
    scheme, _, text = call.request.headers.get("Authorization", "").partition(" ")
    return text.strip() or None if scheme.lower() in schemes else None


def retry_headers(refusal: Refusal) -> dict[str, str]:
    """Return what a refusal says of trying again. Its `WWW-Authenticate` stays here: it names a realm that no vendor's client knows."""
    return {name: value for name, value in refusal_headers(refusal).items() if name == "Retry-After"}


def browser_client(call: Call) -> dict[str, str]:
    """Return the native `client` of a call that a browser makes itself: its address, and what it says of itself."""
    agent = call.request.headers.get("User-Agent", "")[:AGENT_CHARS]
    return {"ip": call.address, **({"user_agent": agent} if agent else {})}
