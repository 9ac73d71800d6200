"""Pages made of skeletons: the bytes that jinja alone would write, whoever chose what stands in them."""

from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args

import pytest
from aiohttp.test_utils import make_mocked_request
from markupsafe import Markup

from services.verifier import colours, page_headers, skeletons, views, visitors, wording
from services.verifier.skeletons import Skeleton
from services.verifier.views import Brand, Face, Form, Slots, Views
from services.verifier.wording import LOCALES, Wordings
from shared.recipients import mask
from shared.slots import slot

VIEWS = Views()
WORDINGS = Wordings()
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
# What somebody may try who names an app or a user, or asks for a link.
HOSTILE = [
    "</title><script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "{{ 7 * 7 }}{% raw %}{account}{0.__class__}%s",
    "account-until-moment-asked",
    "&amp;&lt;\u202e\u2066\U0001f600",
]


def row(hostile: str, **columns: Any) -> dict[str, Any]:
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
    return {
        "type": "login", "channel": "email", "email": f"{hostile}@{hostile}", "phone": None, "redirect_url": "https://p.example/in",
        "app_name": hostile, "branding": {"support_url": f"https://help.example/{hostile}", "colour": "#aabbcc"}, "locale": "en",
        "time_zone": None, "client": {"user_agent": FIREFOX + hostile, "ip": "2001:db8::1"}, "expires_at": moment, **columns,
    }  # fmt: skip


@pytest.mark.parametrize("tag", LOCALES)
def test_a_filled_skeleton_is_what_jinja_writes_in_every_form_type_and_language(tag: str) -> None:
    request = make_mocked_request("GET", "/l/x")
    for hostile, form, link_type in product(
        HOSTILE, get_args(Form), ("login", "verify_identifier", "invite")
    ):
        shown = row(hostile, type=link_type, locale=tag)
        address = mask(shown["email"])
        brand = Brand(" ".join(hostile.split()), "#aabbcc", f"https://help.example/{hostile}")
        words = WORDINGS.of(tag)
        device = words.markup("asked.device", browser="Firefox", system="Linux")
        asked = device + Markup(" · <bdi>2001:db8::1</bdi>")
        ends = shown["expires_at"]
        for client, said in ((shown["client"], asked), (None, "")):
            face = Face(tag, link_type, form, brand, asked=bool(said))
            slots = Slots(address, words.moment(ends, None), ends.isoformat(), said)
            response = VIEWS.confirm(request, {**shown, "client": client}, form)
            assert response.body == VIEWS.confirm_text(face, slots).encode()
            assert response.text is not None
            assert "<img" not in response.text
            assert "alert(1)</" not in response.text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_every_value_of_a_link_is_escaped(hostile: str) -> None:
    face = Face("en", "login", "first", Brand("Acme"), asked=True)
    page = Skeleton(VIEWS.confirm_text(face, Slots(*map(slot, Slots._fields))), Slots._fields)
    for name in Slots._fields:
        values = Slots("a", "b", "c", "d")._replace(**{name: hostile})
        assert page.filled(values) == VIEWS.confirm_text(face, values).encode()


def test_pages_of_one_face_differ_by_the_values_of_their_links_alone() -> None:
    request = make_mocked_request("GET", "/l/x")
    pages = [
        str(VIEWS.confirm(request, row("Acme", email=email, client=client, time_zone=zone)).text)
        for email, client, zone in (
            ("ann@example.com", {"ip": "192.0.2.1"}, "Asia/Kathmandu"),
            ("bob@example.org", {"ip": "192.0.2.2"}, "America/St_Johns"),
        )
    ]
    first, second = pages
    for ours, theirs in (
        ("a•••@example.com", "b•••@example.org"),
        ("192.0.2.1", "192.0.2.2"),
        ("10:51", "1:36"),
        ("GMT+05:45", "GMT-03:30"),
    ):
        assert (ours in first, theirs in first) == (True, False)
        assert (ours in second, theirs in second) == (False, True)


def test_a_moment_is_told_to_the_minute_that_it_lies_in() -> None:
    words = WORDINGS.of("en")

    def said(minute: int, second: int, microsecond: int = 0) -> str:
        return words.moment(
            datetime(2026, 3, 4, 5, minute, second, microsecond, tzinfo=UTC), "Asia/Kathmandu"
        )

    assert said(6, 0) == said(6, 59, 999_999) == "March 4, 2026, 10:51\u202fAM (GMT+05:45)"
    assert said(7, 0) == "March 4, 2026, 10:52\u202fAM (GMT+05:45)"


def test_whatever_is_kept_for_the_next_page_is_kept_within_bounds() -> None:
    """What stands in a header, and what an app calls itself, is anybody's to choose anew for each request."""
    owners = [vars(module) for module in (colours, page_headers, skeletons, views, visitors, wording)] + [
        vars(VIEWS)
    ]
    kept = [thing for owner in owners for thing in owner.values() if hasattr(thing, "cache_parameters")]
    assert len(kept) >= 10
    assert all(0 < thing.cache_parameters()["maxsize"] <= 4096 for thing in kept)


def test_a_long_header_is_read_and_not_kept() -> None:
    before = wording._spoken.cache_info().currsize
    assert WORDINGS.choose(None, "x-" * 200 + ", fr").tag == "fr"
    assert wording._spoken.cache_info().currsize == before
