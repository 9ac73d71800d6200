from typing import Any

import pytest
from pydantic import BaseModel

from services.issuer.user_fields import SETTABLE, UserCreate, UserPatch, UserQuery, changed_values
from services.issuer.user_search import UserSearch
from shared.errors import Invalid
from shared.http.routes import validate


def rules(model: type[BaseModel], values: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        validate(model, values)
    return {problem.field: problem.rule for problem in caught.value.problems}


def before(**values: Any) -> dict[str, Any]:
    known = UserCreate(email="ann@shop.example", phone="+4930901820").model_dump()
    return {name: known[name] for name in SETTABLE} | values


def after(given: dict[str, Any], **known: Any) -> dict[str, Any]:
    return changed_values(before(**known), validate(UserPatch, given))


@pytest.mark.parametrize("name", [{"email": "a@b.example"}, {"phone": "+4930901820"}, {"username": "ann"}])
def test_a_user_is_named_by_an_address_or_a_user_name(name: dict[str, str]) -> None:
    assert validate(UserCreate, name)
    assert rules(UserCreate, {"external_id": "x"}) == {"body": "address_missing"}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("username", " ann", "text_format"), ("external_id", "a\nb", "text_format"), ("imported_id", "a/b", "string_pattern_mismatch"),
        ("imported_id", "", "string_pattern_mismatch"), ("id", "00000000-0000-0000-0000-000000000000", "id_nil"),
        ("status", "deleted", "literal_error"), ("status", None, "literal_error"), ("email_verified", "yes", "bool_type"),
        ("email_verified", None, "bool_type"), ("suspended_until", "2026-01-01T00:00:00", "timezone_aware"),
        ("roles", ["a"] * 101, "too_long"), ("profile", {"a": "x" * 17_000}, "too_large"), ("has_second_factor", True, "extra_forbidden"),
        ("login_count", 1, "extra_forbidden"), ("public_id", "x", "extra_forbidden"),
    ],
)  # fmt: skip
def test_a_field_that_breaks_a_rule_is_named(field: str, value: Any, rule: str) -> None:
    assert rules(UserCreate, {"email": "ann@shop.example", field: value}) == {field: rule}


@pytest.mark.parametrize("field", ["id", "imported_id"])
def test_an_id_is_given_when_a_user_is_made_and_never_changes(field: str) -> None:
    assert rules(UserPatch, {field: "x"}) == {field: "extra_forbidden"}


def test_a_changed_address_is_unverified_unless_the_caller_says_otherwise() -> None:
    verified = {"email_verified": True, "phone_verified": True}
    moved = after({"email": "eve@shop.example"}, **verified)
    assert (moved["email_verified"], moved["phone_verified"]) == (False, True)
    vouched = after({"email": "eve@shop.example", "email_verified": True}, **verified)
    assert vouched["email_verified"] is True
    assert after({"email": "ANN@shop.example"}, **verified)["email_verified"] is True


def test_what_is_absent_stays_and_null_clears() -> None:
    changed = after({"profile": None, "roles": None, "external_id": None}, external_id="x", roles=["a"], username="u")  # fmt: skip
    assert (changed["profile"], changed["roles"], changed["external_id"]) == (None, [], None)
    assert (changed["username"], changed["phone"]) == ("u", "+4930901820")


def test_a_query_names_a_user_in_several_ways() -> None:
    query = validate(UserQuery, {"email": "ANN@shop.example", "username": "ann", "limit": "2"})
    assert query.named == {"email": "ann@shop.example", "username": "ann"}


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        ({"field": "email", "values": ["nobody"]}, "filter_value"), ({"field": "id", "values": ["x"]}, "filter_value"),
        ({"field": "email_verified", "values": ["true"]}, "filter_value"), ({"field": "status", "values": ["gone"]}, "filter_value"),
        ({"field": "created_after", "values": ["2026-01-01"]}, "filter_value"), ({"field": "email", "values": [True]}, "filter_value"),
    ],
)  # fmt: skip
def test_a_filters_value_fits_its_field(found: dict[str, Any], rule: str) -> None:
    assert rules(UserSearch, {"filters": [found]}) == {"filters.0": rule}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_utc_has_no_year_for_is_refused(moment: str) -> None:
    assert rules(UserPatch, {"expires_at": moment, "suspended_until": moment}) == {
        "expires_at": "moment_range", "suspended_until": "moment_range",
    }  # fmt: skip
    filters = [{"field": "created_after", "values": [moment]}]
    assert rules(UserSearch, {"filters": filters}) == {"filters.0": "filter_value"}


def test_a_filter_has_a_known_field_and_some_values() -> None:
    assert rules(UserSearch, {"filters": [{"field": "password", "values": []}]}) == {
        "filters.0.field": "literal_error",
        "filters.0.values": "too_short",
    }
    twice = [{"field": "status", "values": ["active"]}, {"field": "status", "values": ["locked"]}]
    assert rules(UserSearch, {"filters": twice}) == {"filters": "filter_twice"}
