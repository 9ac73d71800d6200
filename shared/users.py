"""What is told of a user and of a registration, by every service in the same words."""

from collections.abc import Mapping
from typing import Any, Final

from shared.database import Row
from shared.public_ids import format_id

USER_COLUMNS: Final = (
    "id", "app_id", "email", "phone", "username", "email_verified", "phone_verified", "status", "status_reason",
    "suspended_until", "expires_at", "external_id", "imported_id", "profile", "roles", "metadata", "password_change_required",
    "has_second_factor", "login_count", "last_login_at", "created_at", "updated_at",
)  # fmt: skip
"""The columns of `magiclink.users`, all of which are told."""

REGISTRATION_COLUMNS: Final = (
    "id", "app_id", "user_id", "application_id", "roles", "username", "verified", "metadata", "last_login_at", "created_at",
    "updated_at",
)  # fmt: skip
"""The columns of `magiclink.registrations`, all of which are told."""


def user_view(row: Row | Mapping[str, Any], user_id_format: str, prefix: str = "") -> dict[str, Any]:
    """Return a user as the API tells it. `prefix`: of the columns' names in a row that joins users to something else."""
    view = {name: row[prefix + name] for name in USER_COLUMNS}
    view["public_id"] = public_id(view, user_id_format)
    return view


def public_id(user: Row | Mapping[str, Any], user_id_format: str) -> str:
    """Return the name of a user towards the product, also the `sub` of their JWTs: the id another system gave, else ours."""
    return str(user["imported_id"] or format_id(user_id_format, user["id"]))


def registration_view(row: Row | Mapping[str, Any]) -> dict[str, Any]:
    """Return a registration as the API tells it."""
    return {name: row[name] for name in REGISTRATION_COLUMNS}
