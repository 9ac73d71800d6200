"""Pages: every type of link, every refusal that has an answer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from services.verifier.views import Views
from shared.errors import Refusal
from shared.http.problems import STATUS

VIEWS = Views()


def row(**columns: Any) -> dict[str, Any]:
    return {
        "type": "login", "channel": "email", "email": "ann@example.com", "phone": "+4915123456789",
        "redirect_url": "https://p.example/in", "app_name": "acme-prod", "branding": {},
        "expires_at": datetime(2026, 3, 4, 5, 6, tzinfo=UTC), **columns,
    }  # fmt: skip


def text(**columns: Any) -> str:
    return str(VIEWS.confirm(row(**columns)).text)


@pytest.mark.parametrize(
    ("link_type", "heading"),
    [
        ("login", "Sign in to Acme"),
        ("verify_identifier", "Confirm for Acme"),
        ("invite", "Join Acme"),
    ],
)
def test_each_type_of_link_says_what_it_does(link_type: str, heading: str) -> None:
    page = text(type=link_type, branding={"product_name": "Acme"})
    assert f"<h1>{heading}</h1>" in page
    assert f"<title>{heading}</title>" in page


def test_the_account_is_the_one_the_link_was_sent_to_and_masked() -> None:
    assert "<strong>a•••@example.com</strong>" in text()
    assert "<strong>+49•••89</strong>" in text(channel="whatsapp")
    assert "<strong>+49•••89</strong>" in text(channel="none", email=None)
    assert "15123456789" not in text() + text(channel="sms")


def test_the_time_is_readable_for_people_and_for_programs() -> None:
    assert '<time datetime="2026-03-04T05:06:00+00:00">4 March 2026, 05:06 UTC</time>' in text()


@pytest.mark.parametrize("refusal", STATUS, ids=lambda refusal: refusal.code)
def test_every_refusal_has_a_page_with_its_status(refusal: type[Refusal]) -> None:
    made = refusal([]) if refusal.code == "invalid_request" else refusal(retry_after_seconds=2.5)  # type: ignore[arg-type]
    response = VIEWS.refusal(make_mocked_request("GET", "/"), made, "id")
    assert response.status == STATUS[refusal]
    assert response.text is not None
    assert response.text.count("<h1>") == 1
    assert response.headers.get("Retry-After") == (None if refusal.code == "invalid_request" else "3")
