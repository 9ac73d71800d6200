"""Whether a cluster that holds ten million links is as fast as one that holds a hundred thousand."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import UUID

from bench.house import House, open_house
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.history import History, fill
from bench.rows.issue import issuing
from bench.rows.verify import verifying

MANY = History(links=10_000_000, users=1_000_000)
FEW = History(links=100_000, users=10_000)
_SMOKE_PART = 500
UNIT = "requests/s"
_BOUND = Bound(0.85, 0.95, "100,000 links")
_NOTE = (
    "Two clusters side by side. Their links were loaded by SQL: spread evenly over the weekly partitions of twelve weeks, nine of ten consumed. What is "
    "measured are links made on top of them."
)


async def rows(house: House) -> list[Row]:
    """Return the rows of growth. The cluster with the many links is started, and both are filled, when the first is measured."""
    pair = _Pair(house)
    house.on_close(pair.close)
    return [
        pair.row("verify with 10 million links", lambda of: verifying(of, None), _NOTE),
        pair.row("issue with e-mail with 10 million links", lambda of: issuing(of, known=True), ""),
    ]


class _Pair:
    """The cluster that is there, with few links, and another one with many."""

    def __init__(self, few: House) -> None:
        self._few = few
        self._many: House | None = None
        self._stack = AsyncExitStack()

    def row(self, name: str, work: Callable[[House], Contender], note: str) -> Row:
        contenders: dict[bool, Contender] = {}

        def contender(label: str, *, many: bool) -> Contender:
            async def measure(effort: Effort) -> Sample:
                big = await self._ready(effort)
                if many not in contenders:
                    contenders[many] = work(big if many else self._few)
                return await contenders[many].measure(effort)

            return Contender(label, measure)

        ours, reference = contender("ours", many=True), contender("100,000 links", many=False)
        return Row(name, UNIT, ours, [reference], [_BOUND], note)

    async def _ready(self, effort: Effort) -> House:
        if self._many is None:
            part = _SMOKE_PART if effort.smoke else 1
            self._many = await self._stack.enter_async_context(open_house(self._few.folder / "many"))
            for house, history in ((self._few, FEW), (self._many, MANY)):
                await _fill(house, History(history.links // part, history.users // part))
            # Checkpoints of the loading are not of the measurement.
            await asyncio.sleep(0 if effort.smoke else 30)
        return self._many

    async def close(self) -> None:
        await self._stack.aclose()


async def _fill(house: House, history: History) -> None:
    connection = await house.database()
    try:
        await fill(connection, UUID(house.app_id), history)
    finally:
        await connection.close()
