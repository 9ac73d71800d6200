"""What of a link is secret: derived for whoever may see it, kept nowhere; with the answer that makes a link, or later."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from services.issuer.key_limits import link_problems, recipient_problem
from services.issuer.orders import Issued
from services.issuer.policy import App
from services.issuer.store import SQL
from shared.database import Pool
from shared.errors import Invalid, LinkOver, NotFound
from shared.http.routes import Caller
from shared.keys import KeyRing
from shared.link_urls import fill_secrets, link_url
from shared.tokens import LinkRef, make_passcode, make_poll_token, make_token

LIVE: Final = ("issued", "scheduled")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Secrets:
    """Derives the secrets of links."""

    ring: KeyRing
    public_url: str

    def of(self, app: App, link: Issued) -> dict[str, Any]:
        """Return `url`, `token`, `passcode` and `poll_token` of a link; one that is a passcode only has neither URL nor token.

        A link whose key was dropped from the ring opens nothing any more: of it there is nothing to reveal.
        """
        if self.ring.key("link", link.kid) is None:
            return {}
        ref = LinkRef(link.kid, link.id)
        passcode = self.passcode(link)
        poll_token = make_poll_token(self.ring, ref)
        found: dict[str, Any] = {"passcode": passcode, "poll_token": poll_token}
        if link.doors == "passcode":
            return found
        token = make_token(self.ring, link.id, link.kid)
        if link.url_template is None:
            url = link_url(self.public_url, app.landing_url, token)
        else:
            known = {"token": token, "passcode": passcode or "", "poll_token": poll_token}
            url = fill_secrets(link.url_template, {**known, "link_id": str(link.id)})
        return {**found, "url": url, "token": token}

    def passcode(self, link: Issued) -> str | None:
        """Return the passcode of a link, None if it has none, or none any more."""
        if link.passcode_format is None or self.ring.key("passcode", link.kid) is None:
            return None
        return make_passcode(self.ring, LinkRef(link.kid, link.id), link.passcode_epoch, link.passcode_format)


@dataclass(frozen=True, slots=True)
class Reveal:
    """Finds links whose secrets are asked for after they were made (decision 0011)."""

    pool: Pool

    async def one(self, app: App, caller: Caller, link_id: UUID) -> Issued:
        """Return a live link. Raises `NotFound`, `LinkOver`, or `Invalid` for what the key could not have asked for."""
        row = await self.pool.fetchrow(SQL.read_revealable, app.id, link_id)
        if row is None:
            raise NotFound("no such link")
        if row["status"] not in LIVE:
            raise LinkOver(f"the link is {row['status']}")
        problems = link_problems(caller.limits, row, allow_http=app.redirects.allow_http)
        outside = recipient_problem(caller.limits, row["email"])
        problems += [outside] if outside else []
        if problems:
            raise Invalid(problems)
        log.info("link_revealed", link_id=str(link_id), key_id=str(caller.key_id))
        return Issued(**{name: value for name, value in row.items() if name in Issued._fields})
