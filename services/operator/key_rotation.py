"""Rotation of the master ring in two steps, so that every service verifies with a key before any signs with it (DESIGN §3).

1. `stage` adds a new key at the end of the ring: it verifies and does not sign. Roll the derived rings out.
2. `activate` moves it to the front: it signs. Roll out again; while old and new replicas run together, each verifies the other's links.
3. `drop` takes an old key out, once nothing in the database needs it any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from shared.database import Pool, Row
from shared.keys import KIDS, MASTER, KeyRing, new_master
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).with_name("key_rotation.sql"))


class RotationRefused(Exception):  # noqa: N818 - shown to an operator as it is
    """The step would leave services without a key they need, or makes no sense now. The message holds no key."""


@dataclass(frozen=True, slots=True)
class Need:
    """What still needs a key: links by their state, requests whose replay is recognized by it, and what outlives links.

    `exchangeable`: used within ten minutes, so that a grant may be exchanged and a poll answered. `until` None: for good, as long as a second factor is sealed with the key or a webhook's secret is made of it.
    """

    live: int = 0
    scheduled: int = 0
    exchangeable: int = 0
    replays: int = 0
    until: datetime | None = None
    sessions: int = 0
    challenges: int = 0
    trusted_devices: int = 0
    second_factors: int = 0
    webhooks: int = 0

    @property
    def links(self) -> int:
        return self.live + self.scheduled + self.exchangeable


def kids_of(ring: str) -> list[str]:
    """Return the key ids of a master ring, the signing one first. Raises `KeyRingInvalid`."""
    KeyRing.parse(ring, [MASTER])
    return [line.partition(":")[0] for line in ring.split()]


def staged_kid(kids: Sequence[str]) -> str | None:
    """Return the key that waits to be activated: the last one, when it is newer than the one that signs."""
    newer = kids[-1] == _successor(kids[0], kids[1:-1])
    return kids[-1] if len(kids) > 1 and newer else None


def stage(ring: str, kid: str | None = None) -> str:
    """Return the ring with a new key at its end. Raises `RotationRefused`."""
    kids = kids_of(ring)
    waiting = staged_kid(kids)
    if waiting is not None:
        raise RotationRefused(f"key {waiting} is staged already: activate it, or drop it")
    kid = kid or _successor(kids[0], kids)
    if kid in kids:
        raise RotationRefused(f"there is a key {kid} already")
    return "\n".join([*ring.split(), new_master(kid)])


def activate(ring: str, kid: str | None = None) -> str:
    """Return the ring with the staged key (or `kid`) in front. Raises `RotationRefused`."""
    kids = kids_of(ring)
    chosen = kid or staged_kid(kids)
    if chosen is None:
        raise RotationRefused("no key is staged: run `magiclink keys rotate --stage` first, and roll it out")
    return "\n".join([_line(ring, chosen), *(line for line in ring.split() if line != _line(ring, chosen))])


def drop(ring: str, kid: str) -> str:
    """Return the ring without a key. Raises `RotationRefused` for the one that signs."""
    if kids_of(ring)[0] == kid:
        raise RotationRefused(f"key {kid} signs: activate another one first")
    return "\n".join(line for line in ring.split() if line != _line(ring, kid))


async def needs(pool: Pool) -> dict[str, Need]:
    """Return by key id what still needs it. Reads every link that may live, which takes a while on a large table."""
    async with pool.acquire() as connection:
        await connection.execute(SQL.allow_minutes)
        links = await connection.fetch(SQL.count_links_by_kid, timeout=600)
        replays = {row["kid"]: row for row in await connection.fetch(SQL.count_replays_by_kid, timeout=600)}
        standing = await connection.fetch(SQL.count_standing_by_kid, timeout=600)
    found = {
        row["kid"]: Need(row["live"], row["scheduled"], row["exchangeable"], 0, row["until"]) for row in links
    }
    for kid, row in replays.items():
        need = found.get(kid, Need())
        until = max(need.until or row["until"], row["until"])
        found[kid] = replace(need, replays=row["replays"], until=until)
    for row in standing:
        found[row["kid"]] = _with_standing(found.get(row["kid"]), row)
    return found


def _with_standing(need: Need | None, row: Row) -> Need:
    # What stands for good outlasts whatever ends.
    until = row["until"] if need is None or row["until"] is None else max(need.until, row["until"])
    names = ("sessions", "challenges", "trusted_devices", "second_factors", "webhooks")
    return replace(need or Need(), until=until, **{name: int(row[name]) for name in names})


def _line(ring: str, kid: str) -> str:
    for line in ring.split():
        if line.partition(":")[0] == kid:
            return line
    raise RotationRefused(f"there is no key {kid}; there are {', '.join(kids_of(ring))}")


def _successor(kid: str, taken: Sequence[str]) -> str:
    at = KIDS.index(kid)
    for candidate in KIDS[at + 1 :] + KIDS[:at]:
        if candidate not in taken:
            return candidate
    raise RotationRefused("every key id is in use: drop old keys first")
