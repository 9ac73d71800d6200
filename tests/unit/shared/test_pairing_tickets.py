"""Pairing tickets and proofs: read back as made, and nothing else is read."""

import base64
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.tokens import (
    LinkRef,
    PairingTicket,
    make_grant,
    make_pairing_proof,
    make_pairing_ticket,
    make_token,
    read_pairing_ticket,
)

MASTER = new_master("a")
RING = KeyRing.parse(derive_ring(MASTER, "verifier"), SERVICE_PURPOSES["verifier"])
OTHER = KeyRing.parse(derive_ring(new_master("a"), "verifier"), SERVICE_PURPOSES["verifier"])
TICKETS = st.builds(
    PairingTicket,
    st.builds(LinkRef, st.just("a"), st.uuids()),
    st.integers(0, 2**40),
    st.text("abcxyz:/?&=%.", max_size=300),
)


@given(TICKETS)
def test_a_ticket_reads_back_and_stands_in_a_path(ticket: PairingTicket) -> None:
    text = make_pairing_ticket(RING, ticket)
    assert read_pairing_ticket(RING, text) == ticket
    assert text.isascii()
    assert text.replace("-", "").replace("_", "").isalnum()


@given(TICKETS, st.integers(0, 10_000), st.integers(1, 63))
def test_a_changed_ticket_is_none(ticket: PairingTicket, at: int, by: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = make_pairing_ticket(RING, ticket)
    at = 1 + at % (len(text) - 1)
    changed = alphabet[(alphabet.index(text[at]) + by) % 64]
    assert read_pairing_ticket(RING, text[:at] + changed + text[at + 1 :]) is None
    assert read_pairing_ticket(OTHER, text) is None


@given(TICKETS)
def test_a_ticket_has_one_spelling_or_it_could_be_used_more_than_once(ticket: PairingTicket) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = make_pairing_ticket(RING, ticket)
    # Its last character may have bits that mean nothing.
    assert [last for last in alphabet if read_pairing_ticket(RING, text[:-1] + last)] == [text[-1]]


@given(st.text(max_size=200) | st.text("abcAZ09_-", max_size=200))
def test_garbage_is_none(text: str) -> None:
    assert read_pairing_ticket(RING, text) is None
    assert read_pairing_ticket(RING, "a" + text) is None


@given(TICKETS)
def test_what_was_made_for_one_purpose_is_worthless_for_another(ticket: PairingTicket) -> None:
    link = ticket.link
    proof = make_pairing_proof(RING, link)
    # A proof in the place of a ticket's MAC.
    said = link.link_id.bytes + ticket.expires_at.to_bytes(8, "big")
    forged = base64.urlsafe_b64encode(base64.urlsafe_b64decode(proof + "==") + said).decode().rstrip("=")
    for text in (make_token(RING, link.link_id), make_grant(RING, link), "a" + forged):
        assert read_pairing_ticket(RING, text) is None


def test_a_ticket_past_any_size_is_none() -> None:
    link = LinkRef("a", UUID(int=1))
    assert read_pairing_ticket(RING, make_pairing_ticket(RING, PairingTicket(link, 1, "x" * 4000))) is None
