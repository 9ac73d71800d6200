"""The native public keys in the form that every vendor's parser takes (VENDORS §0.4)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.compat.native import Caller

# What some SDKs' parsers want to see. There are no certificates, so their members are empty.
_MORE: Final = {"use": "sig", "key_ops": ["verify"], "x5c": [], "x5tS256": "", "x5t#S256": ""}


async def native_keys(native: Caller) -> list[dict[str, Any]]:
    """Return the public keys that native JWTs are verified with, as the native API tells them."""
    found = await native.verifier("GET", "/.well-known/jwks.json")
    keys: list[dict[str, Any]] = found["keys"]
    return keys


def rsa_only(keys: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the RSA keys: most vendors' JWTs are RS256, and some of their clients stumble over keys of other families."""
    return [key for key in keys if key["kty"] == "RSA"]


def for_every_parser(keys: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return keys with the members that no parser does without."""
    return [{**_MORE, **key} for key in keys]
