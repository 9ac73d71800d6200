from typing import Any

import pytest

from services.issuer.app_identity import OPERATORS_OWN, changed_identity
from services.issuer.app_settings import AppCreate, app_settings
from shared.errors import Invalid


def make(**values: Any) -> AppCreate:
    return app_settings({"name": "Shop", **values}, allow_http=False)


def rules(**values: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        make(**values)
    return {problem.field: problem.rule for problem in caught.value.problems}


def test_an_app_is_nobodys_drop_in_by_default() -> None:
    app = make()
    assert (app.vendor, app.vendor_id, app.jwt_issuer, app.jwt_audience) == (None, None, None, [])
    assert (app.user_id_format, app.redirects_exact, app.passcode_standalone) == ("{uuid}", False, False)


@pytest.mark.parametrize("given", [{"vendor": "stytch"}, {"vendor_id": "project-live-1"}])
def test_a_vendor_and_its_id_stand_together(given: dict[str, str]) -> None:
    assert rules(**given) == {"vendor_id": "vendor_pair"}


@pytest.mark.parametrize("user_id_format", ["{uuid}", "user_{ulid}", "user-test-{uuid}", "{base62}", "a" * 40 + "{uuid}"])  # fmt: skip
def test_users_are_named_by_a_prefix_and_an_id(user_id_format: str) -> None:
    assert make(user_id_format=user_id_format).user_id_format == user_id_format


@pytest.mark.parametrize(
    "wrong", ["", "user", "{id}", "{uuid}x", "user/{uuid}", "a" * 41 + "{uuid}", "{uuid}{uuid}"]
)
def test_another_format_is_refused_with_the_ones_there_are(wrong: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(user_id_format=wrong)
    (problem,) = caught.value.problems
    assert problem.rule == "user_id_format"
    assert "{ulid}" in problem.message


def test_every_wrong_identity_is_told_at_once() -> None:
    assert rules(vendor="auth0", vendor_id=" x", jwt_issuer="a\nb", jwt_audience=["a"] * 11) == {
        "vendor": "literal_error",
        "vendor_id": "text_format",
        "jwt_issuer": "text_format",
        "jwt_audience": "too_long",
    }


def test_settings_of_a_vendor_are_an_object_of_16_kb() -> None:
    assert make(vendor_settings={"a": "x" * 16_000})
    assert rules(vendor_settings={"a": "x" * 16_400}) == {"vendor_settings": "too_large"}


def test_exact_redirects_make_the_list_exact() -> None:
    urls = ["https://a.example/in", "https://a.example/*"]
    assert rules(redirects_exact=True, redirect_urls=urls) == {"redirect_urls": "redirect_wildcard"}
    other = {"redirects_exact": True, "base_url": "https://a.example", "default_redirect_url": "https://a.example/x"}  # fmt: skip
    assert rules(**other) == {"default_redirect_url": "redirect_not_allowed"}


@pytest.mark.parametrize("field", ["session_seconds", "trust_seconds"])
def test_sessions_and_trust_last_five_minutes_to_a_year(field: str) -> None:
    assert rules(**{field: 299}) == {field: "greater_than_equal"}
    assert rules(**{field: 31_622_401}) == {field: "less_than_equal"}


def test_only_a_changed_setting_counts_as_changed() -> None:
    before = make(vendor="workos", vendor_id="client_1", jwt_audience=["a"])
    named = {name: getattr(before, name) for name in OPERATORS_OWN}
    assert changed_identity(named, before) == []
    after = make(vendor="workos", vendor_id="client_2", jwt_audience=["a", "b"], locale="de")
    assert changed_identity(named, after) == ["vendor_id", "jwt_audience"]
