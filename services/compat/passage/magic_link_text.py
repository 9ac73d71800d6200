"""The text that a Passage link carries: `ml.<id>.<user>.<secret>` in the query as `psg_magic_link` (VENDORS §3.2)."""

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

PARAMETER: Final = "psg_magic_link"
TEMPLATE: Final = "ml.{poll_token}.{user_id}.{token}"
"""In the native API's words. The id that is told is a secret to poll by: the link's own id stands in events and logs."""
_MARK: Final = "ml"
_LONGEST: Final = 1024
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class MagicLinkText:
    """The parts. `id` polls for the link's activation, `secret` activates it: both are credentials, neither is shown."""

    id: str = field(repr=False)
    user_id: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the parts, or None. An imported user's id may have dots; ids and secrets have none."""
        parts = text.split(".")
        if len(text) > _LONGEST or len(parts) < _PARTS or parts[0] != _MARK or not all((parts[1], parts[-1])):
            return None
        user_id = ".".join(parts[2:-1])
        return cls(parts[1], user_id, parts[-1]) if user_id else None

    @classmethod
    def of_url(cls, url: str) -> Self | None:
        """Return the parts that a link's URL carries, or None."""
        found = parse_qs(urlsplit(url).query).get(PARAMETER)
        return cls.parse(found[-1]) if found else None
