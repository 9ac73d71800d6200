"""Passage's bodies, rendered from the native API's. Its parsers refuse nulls and missing members: each is always there (VENDORS §3.2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, Final
from urllib.parse import urlencode

from services.compat.accounts import VendorApp
from services.compat.passage.magic_link_text import MagicLinkText

NEVER: Final = "0001-01-01T00:00:00Z"
"""`last_login_at` of who never logged in: Go's zero time, the vendor's own null."""
# Passage knows three; who is locked, suspended or expired cannot log in, as an inactive user cannot.
_STATUSES: Final = {"active": "active", "pending": "pending"}


def user_item(user: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user as a list shows it."""
    return {
        "created_at": user["created_at"],
        "email": user["email"] or "",
        "email_verified": user["email_verified"],
        "external_id": user["external_id"] or "",
        "id": user["public_id"],
        "last_login_at": user["last_login_at"] or NEVER,
        "login_count": user["login_count"],
        "phone": user["phone"] or "",
        "phone_verified": user["phone_verified"],
        "status": _STATUSES.get(user["status"], "inactive"),
        "updated_at": user["updated_at"],
        "user_metadata": user["metadata"],
    }


def user_whole(user: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user as it is read by itself. Passkeys, social logins and a history of events are not kept here."""
    return {
        **user_item(user),
        "recent_events": [],
        "social_connections": {},
        "webauthn": False,
        "webauthn_devices": [],
        "webauthn_types": [],
    }


def magic_link(
    app: VendorApp, link: Mapping[str, Any], text: MagicLinkText, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a link that was made. `asked`: `identifier`, and `redirect_url` and `ttl` where the request had them."""
    return {
        "activated": False,
        "app_id": app.vendor_id,
        "id": text.id,
        "identifier": asked["identifier"],
        "redirect_url": asked.get("redirect_url") or default_redirect(app),
        "secret": text.secret,
        "ttl": asked.get("ttl") or _life_minutes(link),
        "type": link["type"],
        "url": link["url"],
        "user_id": text.user_id,
    }


def auth_result(app: VendorApp, redeemed: Mapping[str, Any], jwt: str) -> dict[str, Any]:
    """Return what a browser signs in with. `redeemed`: the native answer with a session; the refresh token ends with it."""
    result: dict[str, Any] = {"auth_token": jwt, "redirect_url": _asked_redirect(app, redeemed)}
    if redeemed.get("refresh_token"):
        result["refresh_token"] = redeemed["refresh_token"]
        result["refresh_token_expiration"] = seconds_of(redeemed["session"]["expires_at"])
    return {"auth_result": result}


def default_redirect(app: VendorApp) -> str:
    return str(app.settings.get("default_redirect_url") or "")


def page_of_users(
    app: VendorApp, users: Sequence[Mapping[str, Any]], total: int, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a page of users. `asked`: `page`, `limit` and `created_before` (seconds), and the filters, as the query had them."""
    page, limit = asked["page"], asked["limit"]
    last = max(1, ceil(total / limit))
    pages = {
        "first": 1,
        "last": last,
        "next": min(page + 1, last),
        "previous": max(page - 1, 1),
        "self": page,
    }
    path = f"/v1/apps/{app.vendor_id}/users"
    return {
        "_links": {
            name: {"href": f"{path}?{urlencode({**asked, 'page': number})}"} for name, number in pages.items()
        },
        "created_before": asked["created_before"],
        "limit": limit,
        "page": page,
        "total_users": total,
        "users": [user_item(user) for user in users],
    }


def seconds_of(instant: str) -> int:
    """Return an RFC 3339 time in seconds since 1970."""
    return int(datetime.fromisoformat(instant).timestamp())


def _life_minutes(link: Mapping[str, Any]) -> int:
    return max(1, round((seconds_of(link["expires_at"]) - seconds_of(link["created_at"])) / 60))


def _asked_redirect(app: VendorApp, redeemed: Mapping[str, Any]) -> str:
    """Return where the browser goes next: as the product wrote it, which may be a path of its own."""
    link = redeemed.get("link") or {}
    given = (link.get("metadata") or {}).get("redirect_url")
    return str(given or link.get("redirect_url") or default_redirect(app))
