"""Users, sessions and factors as Stytch's bodies have them, whole (VENDORS §1.3, §1.4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.compat.public_keys import for_every_parser, rsa_only
from services.compat.stytch.ids import EMAIL, EMBEDDED, PHONE, SESSION, TOTP, Ids
from shared.clock import Clock, wall

SESSION_CLAIM: Final = "https://stytch.com/session"
_NAMES = {"first_name": "given_name", "middle_name": "middle_name", "last_name": "family_name"}
_LOCKED = frozenset({"locked", "suspended", "inactive"})

Native = Mapping[str, Any]


def user_object(ids: Ids, user: Native) -> dict[str, Any]:
    """Return a user. What a magic-link service knows nothing of (passkeys, wallets, passwords) is empty."""
    metadata = user["metadata"] or {}
    return {
        "user_id": user["public_id"],
        "name": {theirs: (user["profile"] or {}).get(ours, "") for theirs, ours in _NAMES.items()},
        "emails": emails(ids, user),
        "phone_numbers": phone_numbers(ids, user),
        "status": "pending" if user["status"] == "pending" else "active",
        "is_locked": is_locked(user),
        "lock_created_at": None,
        "lock_expires_at": user["suspended_until"] if is_locked(user) else None,
        "roles": list(user["roles"]),
        "external_id": user["external_id"],
        "trusted_metadata": metadata.get("trusted", {}),
        "untrusted_metadata": metadata.get("untrusted", {}),
        "created_at": user["created_at"],
        "password": None,
        "webauthn_registrations": [],
        "providers": [],
        "totps": [],
        "crypto_wallets": [],
        "biometric_registrations": [],
    }


def is_locked(user: Native, clock: Clock = wall) -> bool:
    """Say whether a user may not sign in now. A suspension may end by itself."""
    if user["status"] == "suspended" and user["suspended_until"] is not None:
        return datetime.fromisoformat(user["suspended_until"]).timestamp() > clock()
    return user["status"] in _LOCKED


def emails(ids: Ids, user: Native) -> list[dict[str, Any]]:
    """Return the user's e-mail address, if any: users here have one."""
    if user["email"] is None:
        return []
    return [{"email_id": email_id(ids, user), "email": user["email"], "verified": user["email_verified"]}]


def phone_numbers(ids: Ids, user: Native) -> list[dict[str, Any]]:
    """Return the user's phone number, if any."""
    if user["phone"] is None:
        return []
    return [
        {"phone_id": phone_id(ids, user), "phone_number": user["phone"], "verified": user["phone_verified"]}
    ]


def email_id(ids: Ids, user: Native) -> str:
    """Return the id of the user's address; empty without one."""
    return ids.write(EMAIL, user["id"]) if user["email"] is not None else ""


def phone_id(ids: Ids, user: Native) -> str:
    """Return the id of the user's number; empty without one."""
    return ids.write(PHONE, user["id"]) if user["phone"] is not None else ""


def profile_of(name: Native | None) -> dict[str, str]:
    """Return what a Stytch `name` says, as a native profile does (OpenID Connect Core §5.1)."""
    given = name or {}
    return {ours: given[theirs] for theirs, ours in _NAMES.items() if given.get(theirs) is not None}


def method_id(ids: Ids, link: Native, user: Native) -> str:
    """Return by what the user authenticated: the id of their address, their number or their embeddable links."""
    kinds = {"none": EMBEDDED, "email": EMAIL}
    return ids.write(kinds.get(link["channel"], PHONE), user["id"])


def session_object(ids: Ids, session: Native, user: Native) -> dict[str, Any]:
    """Return a session."""
    return {
        "session_id": ids.write(SESSION, session["id"]),
        "user_id": user["public_id"],
        "started_at": session["started_at"],
        "last_accessed_at": session["last_accessed_at"],
        "expires_at": session["expires_at"],
        "attributes": attributes(session["client"]),
        "authentication_factors": factors(ids, session["factors"], user),
        "custom_claims": session["claims"],
        "roles": list(user["roles"]),
    }


def session_claim(session: Native) -> dict[str, Any]:
    """Return what the session's JWT says of a session object under `SESSION_CLAIM`; SDKs read it locally (VENDORS §1.7)."""
    kept = ("started_at", "last_accessed_at", "expires_at", "attributes", "authentication_factors", "roles")
    return {"id": session["session_id"], **{name: session[name] for name in kept}}


def attributes(client: Native | None) -> dict[str, str]:
    """Return what Stytch calls attributes: the address and browser of who asked."""
    known = client or {}
    return {"ip_address": known.get("ip") or "", "user_agent": known.get("user_agent") or ""}


def factors(ids: Ids, shown: Sequence[Native], user: Native) -> list[dict[str, Any]]:
    """Return the ways in which the user authenticated, each once: shown again, it is the same factor with a later time."""
    ways: dict[tuple[Any, ...], list[Native]] = {}
    for one in shown:
        ways.setdefault((one["type"], one["delivery_method"], one["address"]), []).append(one)
    return [
        {
            **factor(ids, same[-1], user),
            "created_at": same[0]["at"],
            "updated_at": same[-1]["at"],
            "last_authenticated_at": same[-1]["at"],
        }
        for same in ways.values()
    ]


def factor(ids: Ids, one: Native, user: Native) -> dict[str, Any]:
    """Return a way to authenticate. `type` and `delivery_method` are of closed sets in SDKs."""
    told = {"type": one["type"], "delivery_method": one["delivery_method"]}
    match one["type"], one["delivery_method"]:
        case "totp", _:
            app = {"totp_id": ids.write(TOTP, user["id"])}
            return {**told, "delivery_method": "authenticator_app", "authenticator_app_factor": app}
        case _, "email":
            address = {"email_id": ids.write(EMAIL, user["id"]), "email_address": one["address"]}
            return {**told, "email_factor": address}
        case _, "sms" | "whatsapp":
            number = {"phone_id": ids.write(PHONE, user["id"]), "phone_number": one["address"]}
            return {**told, "phone_number_factor": number}
        case _:
            embedded = {"embedded_id": ids.write(EMBEDDED, user["id"])}
            return {**told, "delivery_method": "embedded", "embeddable_magic_link_factor": embedded}


def jwks(keys: list[Native]) -> list[dict[str, Any]]:
    """Return the RSA keys of a key set with every member that Stytch's parser wants (VENDORS §0.4)."""
    return for_every_parser(rsa_only(keys))
