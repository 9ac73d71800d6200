"""Redemptions whose outcome nobody knows: what lets a vendor's caller ask again, who has no `Idempotency-Key` to ask with.

An attempt is named by its key (DESIGN §4). When the native API goes away in the middle of one, the link may be consumed by it, and only
that key gets its answer. So keys of such attempts are kept with what they redeemed, and the next caller with the same secret goes on
with them: as long as nobody has been told of a win, whoever asks next may have it. A key is handed to one caller at a time, so two
callers never both win. Of a caller who sends an `Idempotency-Key` that one is kept: they may ask again with another one, once their SDK's
own retries ran out.
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
_LOST = frozenset(
    {
        "link_consumed", "passcode_invalid", "grant_invalid", "link_invalid", "challenge_invalid", "refresh_token_invalid",
    }
)  # fmt: skip
# Refusals that decide nothing: an earlier try of the same attempt may have won, its answer lost.
_PASSING = frozenset({"link_in_progress", "rate_limited"})
# What becomes of a sign-in whose link is consumed: whoever hears it has been told of the win.
_TOLD = frozenset(
    {"second_factor_required", "address_unverified", "registration_unverified", "password_change_required"}
)


class Attempts:
    """Keys of unfinished attempts in this process. Balance by client address where there are several."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[bytes, tuple[float, list[str]]] = OrderedDict()
        # Keys that another caller has gone on with.
        self._lent: OrderedDict[tuple[bytes, str], float] = OrderedDict()

    async def redeem(
        self, app_id: UUID, secret: str, ask: Callable[[str], Awaitable[Any]], own_key: str | None = None
    ) -> Any:
        """Redeem by `ask(idempotency key)`, first with the keys of earlier attempts on `secret` whose outcome is unknown.

        `own_key`: the caller's, where they send one. Raises what `ask` raises for the last key, and `Unavailable` for an `own_key` that
        somebody else has gone on with meanwhile: its answer is theirs.
        """
        name = hashlib.sha256(f"{app_id}:{secret}".encode()).digest()
        if own_key is not None and self._lent.get((name, own_key), 0.0) > self._clock():
            raise Unavailable("another attempt goes on with this one", retry_after_seconds=1)
        own_key = own_key or str(uuid4())
        keys = [*self._take(name, own_key), own_key]
        for place, key in enumerate(keys):
            try:
                return await ask(key)
            except NativeRefusal as refusal:
                if refusal.status >= 500 or refusal.native_code in _PASSING:
                    self._keep(name, keys[place:])
                    raise
                if refusal.native_code not in _LOST or key is keys[-1]:
                    # Refused on other terms than the earlier attempts' (attributes, a barred user), which may hold the win still.
                    if refusal.native_code not in _TOLD and keys[place:-1]:
                        self._keep(name, keys[place:-1])
                    raise
                self._lent.pop((name, key), None)
            except BaseException as error:
                # A caller who is cancelled does not know either.
                if not isinstance(error, Exception) or isinstance(error, Unavailable):
                    self._keep(name, keys[place:])
                raise
        raise AssertionError

    def _take(self, name: bytes, own_key: str) -> list[str]:
        until, keys = self._open.pop(name, (0.0, []))
        others = [key for key in keys if key != own_key] if until > self._clock() else []
        for key in others:
            self._lent[name, key] = self._clock() + KEEP_SECONDS
        while len(self._lent) > _MOST_SECRETS:
            self._lent.popitem(last=False)
        return others

    def _keep(self, name: bytes, keys: list[str]) -> None:
        _, others = self._open.pop(name, (0.0, []))
        kept = list(dict.fromkeys([*others, *keys]))[-_MOST_KEYS:]
        self._open[name] = (self._clock() + KEEP_SECONDS, kept)
        for key in keys:
            self._lent.pop((name, key), None)
        if len(self._open) > _MOST_SECRETS:
            self._open.popitem(last=False)
