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
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID, uuid4

from services.verifier.attempt import NO_TERMS, Attempt, Terms
from services.verifier.consume import Consume
from services.verifier.passcode_store import Guess, Holder, PasscodeStore
from services.verifier.refusals import Refusals
from services.verifier.verdict import Redeemed
from services.verifier.visits import Note, Visit
from shared.database import Row
from shared.errors import (
    FieldProblem,
    Invalid,
    LinkConsumed,
    LinkExpired,
    LinkInvalid,
    LinkNotYetValid,
    LinkRevoked,
    PasscodeInvalid,
)
from shared.guesses import GuessLimits
from shared.keys import KeyRing
from shared.metrics import LINK_ATTEMPTS
from shared.tokens import LinkRef, attempt_id, make_passcode, passcode_lookups, plain_passcode

_NOBODY = UUID(int=0)
_STAND_INS = 256
# The link ended between the comparison and the consumption.
_OVER = (LinkInvalid, LinkConsumed, LinkExpired, LinkRevoked, LinkNotYetValid)


@dataclass(frozen=True, slots=True)
class TypedPasscode:
    """A passcode that the caller's app passes on, whose it is, and the `Idempotency-Key` that names the attempt (None: nobody asks again).

    `ip`: the guesser's address, as the app saw it.
    """

    text: str
    holder: Holder
    app_id: UUID
    idempotency_key: str | None
    request_id: str
    terms: Terms = NO_TERMS
    ip: IPv4Address | IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is told of guesses, and what limits those at anybody's passcode."""

    note: Note
    refusals: Refusals
    limits: GuessLimits


class Passcodes:
    """Redeems links by their passcodes."""

    def __init__(self, store: PasscodeStore, consume: Consume, ring: KeyRing, watch: Watch) -> None:
        self._store = store
        self._watch = watch
        self._consume = consume
        self._ring = ring

    async def redeem(self, typed: TypedPasscode) -> Redeemed:
        """Consume the link that the passcode belongs to, or return what this attempt won before.

        Raises `PasscodeInvalid` for whatever is wrong; `LinkInProgress` when another attempt is at the link, `Unavailable` when
        the outcome is unknown: the same attempt may ask again. Without a holder also `RateLimited`, and `Invalid` in an app whose
        passcodes do not stand alone.
        """
        if not typed.holder.is_nobody:
            return await self._redeem_one_of(typed, await self._store.find_links(typed.app_id, typed.holder))
        # Guesses at anybody's passcode: no link's own five tries stop them.
        await self._watch.limits.take(typed.app_id, typed.ip, typed.text)
        redeemed = await self._redeem_one_of(typed, await self._standing(typed))
        await self._watch.limits.give_back(typed.app_id, typed.ip, typed.text)
        return redeemed

    async def _standing(self, typed: TypedPasscode) -> Sequence[Row]:
        lookups = passcode_lookups(self._ring, typed.app_id, typed.text)
        found = await self._store.find_standing(typed.app_id, lookups)
        if found is None:
            words = "give one of link_id, user_id, email, phone: this app's passcodes do not stand alone"
            raise Invalid([FieldProblem("body", "one_holder", words)])
        return found

    async def _redeem_one_of(self, typed: TypedPasscode, found: Sequence[Row]) -> Redeemed:
        # A key that was dropped from the ring takes its passcodes with it.
        links = [row for row in found if self._ring.key("passcode", row["kid"]) is not None]
        attempts = [self._attempt(row, typed) for row in links]
        for row, attempt in zip(links, attempts, strict=True):
            if row["consumed_by"] == attempt.attempt_id:
                return await self._redeem(attempt)
        live = next((attempts[at] for at, row in enumerate(links) if row["consumed_by"] is None), None)
        counted = await self._store.raise_tries(self._guess(live, typed))
        if not self._is_right(counted, typed.text) or live is None:
            self._refuse(live, counted, typed.request_id)
            raise PasscodeInvalid
        return await self._redeem(live)

    def _attempt(self, row: Row, typed: TypedPasscode) -> Attempt:
        link = LinkRef(row["kid"], row["id"])
        # The passcode is part of the name, so that another guess under the same key is another attempt; and the epoch, because the same
        # text is a new guess once a resend has made another passcode.
        holder = f"passcode:{typed.app_id}:{typed.idempotency_key}:{row['passcode_epoch']}:{plain_passcode(typed.text)}"
        named = uuid4() if typed.idempotency_key is None else attempt_id(self._ring, link, holder)
        return Attempt(link, named, typed.app_id, "passcode", typed.request_id, terms=typed.terms)

    def _guess(self, live: Attempt | None, typed: TypedPasscode) -> Guess:
        whose = typed.text if typed.holder.is_nobody else typed.holder
        spread = attempt_id(self._ring, self._nobody, f"stand-in:{typed.app_id}:{whose}").bytes[0]
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
        same = hmac.compare_digest(plain_passcode(text).encode(), plain_passcode(expected).encode())
        return same and row is not None

    @property
    def _nobody(self) -> LinkRef:
        return LinkRef(self._ring.newest["passcode"], _NOBODY)

    def _refuse(self, live: Attempt | None, counted: Row | None, request_id: str) -> None:
        LINK_ATTEMPTS.labels(verdict=PasscodeInvalid.code, via="passcode").inc()
        if live is not None:
            self._watch.note(Visit(live.link.link_id, "refused", "api", PasscodeInvalid.code, live.app_id))
        if counted is not None:
            self._watch.refusals.tell(counted, request_id)

    async def _redeem(self, attempt: Attempt) -> Redeemed:
        try:
            return await self._consume.consume(attempt)
        except _OVER as over:
            raise PasscodeInvalid from over
