"""Exchanges that count once: an outage in the middle of one costs nobody a sign-in (G4)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.compat.accounts import Account
from services.compat.parts import CompatParts
from services.compat.workos.requests import step_key
from shared.http.routes import Call


@dataclass(frozen=True, slots=True)
class Redemption:
    """What is redeemed: the secret that counts once, and the native call that redeems it.

    `then` makes the vendor's answer of the native one. It belongs to the attempt: when it fails because something is away, nobody has
    been told of the win yet.
    """

    secret: str
    path: str
    body: Mapping[str, Any]
    then: Callable[[Any], Awaitable[dict[str, Any]]]


async def redeem(parts: CompatParts, call: Call, account: Account, wanted: Redemption) -> dict[str, Any]:
    """Redeem for the caller and return the vendor's answer.

    The Python SDK names its attempt by `Idempotency-Key`, the same in its retries, which is passed on; Node's SDK names none. Of both,
    `Attempts` keeps those whose outcome is unknown: a product whose retries ran out asks again by a new one.
    """

    async def ask(key: str) -> dict[str, Any]:
        return await wanted.then(await account.native.verifier("POST", wanted.path, wanted.body, key=key))

    key = step_key(call, wanted.path)
    told: dict[str, Any] = await parts.attempts.redeem(account.app.id, wanted.secret, ask, key)
    return told
