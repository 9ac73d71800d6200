"""Redemptions whose outcome nobody knows: what lets a vendor's caller ask again, who has no `Idempotency-Key` to ask with.

An attempt is named by its key (DESIGN §4). When the native API goes away in the middle of one, the link may be consumed by it, and only
that key gets its answer. So keys of such attempts are kept with what they redeemed, and the next caller with the same secret goes on
with them: as long as nobody has been told of a win, whoever asks next may have it. A key is handed to one caller at a time, so two
callers never both win.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from services.compat.native import NativeRefusal
from shared.clock import Clock, monotonic
from shared.errors import Unavailable

KEEP_SECONDS = 600.0
_MOST_SECRETS = 10_000
_MOST_KEYS = 64
# What the native API answers an attempt that did not win: this key holds no win that waits for its caller.
_LOST = frozenset({"link_consumed", "passcode_invalid", "grant_invalid", "link_invalid"})


class Attempts:
    """Keys of unfinished attempts in this process. Balance by client address where there are several."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, tuple[float, list[str]]] = OrderedDict()

    async def redeem(self, app_id: UUID, secret: str, ask: Callable[[str], Awaitable[Any]]) -> Any:
        """Redeem by `ask(idempotency key)`, first with the keys of earlier attempts on `secret` whose outcome is unknown.

        Raises what `ask` raises for the last key.
        """
        name = hashlib.sha256(f"{app_id}:{secret}".encode()).digest()
        keys = [*self._take(name), str(uuid4())]
        for place, key in enumerate(keys):
            try:
                return await ask(key)
            except NativeRefusal as refusal:
                if refusal.status >= 500:
                    self._keep(name, keys[place:])
                    raise
                if refusal.native_code not in _LOST or key is keys[-1]:
                    raise
            except BaseException as error:
                # A caller who is cancelled does not know either.
                if not isinstance(error, Exception) or isinstance(error, Unavailable):
                    self._keep(name, keys[place:])
                raise
        raise AssertionError

    def _take(self, name: bytes) -> list[str]:
        until, keys = self._open.pop(name, (0.0, []))
        return keys if until > self._clock() else []

    def _keep(self, name: bytes, keys: list[str]) -> None:
        _, others = self._open.pop(name, (0.0, []))
        self._open[name] = (self._clock() + KEEP_SECONDS, [*others, *keys][-_MOST_KEYS:])
        if len(self._open) > _MOST_SECRETS:
            self._open.popitem(last=False)
