"""Pages: every type of link, every refusal that has an answer."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.verifier.views import Form, Views
from shared.errors import LinkExpired, LinkInvalid, LinkRevoked, PairingRequired, RateLimited, Refusal
from shared.http.problems import STATUS

VIEWS = Views()
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def row(**columns: Any) -> dict[str, Any]:
    moment = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    return {
        "type": "login", "channel": "email", "email": "ann@example.com", "phone": "+4915123456789",
        "redirect_url": "https://p.example/in", "app_name": "acme-prod", "branding": {}, "locale": "en", "time_zone": None,
        "client": None, "binding": "prefer", "status": "issued", "passcode_format": None, "expires_at": moment,
        "not_before": moment, **columns,
    }  # fmt: skip


def asking(**headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/l/x", headers=named, match_info={"token": "x"})


def text(form: Form = "first", **columns: Any) -> str:
    return str(VIEWS.confirm(asking(), row(**columns), form).text)


def refused(refusal: Refusal, **columns: Any) -> str:
    return str(VIEWS.refused(asking(), refusal, row(**columns)).text)


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
    assert f"<h1>{heading.replace('Acme', '<bdi>Acme</bdi>')}</h1>" in page
    assert f"<title>{heading}</title>" in page


def test_the_account_is_the_one_the_link_was_sent_to_and_masked() -> None:
    assert "<bdi>a•••@example.com</bdi>" in text()
    assert "<bdi>+49•••89</bdi>" in text(channel="whatsapp")
    assert "<bdi>+49•••89</bdi>" in text(channel="none", email=None)
    assert "15123456789" not in text() + text(channel="sms")


def test_the_time_is_readable_for_people_in_their_own_zone_and_for_programs() -> None:
    assert '<time datetime="2026-03-04T05:06:00+00:00">March 4, 2026, 5:06\u202fAM (UTC)</time>' in text()
    german = text(locale="de-AT", time_zone="Europe/Vienna")
    assert ">4. März 2026, 06:06 (GMT+01:00)</time>" in german


def test_the_page_says_from_where_the_link_was_asked_for_as_far_as_that_is_known() -> None:
    def asked(**client: str) -> str:
        return text(client=client).partition("<dt>Asked from</dt>")[2].partition("</dd>")[0]

    both = asked(user_agent=FIREFOX, ip="203.0.113.7")
    assert both == "<dd><bdi>Firefox</bdi> on <bdi>Linux</bdi> · <bdi>203.0.113.7</bdi>"
    assert asked(user_agent="call +1 900, evil.example", ip="2001:DB8::1") == "<dd><bdi>2001:db8::1</bdi>"
    assert asked(user_agent="evil.example") == asked() == ""


def test_only_the_browser_that_asked_gets_a_page_that_presses_its_button() -> None:
    for form in get_args(Form):
        response = VIEWS.confirm(asking(), row(), form)
        policy = response.headers["Content-Security-Policy"]
        page = str(response.text)
        assert ("<script>" in page) == ("script-src 'sha256-" in policy) == (form == "auto")
        assert page.count("<button>") == 1
        if form == "auto":
            script = page.partition("<script>")[2].partition("</script>")[0]
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"script-src 'sha256-{digest}';" in policy


def test_a_page_names_the_product_in_its_own_colour_and_where_its_help_is() -> None:
    branding = {"product_name": "Acme", "colour": "#ffd400", "support_url": "https://help.example/?a=1&b=2"}
    page = text(branding=branding)
    assert "--act:#ffd400" in page
    assert 'href="https://help.example/?a=1&amp;b=2" rel="noreferrer noopener"' in page
    assert "<footer>" not in text()


def test_an_expired_link_offers_a_new_one_only_where_we_sent_it_and_any_browser_may_open_it() -> None:
    sent = refused(LinkExpired())
    assert '<form method="post" action="x/renew">' in sent
    assert "<bdi>a•••@example.com</bdi>" in sent
    for columns in ({"channel": "none"}, {"binding": "require"}):
        page = refused(LinkExpired(), **columns)
        assert "<form" not in page
        assert "ask for another one" in page


def test_a_superseded_link_says_that_there_is_a_newer_one() -> None:
    assert "There is a newer link" in refused(LinkRevoked(), status="superseded")
    assert "This link was withdrawn" in refused(LinkRevoked(), status="revoked")


def test_a_link_bound_to_its_browser_names_the_code_only_where_the_message_has_one() -> None:
    assert "enter the code" in refused(PairingRequired(), passcode_format="digits:6")
    assert "enter the code" not in refused(PairingRequired())


def test_a_link_of_an_unknown_language_is_shown_in_that_of_the_browser() -> None:
    def language(locale: str, accepted: str) -> str:
        response = VIEWS.confirm(asking(Accept_Language=accepted), row(locale=locale))
        return response.headers["Content-Language"]

    assert language("pt", "fr") == "pt-BR"
    assert language("nl", "x-klingon, fr;q=0.2, ja-JP") == "ja"
    assert language("nl", "de;q=0") == "en"
    unknown = VIEWS.refusal(asking(Accept_Language="ar-EG,en;q=0.5"), LinkInvalid(), "id")
    assert '<html lang="ar" dir="rtl">' in str(unknown.text)


def test_how_long_to_wait_is_said_in_the_plural_of_the_language() -> None:
    def wait(seconds: float, locale: str) -> str:
        request = asking(Accept_Language=locale)
        return str(VIEWS.refusal(request, RateLimited(retry_after_seconds=seconds), "id").text)

    assert "Wait 1 second, then" in wait(0.4, "en")
    assert "Wait 2 seconds, then" in wait(2, "en")
    assert "انتظر 3 ثوانٍ" in wait(3, "ar")
    assert "انتظر 11 ثانية" in wait(11, "ar")


@pytest.mark.parametrize("refusal", STATUS, ids=lambda refusal: refusal.code)
def test_every_refusal_has_a_page_with_its_status(refusal: type[Refusal]) -> None:
    made = refusal([]) if refusal.code == "invalid_request" else refusal(retry_after_seconds=2.5)  # type: ignore[arg-type]
    response = VIEWS.refusal(asking(), made, "id")
    assert response.status == STATUS[refusal]
    assert response.text is not None
    assert response.text.count("<h1>") == 1
    assert response.headers.get("Retry-After") == (None if refusal.code == "invalid_request" else "3")


def test_a_refusal_that_is_kept_for_the_next_is_told_in_that_ones_language_and_with_its_wait() -> None:
    def page(language: str, seconds: float) -> tuple[str, str | None, str]:
        refusal = RateLimited(retry_after_seconds=seconds)
        response = VIEWS.refusal(asking(Accept_Language=language), refusal, "id")
        return response.headers["Content-Language"], response.headers.get("Retry-After"), str(response.text)

    asked = [("en", 2.0), ("de", 2.0), ("en", 7.0), ("en", 2.0)]
    found = [page(*each) for each in asked]
    assert [(language, wait) for language, wait, _ in found] == [
        ("en", "2"),
        ("de", "2"),
        ("en", "7"),
        ("en", "2"),
    ]
    assert found[0] == found[3]
    assert len({text for _, _, text in found}) == 3
    assert VIEWS.refusal(asking(Accept_Language="en"), LinkInvalid(), "id").text not in [
        text for *_, text in found
    ]
