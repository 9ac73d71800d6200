"""The other door of a link: the passcode that stands in the same message (DESIGN §3).

1. One's own verdict first: who won, and lost the answer, gets it again, also when the tries are used up.
2. A try is counted, durably and in one statement, before anything is compared: five a link, and so many a user and day. No crash, no
   restart and no empty Redis gives a guesser one more (G8).
3. The passcode is derived and compared in constant time.
4. The right one consumes the link through `consume`: one record, two doors, one flag.

A 503 between 2 and 4 burns nothing. The try is spent, except for the same attempt, which may ask again.
What an attacker tries: guessing in parallel, over restarts, over links and days; learning from words or time whether an address is known.
Wrong, used, late, locked and unknown give one answer, after the same reads, one write and one derivation.
"""

import hmac
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from services.verifier.attempt import Attempt
from services.verifier.consume import Consume
from services.verifier.store import Guess, Holder, VerifierStore
from services.verifier.verdict import Redeemed
from services.verifier.visits import Note, Visit
from shared.database import Row
from shared.errors import (
    LinkConsumed,
    LinkExpired,
    LinkInvalid,
    LinkNotYetValid,
    LinkRevoked,
    PasscodeInvalid,
)
from shared.keys import KeyRing
from shared.metrics import LINK_ATTEMPTS
from shared.tokens import LinkRef, attempt_id, make_passcode

_NOBODY = UUID(int=0)
_STAND_INS = 256
# People group digits, and phones and editors make typographic dashes of theirs.
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
# The link ended between the comparison and the consumption.
_OVER = (LinkInvalid, LinkConsumed, LinkExpired, LinkRevoked, LinkNotYetValid)


@dataclass(frozen=True, slots=True)
class TypedPasscode:
    """A passcode that the caller's app passes on, whose it is, and the `Idempotency-Key` that names the attempt (None: nobody asks again)."""

    text: str
    holder: Holder
    app_id: UUID
    idempotency_key: str | None
    request_id: str


class Passcodes:
    """Redeems links by their passcodes."""

    def __init__(self, store: VerifierStore, consume: Consume, ring: KeyRing, note: Note) -> None:
        self._store = store
        self._consume = consume
        self._ring = ring
        self._note = note

    async def redeem(self, typed: TypedPasscode) -> Redeemed:
        """Consume the link that the passcode belongs to, or return what this attempt won before.

        Raises `PasscodeInvalid` for whatever is wrong; `LinkInProgress` when another attempt is at the link, `Unavailable` when
        the outcome is unknown: the same attempt may ask again.
        """
        links = await self._links(typed)
        attempts = [self._attempt(row, typed) for row in links]
        for row, attempt in zip(links, attempts, strict=True):
            if row["consumed_by"] == attempt.attempt_id:
                return await self._redeem(attempt)
        live = next((attempts[at] for at, row in enumerate(links) if row["consumed_by"] is None), None)
        counted = await self._store.raise_tries(self._guess(live, typed))
        if not self._is_right(counted, typed.text) or live is None:
            self._refuse(live)
            raise PasscodeInvalid
        return await self._redeem(live)

    async def _links(self, typed: TypedPasscode) -> Sequence[Row]:
        links = await self._store.find_passcode_links(typed.app_id, typed.holder)
        # A key that was dropped from the ring takes its passcodes with it.
        return [row for row in links if self._ring.key("passcode", row["kid"]) is not None]

    def _attempt(self, row: Row, typed: TypedPasscode) -> Attempt:
        link = LinkRef(row["kid"], row["id"])
        # The passcode is part of the name, so that another guess under the same key is another attempt; and the epoch, because the same
        # text is a new guess once a resend has made another passcode.
        holder = (
            f"passcode:{typed.app_id}:{typed.idempotency_key}:{row['passcode_epoch']}:{_plain(typed.text)}"
        )
        named = uuid4() if typed.idempotency_key is None else attempt_id(self._ring, link, holder)
        return Attempt(link, named, typed.app_id, "passcode", typed.request_id)

    def _guess(self, live: Attempt | None, typed: TypedPasscode) -> Guess:
        spread = attempt_id(self._ring, self._nobody, f"stand-in:{typed.app_id}:{typed.holder}").bytes[0]
        stand_in = UUID(int=spread % _STAND_INS)
        if live is None:
            return Guess(_NOBODY, typed.app_id, uuid4(), stand_in)
        return Guess(live.link.link_id, typed.app_id, live.attempt_id, stand_in)

    def _is_right(self, row: Row | None, text: str) -> bool:
        """Compare with the counted row's passcode; without a row with nobody's, for the same work."""
        if row is None:
            expected = make_passcode(self._ring, self._nobody, 0, "digits:6")
        else:
            link = LinkRef(row["kid"], row["id"])
            expected = make_passcode(self._ring, link, row["passcode_epoch"], row["passcode_format"])
        same = hmac.compare_digest(_plain(text).encode(), _plain(expected).encode())
        return same and row is not None

    @property
    def _nobody(self) -> LinkRef:
        return LinkRef(self._ring.newest["passcode"], _NOBODY)

    def _refuse(self, live: Attempt | None) -> None:
        LINK_ATTEMPTS.labels(verdict=PasscodeInvalid.code, via="passcode").inc()
        if live is not None:
            self._note(Visit(live.link.link_id, "refused", "api", PasscodeInvalid.code, live.app_id))

    async def _redeem(self, attempt: Attempt) -> Redeemed:
        try:
            return await self._consume.consume(attempt)
        except _OVER as over:
            raise PasscodeInvalid from over


def _plain(text: str) -> str:
    """Return the one spelling of a passcode: width and case folded (full-width digits are what a Japanese keyboard types), nothing between."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()
