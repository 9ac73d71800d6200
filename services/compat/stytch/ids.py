"""How Stytch names things: `<kind>-<environment>-<uuid>`, the environment being the project's (VENDORS §1.1)."""

from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from shared.public_ids import format_id, parse_id

EMAIL: Final = "email"
PHONE: Final = "phone-number"
SESSION: Final = "session"
EMBEDDED: Final = "embeddable-magic-link"
TOTP: Final = "totp"
_REQUEST = "request-id"
_USER = "user"


@dataclass(frozen=True, slots=True)
class Ids:
    """Writes and reads the ids of a project. `environment` is `test` or `live`."""

    environment: str

    @classmethod
    def of_project(cls, project_id: str) -> Self:
        """Return the ids of a project, whose own id says its environment."""
        return cls("live" if project_id.startswith("project-live-") else "test")

    def write(self, kind: str, value: UUID | str) -> str:
        """Return the id of a thing. A user's e-mail address and phone number are named by the user, who has one of each."""
        return format_id(self._form(kind), UUID(str(value)))

    def read(self, kind: str, text: str) -> UUID | None:
        """Return what a text names, or None: ids have one spelling."""
        return parse_id(self._form(kind), text)

    def is_of_user(self, text: str) -> bool:
        """Say whether a text has the form of a user's id in either environment."""
        return any(parse_id(f"{_USER}-{name}-{{uuid}}", text) for name in ("test", "live"))

    def request(self, request_id: str) -> str:
        """Return a request's id: of ours in the usual form, of the caller's as it came."""
        try:
            return self.write(_REQUEST, UUID(hex=request_id))
        except ValueError:
            return f"{_REQUEST}-{self.environment}-{request_id}"

    def _form(self, kind: str) -> str:
        return f"{kind}-{self.environment}-{{uuid}}"
