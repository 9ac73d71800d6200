"""A token bucket whose tokens are taken ahead of need: the limits around every request cost no trip to Redis (docs/decisions/0014)."""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from shared.clock import Clock, monotonic
from shared.limits import FailOpenBucket

_STOCK_SECONDS: Final = 0.25
_KEEP_SECONDS: Final = 1.0
_MOST_HOLDERS: Final = 10_000


class Limit(Protocol):
    """What a request passes on its way."""

    async def take(self, who: str, tokens: int = 1) -> object:
        """Take tokens from what is left to `who`. Raises `RateLimited`."""
        ...


@dataclass(slots=True)
class _Stock:
    """Tokens that this process took from a bucket and nobody used yet.

    `size`: how many it took last; `missed`: how many were needed meanwhile and taken one by one.
    """

    left: int = 0
    size: int = 1
    missed: int = 0
    taken_at: float = 0.0
    is_taking: bool = False
    is_watched: bool = False


class StockedBucket:
    """A bucket in Redis, shared by all replicas, with a stock at hand for who comes often.

    A stock lasts for about a quarter of a second and is a hundredth of the bucket at most; who comes now and then takes one token at a
    time. What stands in it was taken from the bucket, so the limit is never exceeded, by however many replicas. What is left of it
    after a second is put back.
    """

    def __init__(self, bucket: FailOpenBucket, clock: Clock = monotonic) -> None:
        self._bucket = bucket
        self._clock = clock
        self._largest = max(1, bucket.per_minute // 100)
        self._stocks: dict[str, _Stock] = {}
        self._putting_back: set[asyncio.Task[None]] = set()

    async def take(self, who: str, tokens: int = 1) -> None:
        """Take tokens, at hand or from the bucket. Raises `RateLimited` with the time until they are there."""
        stock = self._stocks.get(who)
        if stock is not None and stock.left >= tokens:
            stock.left -= tokens
            return
        stock = self._open(who) if stock is None else stock
        if stock.is_taking:
            # One takes ahead; who comes meanwhile takes for themselves.
            stock.missed += tokens
            await self._bucket.take(who, tokens)
            return
        stock.is_taking = True
        try:
            left = await self._bucket.take(who, tokens, self._next_size(stock) - 1)
        finally:
            stock.is_taking = False
        self._keep(who, stock, left)

    def _open(self, who: str) -> _Stock:
        if len(self._stocks) >= _MOST_HOLDERS:
            # Somebody with very many addresses. What was at hand is lost, which errs on the side of the limit.
            self._stocks.clear()
        stock = self._stocks[who] = _Stock()
        return stock

    def _next_size(self, stock: _Stock) -> int:
        now = self._clock()
        if now - stock.taken_at < _STOCK_SECONDS:
            stock.size = min(self._largest, stock.size * 2 + stock.missed)
        stock.taken_at, stock.missed = now, 0
        return stock.size

    def _keep(self, who: str, stock: _Stock, tokens: int) -> None:
        stock.left += tokens
        if stock.left and not stock.is_watched:
            stock.is_watched = True
            asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._put_back, who, stock)

    def _put_back(self, who: str, stock: _Stock) -> None:
        if self._clock() - stock.taken_at < _KEEP_SECONDS / 2:
            asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._put_back, who, stock)
            return
        stock.is_watched = False
        left, stock.left = stock.left, 0
        # As many as were needed this time: one, for who is gone.
        stock.size = max(1, stock.size - left)
        if left:
            task = asyncio.create_task(self._bucket.put_back(who, left), name="put-tokens-back")
            self._putting_back.add(task)
            task.add_done_callback(self._putting_back.discard)
