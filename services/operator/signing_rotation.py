"""Rotation of the keys that sign JWTs, in the same two steps as the master ring (`services.operator.key_rotation`).

Products fetch the JWK Set and keep it a while, so a key must be published before it signs, and stay published until the last
JWT of it has ended. The private JWK Set carries the marks `staged_at` and `retired_at` (Unix seconds); the verifier
publishes neither.
"""

from typing import Any

import orjson

from services.operator.key_rotation import RotationRefused
from services.verifier.signing_keys import JWKS_SECONDS, JWT_SECONDS, SigningKeys, generate_signing_keys

KEEP_SECONDS = JWT_SECONDS + JWKS_SECONDS
STAGED, RETIRED = "staged_at", "retired_at"

Keys = list[dict[str, Any]]


def read(text: str) -> Keys:
    """Return the keys of a private JWK Set, each with its `kid`. Raises `SigningKeysInvalid`."""
    published = SigningKeys.parse(text).jwks["keys"]
    return [
        {**key, "kid": public["kid"]}
        for key, public in zip(orjson.loads(text)["keys"], published, strict=True)
    ]


def write(keys: Keys) -> str:
    """Return the text of a JWK Set. Raises `SigningKeysInvalid` for one that could not sign."""
    text = orjson.dumps({"keys": keys}, option=orjson.OPT_INDENT_2).decode()
    SigningKeys.parse(text)
    return text


def stage(keys: Keys, now: float) -> Keys:
    """Add a new key for each algorithm at the end: published, not signing. Raises `RotationRefused`."""
    if any(STAGED in key for key in keys):
        raise RotationRefused("keys are staged already: activate them, or drop them")
    new = orjson.loads(generate_signing_keys())["keys"]
    return [*keys, *({**key, STAGED: int(now)} for key in new)]


def activate(keys: Keys, now: float, *, force: bool = False) -> Keys:
    """Move the staged keys to the front, and mark those that signed until now. Raises `RotationRefused`."""
    staged = [key for key in keys if STAGED in key]
    if not staged:
        raise RotationRefused(
            "no key is staged: run `magiclink keys signing rotate --stage` first, and roll it out"
        )
    left = max(key[STAGED] for key in staged) + JWKS_SECONDS - now
    if left > 0 and not force:
        raise RotationRefused(
            f"products may hold a JWK Set without the new keys for {left:.0f} s more; count from the end of the roll-out"
        )
    retiring = signing_kids(keys)
    front = [{name: value for name, value in key.items() if name != STAGED} for key in staged]
    rest = [
        {**key, RETIRED: int(now)} if key.get("kid") in retiring else key for key in keys if STAGED not in key
    ]
    return [*front, *rest]


def drop(keys: Keys, kids: list[str], now: float, *, force: bool = False) -> Keys:
    """Take keys out. Raises `RotationRefused` for one that signs, or whose last JWTs may be about."""
    known = {key.get("kid"): key for key in keys}
    problems = [problem for kid in kids if (problem := _why_not(known.get(kid), kid, keys, now, force=force))]
    if problems:
        raise RotationRefused("\n".join(problems))
    return [key for key in keys if key.get("kid") not in kids]


def signing_kids(keys: Keys) -> set[str]:
    """Return the ids of the keys that sign now: the first of each algorithm."""
    return {kid for kid, _ in SigningKeys.parse(orjson.dumps({"keys": keys}).decode()).private.values()}


def droppable(keys: Keys, now: float) -> list[str]:
    """Return the ids of retired keys whose last JWTs have ended."""
    return [key["kid"] for key in keys if RETIRED in key and key[RETIRED] + KEEP_SECONDS <= now]


def _why_not(key: dict[str, Any] | None, kid: str, keys: Keys, now: float, *, force: bool) -> str | None:
    if key is None:
        return f"there is no key {kid}: `magiclink keys signing status` shows them"
    if kid in signing_kids(keys):
        return f"key {kid} signs: activate another one first"
    if force or STAGED in key:
        return None
    if RETIRED not in key:
        return f"key {kid}: nobody noted when it signed last; --force drops it"
    left = key[RETIRED] + KEEP_SECONDS - now
    return f"key {kid}: its last JWTs may be about for {left:.0f} s more" if left > 0 else None
