"""The keys that sign JWTs: a JWK Set (RFC 7517) with private keys, newest first.

The first private key of an algorithm signs. A key without its private part is published all the same: one that comes into use
next, or one whose last JWTs are still about.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

# How long a JWT lives, and how long a product may keep the JWK Set: a key stays published for both after it signed last.
JWT_SECONDS = 300
JWKS_SECONDS = 300
ALGORITHMS = ("EdDSA", "ES256", "RS256")
_SHORTEST_RSA_BITS = 2048
_ONLY_SIGNATURE: Any = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}
_FAMILIES: Mapping[str, type[ECAlgorithm | OKPAlgorithm | RSAAlgorithm]] = {
    "EdDSA": OKPAlgorithm,
    "ES256": ECAlgorithm,
    "RS256": RSAAlgorithm,
}
# What is public of a key, and with it the members of its thumbprint (RFC 7638 §3.2, RFC 8037 §2).
_PUBLIC_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "EdDSA": ("crv", "kty", "x"),
    "ES256": ("crv", "kty", "x", "y"),
    "RS256": ("e", "kty", "n"),
}
_SHAPES: Mapping[str, Mapping[str, str]] = {
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "RS256": {"kty": "RSA"},
}


class SigningKeysInvalid(ValueError):  # noqa: N818 - shown to an operator as it is
    """The text is no set of signing keys. The message names the key's place and the rule, never a key."""


@dataclass(frozen=True, slots=True, repr=False)
class SigningKeys:
    """Private keys by algorithm and the public JWK Set. Holds secrets: it has no representation that shows them."""

    private: Mapping[str, tuple[str, Any]]
    jwks: Mapping[str, Any]
    public: Mapping[str, jwt.PyJWK]

    @classmethod
    def parse(cls, text: str) -> "SigningKeys":
        """Read a JWK Set that can sign with every algorithm an app may choose. Raises `SigningKeysInvalid`."""
        private: dict[str, tuple[str, Any]] = {}
        public: list[dict[str, str]] = []
        for number, jwk in enumerate(_members(text), start=1):
            algorithm, kid, key = _read_key(f"key {number}", jwk)
            if any(known["kid"] == kid for known in public):
                raise SigningKeysInvalid(f"key {number}: its kid stands twice")
            public.append(_public_jwk(jwk, algorithm, kid))
            if "d" in jwk:
                private.setdefault(algorithm, (kid, key))
        missing = [algorithm for algorithm in ALGORITHMS if algorithm not in private]
        if missing:
            raise SigningKeysInvalid(f"no private key for {', '.join(missing)}, which an app may choose")
        return cls(private, {"keys": public}, {jwk["kid"]: jwt.PyJWK(jwk) for jwk in public})

    def sign(self, claims: Mapping[str, Any], algorithm: str) -> str:
        """Return a JWT (RFC 7519) with the newest key of the algorithm, named in its header's `kid`."""
        kid, key = self.private[algorithm]
        return jwt.encode(dict(claims), key, algorithm=algorithm, headers={"kid": kid})

    def read(self, text: str) -> dict[str, Any] | None:
        """Return the claims of a JWT that one of these keys signed, None for anything else. Its times are the caller's to judge."""
        try:
            key = self.public[jwt.get_unverified_header(text)["kid"]]
            # The key's own algorithm: the header's is the attacker's to choose.
            return dict(jwt.decode(text, key.key, algorithms=[key.algorithm_name], options=_ONLY_SIGNATURE))
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            return None

    def __repr__(self) -> str:
        return f"<SigningKeys of {len(self.jwks['keys'])} keys>"


def generate_signing_keys() -> str:
    """Make a JWK Set with one new private key for each algorithm."""
    keys = {
        "EdDSA": OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True),
        "ES256": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
        "RS256": RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, _SHORTEST_RSA_BITS), as_dict=True),
    }
    members = [
        {
            **{name: value for name, value in jwk.items() if name != "key_ops"},
            "alg": algorithm,
            "use": "sig",
            "kid": _thumbprint(jwk, algorithm),
        }
        for algorithm, jwk in keys.items()
    ]
    return orjson.dumps({"keys": members}, option=orjson.OPT_INDENT_2).decode()


def _members(text: str) -> list[Any]:
    try:
        keys = orjson.loads(text)["keys"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise SigningKeysInvalid("is not a JWK Set: a JSON object with `keys`") from None
    if not isinstance(keys, list) or not all(isinstance(jwk, dict) for jwk in keys):
        raise SigningKeysInvalid("is not a JWK Set: `keys` must be a list of objects")
    return keys


def _read_key(where: str, jwk: dict[str, Any]) -> tuple[str, str, Any]:
    algorithm = jwk.get("alg")
    if algorithm not in ALGORITHMS:
        raise SigningKeysInvalid(f"{where}: `alg` must be one of {', '.join(ALGORITHMS)}")
    # The key must be of its algorithm: a JWT of one made with the other's key is how verifiers are fooled.
    if any(jwk.get(name) != value for name, value in _SHAPES[algorithm].items()):
        raise SigningKeysInvalid(f"{where}: is no key for {algorithm}")
    try:
        key = _FAMILIES[algorithm].from_jwk(jwk)
        kid = jwk.get("kid") or _thumbprint(jwk, algorithm)
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError):
        raise SigningKeysInvalid(f"{where}: cannot be read") from None
    if not isinstance(kid, str):
        raise SigningKeysInvalid(f"{where}: `kid` must be a text")
    if algorithm == "RS256" and getattr(key, "key_size", 0) < _SHORTEST_RSA_BITS:
        raise SigningKeysInvalid(f"{where}: an RSA key needs {_SHORTEST_RSA_BITS} bits at least")
    return algorithm, kid, key


def _public_jwk(jwk: Mapping[str, Any], algorithm: str, kid: str) -> dict[str, str]:
    # Named one by one: what is not known to be public is not published.
    members = {name: jwk[name] for name in _PUBLIC_MEMBERS[algorithm]}
    return {**members, "alg": algorithm, "use": "sig", "kid": kid}


def _thumbprint(jwk: Mapping[str, Any], algorithm: str) -> str:
    canonical = orjson.dumps({name: jwk[name] for name in _PUBLIC_MEMBERS[algorithm]})
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).decode().rstrip("=")
