"""A record on its way to become a user: checked as `POST /v1/users` would check it, with the id that it will have."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from services.issuer.registrations import RegistrationCreate
from services.issuer.user_fields import UserCreate
from services.operator.imports.mapping import Mapped, without_empty
from shared.bus import holds_nul
from shared.errors import FieldProblem, Invalid
from shared.http.routes import validate
from shared.public_ids import parse_id
from shared.tokens import new_link_id


@dataclass(frozen=True, slots=True)
class TargetApp:
    """The app that gets the users, and how it names them."""

    id: UUID
    user_id_format: str


@dataclass(slots=True)
class UserRow:
    """A user about to be made."""

    number: int
    mapped: Mapped
    user: UserCreate
    id: UUID
    imported_id: str | None
    registrations: list[RegistrationCreate] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, mapped: Mapped, app: TargetApp) -> "UserRow":
        """Return the row of a record. Raises `Invalid` with what no user may have."""
        if holds_nul([mapped.body, *map(dict, mapped.registrations)]):
            raise Invalid([FieldProblem("body", "holds_nul", "a text holds a NUL character (\\u0000)")])
        # An id that this app would write the same stays the user's own; another one is kept beside a new one.
        own = None if mapped.source_id is None else parse_id(app.user_id_format, mapped.source_id)
        ids = {"id": own, "imported_id": mapped.source_id}
        user = validate(UserCreate, without_empty({**mapped.body, **ids}))
        imported_id = mapped.source_id if own is None else None
        row = cls(number, mapped, user, own or new_link_id(), imported_id, left_out=list(mapped.left_out))
        row._read_registrations()
        return row

    @property
    def unique(self) -> dict[str, str | None]:
        """What nobody else of the app may have, in the order in which it is told."""
        return {name: getattr(self.user, name) for name in ("email", "phone", "username", "external_id")}

    def _read_registrations(self) -> None:
        for one in self.mapped.registrations:
            with suppress(Invalid):
                self.registrations.append(validate(RegistrationCreate, without_empty(one)))
        unread = len(self.mapped.registrations) - len(self.registrations)
        if unread:
            self.left_out.append(f"registration that does not fit ({unread})")


def columns_of(row: UserRow) -> tuple[Any, ...]:
    """Return the columns of `import_users`."""
    user = row.user
    return (
        row.id, user.email, user.email_verified, user.phone, user.phone_verified, user.username, user.status,
        user.suspended_until, user.expires_at, user.external_id, row.imported_id, json_text(user.profile), json_text(user.roles),
        json_text(user.metadata), user.password_change_required, row.mapped.created_at,
    )  # fmt: skip


def json_text(value: Any) -> str:
    """Return a value as a statement takes it."""
    return orjson.dumps(value).decode()
