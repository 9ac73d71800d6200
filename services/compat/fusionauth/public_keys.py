"""The native public keys in the forms that FusionAuth has: a JWKS that every vendor's parser takes (VENDORS §0.4), and PEM."""

from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from services.compat.native import Native

# What some SDKs' parsers want to see. There are no certificates, so their members are empty.
_MORE: Final = {"key_ops": ["verify"], "x5c": [], "x5tS256": "", "x5t#S256": ""}


async def native_keys(native: Native) -> list[dict[str, Any]]:
    """Return the public keys that native JWTs are verified with."""
    found = await native.with_key(native.own_key).verifier("GET", "/.well-known/jwks.json")
    keys: list[dict[str, Any]] = found["keys"]
    return keys


def for_every_parser(key: dict[str, Any]) -> dict[str, Any]:
    """Return a key with the members that no parser does without."""
    return {**_MORE, **key}


def pem(key: dict[str, Any]) -> str:
    """Return a key as PEM (RFC 7468 §13)."""
    public = PyJWK(key).key
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
