"""Tokens of sessions: what they name, and what they do not."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.verifier.login_requests import REGISTERED_CLAIMS, LoginRequest
from services.verifier.proof import LoginWanted, SessionWanted
from services.verifier.session_requests import RevokeRequest
from services.verifier.session_tokens import SessionTokens, sid_of
from services.verifier.signing_keys import SigningKeys, generate_signing_keys
from shared.tokens import (
    EPOCH_CHARS,
    TOKEN_CHARS,
    LinkRef,
    make_refresh_token,
    make_token,
    new_link_id,
    read_refresh_token,
)
from tests.seeds import RINGS

RING = RINGS["verifier"]
TOKENS = SessionTokens(RING, SigningKeys.parse(generate_signing_keys()))
KID = TOKENS.newest_kid


def session(**columns: Any) -> dict[str, Any]:
    return {"id": uuid4(), "kid": KID, "refreshable": True, "refresh_epoch": 0, **columns}


@given(st.uuids(), st.integers(0, 2**32 - 1))
def test_a_refresh_token_reads_back_as_its_session_and_epoch(session_id: Any, epoch: int) -> None:
    ref = LinkRef(KID, session_id)
    text = make_refresh_token(RING, ref, epoch)
    assert len(text) == TOKEN_CHARS + EPOCH_CHARS
    assert text.isalnum()
    assert read_refresh_token(RING, text) == (ref, epoch)


@given(st.text(max_size=60))
def test_garbage_is_no_refresh_token(text: str) -> None:
    assert read_refresh_token(RING, text) is None


def test_no_character_of_a_refresh_token_may_be_another() -> None:
    text = make_refresh_token(RING, LinkRef(KID, new_link_id()), 7)
    for at, character in enumerate(text):
        other = "1" if character != "1" else "2"
        assert read_refresh_token(RING, text[:at] + other + text[at + 1 :]) is None
    # An epoch of more than four bytes has no second spelling.
    assert read_refresh_token(RING, text[:-EPOCH_CHARS] + "z" * EPOCH_CHARS) is None


def test_a_token_of_one_purpose_is_none_of_another() -> None:
    row = session()
    token, refresh = TOKENS.make(row), TOKENS.make_refresh(row)
    assert TOKENS.session_of(token) == row["id"]
    assert refresh is not None
    assert TOKENS.session_of(refresh) is None
    assert TOKENS.refresh_of(token) is None
    assert TOKENS.session_of(make_token(RING, row["id"])) is None
    assert TOKENS.make_refresh(session(refreshable=False)) is None


def test_the_session_of_a_link_and_opener_has_one_id() -> None:
    link, other = LinkRef(KID, new_link_id()), LinkRef(KID, new_link_id())
    ids = [TOKENS.id_of_link(link, "link"), TOKENS.id_of_link(link, "poll"), TOKENS.id_of_link(other, "link")]
    assert len(set(ids)) == 3
    assert ids[0] == TOKENS.id_of_link(link, "link")
    assert (ids[0].version, ids[0].variant) == (8, "specified in RFC 4122")
    assert ids[0].bytes[:6] == link.link_id.bytes[:6]


@pytest.mark.parametrize("claims", [{}, {"sid": None}, {"sid": 7}, {"sid": "x"}, {"sid": ["x"]}])
def test_claims_without_a_session_name_none(claims: dict[str, Any]) -> None:
    assert sid_of(claims) is None


def test_what_a_challenge_keeps_comes_back_without_the_trust_token() -> None:
    wanted = LoginWanted(
        jwt=False,
        jwt_claims={"a": 1},
        session=SessionWanted(600, {"b": 2}, refresh=True, extends=uuid4()),
        application_id=uuid4(),
        trust_token="secret",
        client={"ip": "203.0.113.1"},
    )
    stored = wanted.stored()
    assert "secret" not in str(stored)
    assert "secret" not in repr(wanted)
    back = LoginWanted.of_stored(stored)
    assert (back.jwt, back.jwt_claims, back.session, back.application_id, back.client, back.trust_token) == (
        wanted.jwt, wanted.jwt_claims, wanted.session, wanted.application_id, wanted.client, None,
    )  # fmt: skip
    assert LoginWanted.of_stored(LoginWanted().stored()) == LoginWanted()


def test_registered_claims_are_named_together() -> None:
    with pytest.raises(ValidationError, match="amr, aud, auth_time, exp, iat, iss, jti, nbf, sid, sub"):
        LoginRequest.model_validate({"jwt_claims": dict.fromkeys(REGISTERED_CLAIMS, 1)})


@pytest.mark.parametrize(
    ("body", "is_right"),
    [
        ({}, False),
        ({"session_id": str(uuid4())}, True),
        ({"session_id": str(uuid4()), "jwt": "x"}, False),
        ({"user_id": str(uuid4()), "application_id": str(uuid4())}, True),
        ({"application_id": str(uuid4())}, True),
        ({"session_token": "x", "application_id": str(uuid4())}, False),
        ({"session_token": "x", "user_id": str(uuid4()), "application_id": str(uuid4())}, False),
    ],
)
def test_a_revocation_names_one_thing(body: dict[str, str], is_right: bool) -> None:
    if is_right:
        RevokeRequest.model_validate(body)
        return
    with pytest.raises(ValidationError, match="exactly one"):
        RevokeRequest.model_validate(body)
