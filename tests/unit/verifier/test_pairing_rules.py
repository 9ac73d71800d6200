"""Who may pair a browser: only a visit that the app's own page began (decision 0008)."""

from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.verifier.browser import PairingCookie
from services.verifier.pairing import came_from, holds_proof, may_pair, with_proof
from shared.tokens import LinkRef, PairingTicket, make_pairing_proof
from tests.seeds import RINGS

RING = RINGS["verifier"]
LINK = LinkRef(RING.newest["pairing"], UUID(int=7))
TICKET = PairingTicket(LINK, 1_000, "https://shop.example/sent")
OWN = {"https://shop.example", "https://login.shop.example:8443"}
VISIT = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Referer": "https://shop.example/"}


def row(**columns: Any) -> dict[str, Any]:
    return {
        "lives": True, "binding": "prefer", "now_seconds": 999.9, "base_url": "https://shop.example",
        "redirect_urls": ["https://login.shop.example:8443/in/*"], **columns,
    }  # fmt: skip


def test_a_visit_that_the_product_began_pairs() -> None:
    assert may_pair(row(), TICKET, VISIT)
    assert may_pair(row(binding="require"), TICKET, {"Referer": "https://login.shop.example:8443/x"})
    assert may_pair(row(base_url=None), TICKET, {"Origin": "https://login.shop.example:8443"})


@pytest.mark.parametrize(
    "change",
    [{"lives": False}, {"binding": "none"}, {"now_seconds": 1_000.0}, {"base_url": None}, {"base_url": "https://shop.example:444"}],
    ids=str,
)  # fmt: skip
def test_a_late_ticket_or_a_link_that_is_over_or_unbound_does_not(change: dict[str, Any]) -> None:
    assert not may_pair(row(**change), TICKET, VISIT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Referer": ""},
        {"Referer": "https://evil.example/"},
        {"Referer": "https://shop.example.evil.example/"},
        {"Referer": "https://shop.example@evil.example/"},
        {"Referer": "https://shop.example:444/"},
        {"Referer": "http://shop.example/"},
        {"Referer": "https://evil.example/?https://shop.example/"},
        {"Referer": "https://evil.example\\@shop.example/"},
        {"Referer": "data:text/html,https://shop.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/", "Origin": "https://shop.example"},
        {**VISIT, "Sec-Fetch-Dest": "iframe"},
        {**VISIT, "Sec-Fetch-Dest": "image"},
        {**VISIT, "Sec-Fetch-Mode": "cors"},
        {**VISIT, "Sec-Fetch-Mode": "no-cors"},
    ],
    ids=str,
)
def test_a_visit_that_another_site_began_or_nobody_vouches_for_does_not(headers: dict[str, str]) -> None:
    assert not came_from(headers, OWN)
    assert not may_pair(row(), TICKET, headers)


def test_a_proof_is_of_one_link() -> None:
    proof = make_pairing_proof(RING, LINK)
    other = LinkRef(LINK.kid, UUID(int=8))
    assert holds_proof(RING, LINK, [make_pairing_proof(RING, other), proof])
    assert not holds_proof(RING, other, [proof])
    assert not holds_proof(RING, LINK, [])


def test_a_browser_keeps_the_five_newest_proofs() -> None:
    proofs: list[str] = []
    for name in ("a", "b", "c", "d", "e", "f", "c"):
        proofs = with_proof(proofs, name)
    assert proofs == ["c", "f", "e", "d", "b"]


def test_the_cookie_is_out_of_reach_of_scripts_and_pinned_to_this_host() -> None:
    response = web.Response()
    PairingCookie("https://links.example").give(response, [make_pairing_proof(RING, LINK)], 90.9)
    morsel = response.cookies["__Host-mlp"]
    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")
    assert (morsel["path"], morsel["domain"], morsel["max-age"]) == ("/", "", "90")


@pytest.mark.parametrize("value", ["", "x", "a" * 21, "a" * 23, ".".join(["a" * 22] * 6), "a" * 22 + "."])
def test_a_strange_cookie_is_no_proof(value: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Cookie": f"mlp={value}"})
    assert PairingCookie("http://127.0.0.1:8002").read(request) == []
