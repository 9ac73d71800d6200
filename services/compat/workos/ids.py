"""How WorkOS names things: a prefix and 26 characters of Crockford's base32 (VENDORS §2). Users are named by the app's `user_id_format`."""

from typing import Final
from uuid import UUID

from shared.errors import NotFound
from shared.public_ids import format_id, parse_id

VENDOR: Final = "workos"
SESSION: Final = "passwordless_session_{ulid}"
MAGIC_AUTH: Final = "magic_auth_{ulid}"
PROFILE: Final = "prof_{ulid}"
CONNECTION: Final = "conn_{ulid}"
CONNECTION_DOMAIN: Final = "conn_domain_{ulid}"
FACTOR: Final = "auth_factor_{ulid}"
EVENT: Final = "event_{ulid}"


def named(form: str, native_id: str) -> str:
    """Return the id of a native thing as WorkOS's SDK sees it."""
    return format_id(form, UUID(native_id))


def native_id(form: str, text: str) -> UUID:
    """Return the native id that `named` wrote. Raises `NotFound` for any other spelling: it names nothing here."""
    found = parse_id(form, text)
    if found is None:
        raise NotFound
    return found
