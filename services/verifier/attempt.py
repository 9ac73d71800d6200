"""An attempt to consume a link."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.verifier.store import Via
from shared.tokens import LinkRef


@dataclass(frozen=True, slots=True)
class Terms:
    """What else must be so; otherwise the link is refused, and not burnt.

    `code_challenge`: made from the verifier that the caller sent; it must be the link's own, None: the link must have none (a browser
    is not asked). `client`: what the link's `client` must say. `user_id`: whose link it must be.
    """

    code_challenge: str | None = None
    client: Mapping[str, str] | None = None
    user_id: UUID | None = None


NO_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One holder's wish to consume one link. The same `attempt_id` again is the same attempt and gets its answer again.

    `app_id` None: a browser, which proves nothing but the token; the link's own app then decides. `paired`: that browser holds
    the link's pairing, which a link with binding `require` asks for. A passcode needs none: it was typed by hand.
    """

    link: LinkRef
    attempt_id: UUID
    app_id: UUID | None
    via: Via
    request_id: str
    paired: bool = False
    terms: Terms = NO_TERMS
