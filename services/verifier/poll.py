"""Whoever asked for a link may wait for it to be used, elsewhere: on another device, say (docs/api.md).

A poll changes no link. Once the link is consumed it starts a session of its own, apart from that of the browser that used the link, and each
further poll gets the same one. What an attacker tries: a link of their own making, sent to somebody who presses its button, to poll for
that person's session. So the token is for keys with `links:reveal` only, which could hold the link itself, and it answers for ten minutes;
and a link with a `code_challenge` signs in nobody without its verifier, at this door too.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.verifier.attempt import Attempt
from services.verifier.login import Login
from services.verifier.proof import Asked, LoginWanted
from services.verifier.store import VerifierStore
from services.verifier.verdict import REFUSALS, Redeemed, barred, unmet
from shared.errors import LinkInvalid
from shared.links import link_view

POLL_TIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Poll:
    """Answers polls."""

    store: VerifierStore
    login: Login

    async def ask(self, attempt: Attempt, wanted: LoginWanted) -> dict[str, Any]:
        """Return where the link stands and, for ten minutes after it was used, the sign-in.

        Raises `LinkInvalid`, what the link's terms have against the sign-in, and what `Login` raises.
        """
        row = (await self.store.look([attempt])).get(attempt.attempt_id)
        if row is None:
            raise LinkInvalid
        status = "revoked" if row["found_user"] is None else row["status"]
        told = {"status": "issued" if status == "scheduled" else status, "link": link_view(row)}
        if status != "consumed" or row["looked_at"] > row["consumed_at"] + POLL_TIME:
            return told
        if row["holder_bar"]:
            raise barred(row)
        state = unmet(row, attempt.terms, attempt.via)
        if state:
            raise REFUSALS[state]
        asked = Asked(row["consumed_by"], attempt.request_id, "poll")
        return told | await self.login.complete(Redeemed(row, replayed=True), wanted, asked)
