"""What each system's users are called there (its documents), and what of them is kept here."""

from typing import Any, Final

import orjson

from services.operator.imports.mapping import (
    Mapped,
    MapRecord,
    Record,
    Refused,
    mapping,
    moment,
    objects,
    primary,
    text,
    without_empty,
)
from shared.errors import FieldProblem


def stytch(record: Record) -> Mapped:
    """A user object of the Users API: `user_id`, `emails`, `phone_numbers`, `name`, metadata."""
    email, email_verified, more_emails = primary(objects(record, "emails"), "email", "e-mail addresses")
    phone, phone_verified, more_phones = primary(
        objects(record, "phone_numbers"), "phone_number", "phone numbers"
    )
    name, roles = mapping(record, "name"), record.get("roles")
    body = {
        "email": email,
        "email_verified": email_verified,
        "phone": phone,
        "phone_verified": phone_verified,
        "status": "locked" if record.get("is_locked") else _one_of(record, "status", ("active", "pending")),
        "external_id": text(record, "external_id"),
        "roles": [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else [],
        "profile": _names(name, "first_name", "last_name", "middle_name"),
        "metadata": without_empty(
            {
                "trusted": mapping(record, "trusted_metadata"),
                "untrusted": mapping(record, "untrusted_metadata"),
            }
        ),
    }
    others = [
        kind
        for kind in ("providers", "totps", "webauthn_registrations", "crypto_wallets")
        if record.get(kind)
    ]
    if record.get("password"):
        others.append("password")
    return Mapped(
        text(record, "user_id"),
        body,
        moment(record, "created_at"),
        left_out=[*more_emails, *more_phones, *others],
    )


def workos(record: Record) -> Mapped:
    """A user object of User Management: `id`, `email`, `email_verified`, `first_name`, `metadata`, `external_id`."""
    body = {
        "email": text(record, "email"),
        "email_verified": _flag(record, "email_verified"),
        "external_id": text(record, "external_id"),
        "profile": _names(record, "first_name", "last_name")
        | without_empty({"picture": text(record, "profile_picture_url"), "locale": text(record, "locale")}),
        "metadata": mapping(record, "metadata"),
    }
    return Mapped(text(record, "id"), body, moment(record, "created_at"))


def passage(record: Record) -> Mapped:
    """A user object of the Management API: `id`, `email`, `phone`, `status`, `user_metadata`."""
    statuses = {"active": "active", "inactive": "inactive", "pending": "pending"}
    body = {
        "email": text(record, "email"),
        "email_verified": _flag(record, "email_verified"),
        "phone": text(record, "phone"),
        "phone_verified": _flag(record, "phone_verified"),
        "status": statuses[_one_of(record, "status", tuple(statuses))],
        "external_id": text(record, "external_id"),
        "metadata": mapping(record, "user_metadata"),
    }
    others = [kind for kind in ("webauthn_devices", "social_connections") if record.get(kind)]
    return Mapped(text(record, "id"), body, moment(record, "created_at"), left_out=others)


def fusionauth(record: Record) -> Mapped:
    """A user object of the User API: `id`, `email`, `username`, `data`, `registrations`, times in milliseconds."""
    expiry = moment(record, "expiry")
    body = {
        "email": text(record, "email"),
        "email_verified": _flag(record, "verified"),
        "phone": text(record, "phoneNumber", "mobilePhone"),
        "username": text(record, "username"),
        "status": "inactive" if record.get("active") is False else "active",
        "expires_at": None if expiry is None else expiry.isoformat(),
        "password_change_required": _flag(record, "passwordChangeRequired"),
        "profile": _names(record, "firstName", "lastName", "middleName")
        | without_empty(
            {
                "name": text(record, "fullName"),
                "birthdate": text(record, "birthDate"),
                "picture": text(record, "imageUrl"),
                "zoneinfo": text(record, "timezone"),
            }
        ),
        "metadata": mapping(record, "data"),
    }
    registrations = [
        {
            "application_id": text(registration, "applicationId"),
            "roles": registration.get("roles") or [],
            "username": text(registration, "username"),
            "verified": registration.get("verified") is not False,
            "metadata": mapping(registration, "data"),
        }
        for registration in objects(record, "registrations")
    ]
    others = ["two-factor methods"] if mapping(record, "twoFactor").get("methods") else []
    return Mapped(text(record, "id"), body, moment(record, "insertInstant"), registrations, others)


def supabase(record: Record) -> Mapped:
    """A row of `auth.users`: `id`, `email`, `phone`, `email_confirmed_at`, `raw_user_meta_data`, `banned_until`."""
    if moment(record, "deleted_at") is not None:
        raise Refused(FieldProblem("deleted_at", "deleted", "the user was deleted there"))
    if _flag(record, "is_anonymous"):
        raise Refused(
            FieldProblem("is_anonymous", "anonymous", "an anonymous user has no address to sign in by")
        )
    phone = text(record, "phone")
    banned_until = moment(record, "banned_until")
    of_user = _json_or_mapping(record, "raw_user_meta_data", "user_metadata")
    body = {
        "email": text(record, "email"),
        "email_verified": moment(record, "email_confirmed_at") is not None,
        # Numbers stand there without the plus of E.164.
        "phone": phone if phone is None or phone.startswith("+") else f"+{phone}",
        "phone_verified": moment(record, "phone_confirmed_at") is not None,
        "status": "active" if banned_until is None else "suspended",
        "suspended_until": None if banned_until is None else banned_until.isoformat(),
        "profile": without_empty(
            {"name": of_user.get("full_name") or of_user.get("name"), "picture": of_user.get("avatar_url")}
        ),
        "metadata": without_empty(
            {"user": of_user, "app": _json_or_mapping(record, "raw_app_meta_data", "app_metadata")}
        ),
    }
    others = ["password"] if record.get("encrypted_password") else []
    return Mapped(text(record, "id"), body, moment(record, "created_at"), left_out=others)


def table(record: Record) -> Mapped:
    """A line of a CSV whose columns are named as in `POST /v1/users`; `metadata.<name>` and `profile.<name>` are single values."""
    unknown = sorted(
        name for name in record if name not in _COLUMNS and not name.startswith(("metadata.", "profile."))
    )
    if unknown:
        known = ", ".join((*_COLUMNS, "metadata.<name>", "profile.<name>"))
        raise Refused(
            *(FieldProblem(name, "column_unknown", f"is no column; there are {known}") for name in unknown)
        )
    body: dict[str, Any] = {name: text(record, name) for name in _TEXTS}
    body |= {name: _flag(record, name) for name in _FLAGS}
    for name in ("metadata", "profile"):
        begin = f"{name}."
        single = {key.removeprefix(begin): value for key, value in record.items() if key.startswith(begin)}
        body[name] = _json_or_mapping(record, name) | single
    body["roles"] = [role.strip() for role in (text(record, "roles") or "").split(",") if role.strip()]
    return Mapped(text(record, "id"), body, moment(record, "created_at"))


_TEXTS: Final = ("email", "phone", "username", "status", "external_id", "expires_at")
_FLAGS: Final = ("email_verified", "phone_verified")
_COLUMNS: Final = ("id", *_TEXTS, *_FLAGS, "roles", "metadata", "profile", "created_at")

MAPPINGS: Final[dict[str, MapRecord]] = {
    "stytch": stytch,
    "workos": workos,
    "passage": passage,
    "fusionauth": fusionauth,
    "supabase": supabase,
    "csv": table,
}


def _names(record: Record, given: str, family: str, middle: str = "") -> dict[str, Any]:
    """Return names as OpenID Connect calls them (Core §5.1)."""
    return without_empty(
        {
            "given_name": text(record, given),
            "family_name": text(record, family),
            "middle_name": text(record, middle) if middle else None,
        }
    )


def _one_of(record: Record, name: str, allowed: tuple[str, ...]) -> str:
    value = text(record, name) or allowed[0]
    if value not in allowed:
        raise Refused(FieldProblem(name, "status_unknown", f"must be one of {', '.join(allowed)}"))
    return value


def _flag(record: Record, name: str) -> bool:
    value = record.get(name)
    words = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False, "": False}
    found = (
        value
        if isinstance(value, bool)
        else False
        if value is None
        else words.get(str(value).strip().lower())
    )
    if found is None:
        raise Refused(FieldProblem(name, "not_boolean", "must be true or false"))
    return found


def _json_or_mapping(record: Record, *names: str) -> dict[str, Any]:
    """Return an object that may stand as text, as in a CSV of a database."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError:
                raise Refused(FieldProblem(name, "not_json", "is not JSON")) from None
        if value:
            return mapping({name: value}, name)
    return {}
