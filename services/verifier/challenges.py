"""Challenges: a first factor that is done and waits for the second, for five minutes and five tries.

1. The token's MAC is checked before any I/O.
2. A try is counted, durably, before anything is compared: five a challenge, and so many a user and day, so that new links buy no more
   guesses. No crash, no restart and no empty Redis gives a guesser one more.
3. Every confirmed factor's code is compared, in constant time; a step that was used is no step (RFC 6238 §5.2).
4. One statement spends the step and closes the challenge (G1): of two that typed the same code, one gets in.

The same attempt (`Idempotency-Key` and code) counts once in a step of 30 seconds, and gets its answer again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from services.verifier import totp
from services.verifier.sealing import FactorOf, unseal
from services.verifier.second_factors import SQL
from services.verifier.trusted_devices import TrustedDevices
from services.verifier.verdict import barred
from shared.database import Pool, Row
from shared.errors import ChallengeInvalid, FieldProblem, Invalid, NotFound, SecondFactorInvalid
from shared.keys import KeyRing
from shared.tokens import LinkRef, attempt_id, make_named, new_link_id, read_named

CHALLENGE_SECONDS = 300.0
_PURPOSE = "challenge"


@dataclass(frozen=True, slots=True)
class Opening:
    """Whose second factor is asked for, and what was asked before: `login`, as `LoginWanted.stored` makes it, with the `opener`. `link_id`: the first factor, if ours."""

    app_id: UUID
    user_id: UUID
    login: Mapping[str, Any]
    link_id: UUID | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class TypedCode:
    """A code that the caller's app passes on, the challenge that it answers, and what names the attempt (None: nobody asks again)."""

    challenge: str
    code: str
    app_id: UUID
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Matched:
    """A right code. `factor_id` None: this attempt has finished the challenge before. `row` is the challenge's."""

    row: Row
    attempt_id: UUID
    factor_id: UUID | None = None
    step: int = 0

    @property
    def replayed(self) -> bool:
        return self.factor_id is None


class Challenges:
    """The transitions of challenges."""

    def __init__(self, pool: Pool, ring: KeyRing, devices: TrustedDevices) -> None:
        self._pool = pool
        self._ring = ring
        self._devices = devices

    async def pose(self, opening: Opening) -> dict[str, Any]:
        """Open a challenge, or find the one of the same link and opener, or attempt; return it as the API tells it.

        Raises `NotFound` for the user, and `Invalid` (`no_second_factor`).
        """
        who = (opening.app_id, opening.user_id)
        factors = await self._pool.fetch(SQL.confirmed_factors, *who)
        if not factors:
            message = "has no confirmed second factor, or there is no such user"
            raise Invalid([FieldProblem("user_id", "no_second_factor", message)])
        challenge_id, kid = self._id_of(opening), self._ring.newest[_PURPOSE]
        await self._pool.execute(
            SQL.open_challenge, challenge_id, kid, *who, opening.link_id, opening.login, CHALLENGE_SECONDS
        )
        row = await self._pool.fetchrow(
            SQL.find_challenge,
            opening.app_id,
            challenge_id,
            opening.link_id,
            opening.user_id,
            opening.login.get("opener"),
        )
        if row is None:
            raise NotFound("no such user")
        # With a key that was dropped from the ring nobody could tell this challenge from garbage.
        if self._ring.key(_PURPOSE, row["kid"]) is None:
            raise ChallengeInvalid
        return {
            "challenge": make_named(self._ring, _PURPOSE, LinkRef(row["kid"], row["id"])),
            "challenge_expires_at": row["expires_at"],
            "methods": [{"id": factor["id"], "type": factor["type"]} for factor in factors],
        }

    async def match(self, typed: TypedCode) -> Matched:
        """Count the try and compare. Nothing is spent yet: `close` does that.

        Raises `ChallengeInvalid`, `SecondFactorInvalid`, or the refusal of a barred user.
        """
        named = read_named(self._ring, _PURPOSE, typed.challenge)
        if named is None:
            raise ChallengeInvalid
        attempt = self._attempt_id(named, typed)
        row = await self._count_try(named, typed.app_id, attempt)
        if row["mine"]:
            return Matched(row, attempt)
        factors = await self._pool.fetch(SQL.confirmed_factors, row["app_id"], row["user_id"])
        # A list: every factor is compared, whichever matches.
        found = [(factor, self._step(factor, row, typed.code)) for factor in factors]
        for factor, step in found:
            if step is not None:
                return Matched(row, attempt, factor["id"], step)
        # The same attempt, sent twice at once, may have spent the step since the try was counted.
        return Matched(await self._done_by(attempt, row), attempt)

    async def close(self, matched: Matched, *, trust_device: bool) -> Row:
        """Spend the code and close the challenge for this attempt; return the challenge, done. Raises `SecondFactorInvalid` for a late winner."""
        row = matched.row
        if matched.factor_id is None:
            return row
        await self._pool.execute(
            SQL.finish_challenge, row["app_id"], row["user_id"], matched.factor_id, matched.step,
            row["id"], matched.attempt_id, self._devices.newest_kid(), trust_device,
        )  # fmt: skip
        return await self._done_by(matched.attempt_id, row)

    async def _done_by(self, attempt: UUID, challenge: Row) -> Row:
        """Return the challenge as this attempt has closed it, now or before. Raises `SecondFactorInvalid` when it has not."""
        done = await self._pool.fetchrow(SQL.done_challenge, challenge["app_id"], challenge["id"], attempt)
        if done is None:
            raise SecondFactorInvalid
        return done

    async def _count_try(self, named: LinkRef, app_id: UUID, attempt: UUID) -> Row:
        user_id = await self._pool.fetchval(SQL.challenged_user, app_id, named.link_id, named.kid)
        if user_id is None:
            raise ChallengeInvalid
        async with self._pool.acquire() as connection, connection.transaction():
            holder = await connection.fetchrow(SQL.lock_holder, app_id, user_id)
            if holder is None:
                raise ChallengeInvalid
            guess = self._guess_id(named, attempt, holder["now_seconds"])
            row = await connection.fetchrow(SQL.count_try, app_id, named.link_id, attempt, user_id, guess)
        if row is None:
            raise ChallengeInvalid
        if holder["holder_bar"] is not None:
            raise barred(holder)
        return row

    def _guess_id(self, named: LinkRef, attempt: UUID, now_seconds: float) -> UUID:
        # The step is part of the name: half a minute later the same text is compared with other codes, and is a new guess.
        return attempt_id(self._ring, named, f"guess:{attempt}:{totp.step_at(now_seconds)}")

    def _step(self, factor: Row, challenge: Row, code: str) -> int | None:
        owned = FactorOf(factor["id"], challenge["user_id"])
        secret = unseal(self._ring, factor["kid"], owned, factor["secret"])
        step = None if secret is None else totp.matching_step(secret, code, challenge["now_seconds"])
        return step if step is not None and step > factor["last_step"] else None

    def _id_of(self, opening: Opening) -> UUID:
        if opening.link_id is not None or opening.idempotency_key is None:
            return new_link_id()
        named = LinkRef(self._ring.newest["replay"], opening.user_id)
        return attempt_id(self._ring, named, f"challenge:{opening.app_id}:{opening.idempotency_key}")

    def _attempt_id(self, named: LinkRef, typed: TypedCode) -> UUID:
        if typed.idempotency_key is None:
            return uuid4()
        # The code is part of the name: another guess under the same key is another attempt.
        holder = f"code:{typed.app_id}:{typed.idempotency_key}:{totp.plain_code(typed.code)}"
        return attempt_id(self._ring, named, holder)
