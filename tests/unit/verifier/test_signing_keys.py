"""JWK Sets: what may sign, what is published, and what is refused."""

from typing import Any

import jwt
import orjson
import pytest

from services.verifier.signing_keys import (
    ALGORITHMS,
    SigningKeys,
    SigningKeysInvalid,
    generate_signing_keys,
)

TEXT = generate_signing_keys()


def _keys() -> list[dict[str, Any]]:
    return list(orjson.loads(TEXT)["keys"])


def _text(keys: list[Any]) -> str:
    return orjson.dumps({"keys": keys}).decode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_signed_verifies_with_the_published_key_only(algorithm: str) -> None:
    signing = SigningKeys.parse(TEXT)
    token = signing.sign({"sub": "u"}, algorithm)
    kid = jwt.get_unverified_header(token)["kid"]
    published = jwt.PyJWKSet.from_dict(dict(signing.jwks))
    assert jwt.decode(token, published[kid].key, algorithms=[algorithm]) == {"sub": "u"}
    others = jwt.PyJWKSet.from_dict(dict(SigningKeys.parse(generate_signing_keys()).jwks))
    other = next(key for key in others if key.algorithm_name == algorithm)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, other.key, algorithms=[algorithm])


def test_nothing_private_is_published_or_shown() -> None:
    signing = SigningKeys.parse(TEXT)
    published = orjson.dumps(signing.jwks).decode()
    for jwk in _keys():
        for name in ("d", "p", "q", "dp", "dq", "qi"):
            assert jwk.get(name, "absent") not in published
            assert jwk.get(name, "absent") not in repr(signing)


def test_the_newest_key_signs_and_the_older_ones_stay_published() -> None:
    newer, older = orjson.loads(generate_signing_keys())["keys"], _keys()
    signing = SigningKeys.parse(_text([*newer, *older]))
    for algorithm in ALGORITHMS:
        kid = jwt.get_unverified_header(signing.sign({}, algorithm))["kid"]
        assert kid == next(jwk["kid"] for jwk in newer if jwk["alg"] == algorithm)
    assert {jwk["kid"] for jwk in signing.jwks["keys"]} == {jwk["kid"] for jwk in [*newer, *older]}


def test_a_public_key_is_published_and_never_signs() -> None:
    coming = dict(SigningKeys.parse(generate_signing_keys()).jwks["keys"][0])
    signing = SigningKeys.parse(_text([coming, *_keys()]))
    assert coming in signing.jwks["keys"]
    assert jwt.get_unverified_header(signing.sign({}, "EdDSA"))["kid"] != coming["kid"]


def _without(name: str) -> list[dict[str, Any]]:
    first, *rest = _keys()
    return [{member: value for member, value in first.items() if member != name}, *rest]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "not a JWK Set"),
        ("[]", "not a JWK Set"),
        ('{"keys": {}}', "list of objects"),
        (_text(_keys()[1:]), "no private key for EdDSA"),
        (_text(_without("d")), "no private key for EdDSA"),
        (_text(_without("alg")), "`alg` must be one of"),
        (_text(_without("x")), "cannot be read"),
        (_text([{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "h"}, *_keys()]), "`alg` must be"),
        (_text([{**_keys()[0], "alg": "RS256"}, *_keys()]), "is no key for RS256"),
        (_text([_keys()[0], *_keys()]), "stands twice"),
    ],
)
def test_what_is_no_set_of_signing_keys_is_refused_without_showing_a_key(text: str, rule: str) -> None:
    with pytest.raises(SigningKeysInvalid, match=rule) as refused:
        SigningKeys.parse(text)
    assert _keys()[0]["d"] not in str(refused.value)


def test_a_short_rsa_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwt.algorithms import RSAAlgorithm

    short = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024), as_dict=True)  # noqa: S505 - the point
    with pytest.raises(SigningKeysInvalid, match="2048 bits"):
        SigningKeys.parse(_text([{**short, "alg": "RS256", "kid": "short"}, *_keys()]))


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_own_jwts_are_read_whatever_their_times_and_nobody_elses(algorithm: str) -> None:
    signing = SigningKeys.parse(_text(_keys()))
    late = signing.sign({"sub": "u", "exp": 1, "nbf": 2**40, "aud": "a"}, algorithm)
    assert signing.read(late) == {"sub": "u", "exp": 1, "nbf": 2**40, "aud": "a"}
    header, payload, signature = late.split(".")
    for text in (
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload[:-2]}.{signature}",
        "",
        "é.a.b",
    ):
        assert signing.read(text) is None
    assert SigningKeys.parse(generate_signing_keys()).read(late) is None


def test_a_header_does_not_choose_the_algorithm_of_a_key() -> None:
    signing = SigningKeys.parse(_text(_keys()))
    kid = jwt.get_unverified_header(signing.sign({"sub": "u"}, "EdDSA"))["kid"]
    for algorithm, key in (("HS256", "x" * 64), ("none", "")):
        assert signing.read(jwt.encode({"sub": "u"}, key, algorithm=algorithm, headers={"kid": kid})) is None
