"""The verifier's statements on passcodes, as functions over rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from shared.database import Pool, Row
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).parent / "passcodes.sql")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose passcode it is: one of the four is given, or none where passcodes stand alone. `channel` narrows a user's links."""

    link_id: UUID | None = None
    email: str | None = None
    phone: str | None = None
    user_id: UUID | None = None
    channel: str | None = None

    @property
    def is_nobody(self) -> bool:
        return self == Holder(channel=self.channel)


@dataclass(frozen=True, slots=True)
class Guess:
    """A passcode that somebody typed, by its attempt. `stand_in` is charged when the link is not there or not open to guesses."""

    link_id: UUID
    app_id: UUID
    attempt_id: UUID
    stand_in: UUID


class RefusedTry(NamedTuple):
    """A counted try that was wrong: the link's `tries`-th."""

    link_id: UUID
    app_id: UUID
    user_id: UUID
    tries: int
    tried_at: datetime
    request_id: str


class PasscodeStore:
    """Reads and writes for passcodes: each call is one autocommitted statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_links(self, app_id: UUID, holder: Holder) -> Sequence[Row]:
        """Read what a passcode may be meant for: the link, or of a user the newest live one and those that passcodes consumed lately."""
        if holder.link_id is not None:
            return await self._pool.fetch(SQL.find_passcode_link, app_id, holder.link_id)
        return await self._pool.fetch(
            SQL.find_passcode_links_of_user,
            app_id,
            holder.email,
            holder.phone,
            holder.user_id,
            holder.channel,
        )

    async def find_standing(self, app_id: UUID, lookups: Sequence[bytes]) -> Sequence[Row] | None:
        """Read the link that a passcode stands for by itself; None: in this app they do not."""
        rows = await self._pool.fetch(SQL.find_standing_links, app_id, list(lookups))
        if not rows or not rows[0]["passcode_standalone"]:
            return None
        found = [row for row in rows if row["id"] is not None]
        # Found by keys of different ages: it stands for neither, or one user's passcode could sign in another.
        return found if len(found) == 1 else []

    async def raise_tries(self, guess: Guess) -> Row | None:
        """Count a try before it is compared; None: there is nothing to compare it with."""
        rows = await self._pool.fetch(
            SQL.raise_tries, guess.link_id, guess.app_id, guess.attempt_id, guess.stand_in
        )
        return rows[0] if rows else None

    async def tell_refused(self, tries: Sequence[RefusedTry]) -> None:
        """Write the events of refused tries."""
        await self._pool.execute(SQL.tell_refused, *(list(column) for column in zip(*tries, strict=True)))
