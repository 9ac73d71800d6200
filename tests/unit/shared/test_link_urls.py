"""The forms of a link's URL: what may stand in one, and what it is filled in with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.link_urls import (
    TemplateRefused,
    check_template,
    fill_lasting,
    fill_secrets,
    link_url,
    page_of,
)

SECRETS = {"token": "T1", "passcode": "482913", "poll_token": "P1", "link_id": "L1"}


@pytest.mark.parametrize(
    "template",
    [
        "https://shop.example/in?t={token}",
        "https://shop.example/in/{passcode}?next=%2Fa",
        "http://127.0.0.1:8000/in?x=ml.{poll_token}.{user_id}.{token}",
        "https://shop.example?t={token}",
        "https://shop.example/{link_id}/{token}?state={state}",
    ],
)
def test_a_form_with_one_secret_behind_its_host_is_taken(template: str) -> None:
    check_template(template)


@pytest.mark.parametrize(
    ("template", "rule"),
    [
        ("https://shop.example/in", "url_template_secret"),
        ("https://shop.example/{token}?t={token}", "url_template_secret"),
        ("https://shop.example/{token}?p={passcode}", "url_template_secret"),
        ("https://shop.example/{poll_token}", "url_template_secret"),
        ("https://shop.example/{token}?x={secret}", "url_template_placeholder"),
        ("https://shop.example/{token}?x={", "url_template_placeholder"),
        ("https://shop.example/{{token}}", "url_template_placeholder"),
        ("https://{token}.shop.example/", "url_template_host"),
        ("https://shop.example{token}/", "url_template_host"),
        ("{token}://shop.example/", "url_template_host"),
        ("/in?t={token}", "url_template_host"),
        ("javascript:alert({token})", "url_template_host"),
        ("https://shop.example\\{token}/", "url_template_host"),
        # `..` is a state, and may be the id that another system gave a user.
        ("https://shop.example/in/{state}/out?t={token}", "url_template_path"),
        ("https://shop.example/in/.{user_id}?t={token}", "url_template_path"),
        ("https://shop.example/in#t={token}", "url_template_malformed"),
        ("https://shop.example/a b?t={token}", "url_template_malformed"),
        ("https://shop.example/\u00e9?t={token}", "url_template_malformed"),
    ],
)
def test_another_form_is_refused_by_the_rule_that_it_breaks(template: str, rule: str) -> None:
    with pytest.raises(TemplateRefused) as refused:
        check_template(template)
    assert refused.value.rule == rule


def test_what_must_be_allowed_is_the_part_before_the_query() -> None:
    assert page_of("https://shop.example/in/{token}?t={link_id}") == "https://shop.example/in/x"


def test_what_outlives_the_link_is_filled_in_when_it_is_made_and_no_secret_is() -> None:
    template = "https://shop.example/in?t={token}&u={user_id}&s={state}&l={link_id}"
    kept = fill_lasting(template, "user_1/2", '"a&b={token}"')
    assert kept == "https://shop.example/in?t={token}&u=user_1%2F2&s=a%26b%3D%7Btoken%7D&l={link_id}"
    assert fill_secrets(kept, SECRETS).startswith(
        "https://shop.example/in?t=T1&u=user_1%2F2&s=a%26b%3D%7Btoken"
    )


def test_a_form_without_a_state_has_an_empty_one() -> None:
    assert (
        fill_lasting("https://shop.example/{token}?s={state}", "u", None) == "https://shop.example/{token}?s="
    )


@given(st.text(max_size=60))
def test_whatever_the_users_id_is_it_stays_within_its_part_of_the_url(user_id: str) -> None:
    try:
        user_id.encode()
    except UnicodeEncodeError:
        return  # no text that the database could hold
    url = fill_secrets(
        fill_lasting("https://shop.example/in?u={user_id}&t={token}", user_id, None) or "", SECRETS
    )
    head, _, tail = url.partition("?u=")
    assert head == "https://shop.example/in"
    assert tail.endswith("&t=T1")
    assert not set(tail.removesuffix("&t=T1")) & set("&#?/{}= ")


def test_a_link_without_a_form_leads_to_the_page_or_to_the_apps_own() -> None:
    assert link_url("https://login.example", None, "T") == "https://login.example/l/T"
    assert (
        link_url("https://login.example", "https://shop.example/in?a=1", "T")
        == "https://shop.example/in?a=1&token=T"
    )
