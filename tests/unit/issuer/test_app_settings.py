from typing import Any

import pytest

from services.issuer.app_settings import AppCreate, app_settings, changed_settings
from shared.errors import Invalid


def rules(values: dict[str, Any], *, allow_http: bool = False) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        app_settings({"name": "Shop", **values}, allow_http=allow_http)
    return {problem.field: problem.rule for problem in caught.value.problems}


def make(**values: Any) -> AppCreate:
    return app_settings({"name": "Shop", **values}, allow_http=False)


@pytest.mark.parametrize("field", ["base_url", "landing_url", "default_redirect_url"])
def test_http_is_for_the_dev_environment_only(field: str) -> None:
    url = "http://localhost:8000/in"
    assert rules({field: url}) == {field: "redirect_https_only"}
    values = {"base_url": "http://localhost:8000", field: url}
    assert getattr(app_settings({"name": "Shop", **values}, allow_http=True), field) == url


def test_a_link_over_http_to_support_is_refused_too() -> None:
    assert rules({"branding": {"support_url": "http://shop.example"}}) == {
        "branding.support_url": "redirect_https_only"
    }


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ("https://*.shop.example/", "redirect_host"),
        ("https://shop.example/a*b", "redirect_wildcard"),
        ("https://good@evil.example/", "redirect_userinfo"),
        ("https://shop.example/#x", "redirect_fragment"),
        ("javascript:alert(1)", "redirect_scheme"),
    ],
)
def test_an_entry_that_could_lead_elsewhere_is_refused_with_its_rule(entry: str, rule: str) -> None:
    assert rules({"redirect_urls": ["https://shop.example/in", entry]}) == {"redirect_urls": rule}


def test_the_default_redirect_must_be_allowed_by_the_list() -> None:
    allowed = {"redirect_urls": ["https://shop.example/app/*"]}
    assert make(**allowed, default_redirect_url="https://shop.example/app/home")
    assert rules({**allowed, "default_redirect_url": "https://shop.example/other"}) == {
        "default_redirect_url": "redirect_not_allowed"
    }
    assert make(base_url="https://shop.example", default_redirect_url="/home")


def test_a_base_url_has_no_query() -> None:
    assert rules({"base_url": "https://shop.example/?a=b"}) == {"base_url": "base_url_query"}


@pytest.mark.parametrize(
    "values",
    [{"ttl_seconds": 700, "max_ttl_seconds": 600}, {"max_ttl_seconds": 600}, {"ttl_seconds": 90_000}],
)
def test_no_ttl_is_longer_than_the_longest_even_by_default(values: dict[str, int]) -> None:
    assert rules(values) == {"ttl_seconds": "ttl_too_long"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("login@shop.example", "login@shop.example"),
        ("The Shop <Login@Shop.Example>", "The Shop <login@shop.example>"),
        ('"Shop, Inc." <login@shop.example>', '"Shop, Inc." <login@shop.example>'),
        ("Käse <login@shop.example>", "Käse <login@shop.example>"),
        ("Dr. No <no@shop.example>", '"Dr. No" <no@shop.example>'),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(given: str, kept: str) -> None:
    assert make(sender=given).sender == kept


@pytest.mark.parametrize(
    "given",
    [
        "shop",
        "Shop <login@shop.example>\r\nBcc: everybody@else.example",
        "Shop <login@shop.example>, Eve <eve@evil.example>",
        "eve@evil.example <login@shop.example> x",
        'Eve" <eve@evil.example> "<login@shop.example>',
    ],
)
def test_a_sender_cannot_smuggle_anything_into_the_header(given: str) -> None:
    assert rules({"sender": given}) == {"sender": "sender_format"}


def test_a_change_keeps_what_it_does_not_name() -> None:
    current = make(locale="de", branding={"colour": "#00ff00"}).model_dump()
    changed = changed_settings(current, {"name": "Other"}, allow_http=False)
    assert (changed.name, changed.locale, changed.branding.colour) == ("Other", "de", "#00ff00")


def test_a_name_is_one_line() -> None:
    assert rules({"name": "Shop\nSubject: x"}) == {"name": "name_format"}


def test_a_cap_is_no_shorter_than_the_life_that_begins_with_acceptance() -> None:
    short = {"ttl_seconds": 3600, "acceptance_cap_seconds": 600}
    assert rules({"ttl_from": "acceptance", **short}) == {"acceptance_cap_seconds": "cap_too_short"}
    assert make(**short).acceptance_cap_seconds == 600
    assert make(ttl_from="acceptance", ttl_seconds=600, acceptance_cap_seconds=600)


def test_the_default_cap_is_held_against_the_life_too() -> None:
    long = {"ttl_seconds": 90_000, "max_ttl_seconds": 90_000}
    assert rules({"ttl_from": "acceptance", **long}) == {"acceptance_cap_seconds": "cap_too_short"}


def test_types_of_which_the_latest_lives_stand_once() -> None:
    assert make(latest_only=["login", "invite", "login"]).latest_only == ["invite", "login"]
    assert rules({"latest_only": ["logon"]}) == {"latest_only.0": "literal_error"}


@pytest.mark.parametrize(
    "field", ["texts_per_hour", "texts_per_recipient_per_hour", "passcode_tries_per_day"]
)
def test_a_limit_is_a_number_that_lets_something_through(field: str) -> None:
    assert rules({field: 0}) == {field: "greater_than_equal"}
    assert getattr(make(**{field: 7}), field) == 7


def test_a_logo_is_fetched_over_https_even_in_dev_and_a_footer_is_one_line() -> None:
    branding = {"logo_url": "http://shop.example/logo.png", "footer": "Shop\nBcc: x@y.example"}
    assert rules({"branding": branding}, allow_http=True) == {
        "branding.logo_url": "redirect_https_only",
        "branding.footer": "footer_format",
    }
    made = make(branding={"logo_url": "https://shop.example/logo.png", "footer": "Shop Ltd, 1 High Street"})
    assert made.branding.footer == "Shop Ltd, 1 High Street"
