"""Native views as FusionAuth's objects and back, without I/O."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from services.compat.accounts import VendorApp
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import User
from services.compat.fusionauth.errors import errors_body, named, refusal_view
from services.compat.fusionauth.user_fields import NAMES, native_fields, replaced_fields
from shared.errors import FieldProblem, Invalid, RateLimited, TooLarge, Unauthorized
from tests.unit.compat.fusionauth.native_answers import APP, TENANT, USER, refused


def test_a_user_is_told_in_fusionauth_s_names_without_nulls() -> None:
    told = shapes.user(USER, VendorApp.of(APP))
    assert told["firstName"] == "John"
    assert told["data"] == {"plan": "gold"}
    assert (told["tenantId"], told["active"], told["verified"]) == (TENANT, True, True)
    assert told["insertInstant"] == 1_704_067_200_000
    assert None not in told.values()
    assert not {"lastName", "expiry", "username", "phoneNumber"} & told.keys()


@pytest.mark.parametrize(
    ("status", "active"),
    [("active", True), ("locked", True), ("suspended", True), ("inactive", False), ("pending", False)],
)
def test_only_deactivated_and_invited_users_are_not_active(status: str, active: bool) -> None:
    assert shapes.user({**USER, "status": status}, VendorApp.of(APP))["active"] is active


def test_moments_are_milliseconds_there_and_back() -> None:
    assert shapes.instant(shapes.moment(1_571_786_483_322)) == 1_571_786_483_322
    assert shapes.instant("2024-01-01T01:00:00+01:00") == 1_704_067_200_000
    assert (shapes.instant(None), shapes.moment(None)) == (None, None)


def test_a_user_of_the_vendor_becomes_native_fields_in_openid_s_names() -> None:
    said = User.model_validate(
        {
            "email": "x@example.com",
            "firstName": "Ada",
            "phoneNumber": "+491",
            "active": False,
            "password": "secret",
            "expiry": 0,
        }
    )
    assert native_fields(said) == {
        "email": "x@example.com",
        "phone": "+491",
        "profile": {"given_name": "Ada"},
        "status": "inactive",
        "expires_at": "1970-01-01T00:00:00+00:00",
    }


def test_a_change_merges_profile_and_data_and_leaves_the_rest_alone() -> None:
    said = User.model_validate(
        {"data": {"plan": None, "new": {"a": 1}}, "lastName": "Doe", "firstName": None}
    )
    assert native_fields(said, USER) == {
        "profile": {"preferred_languages": ["en"], "family_name": "Doe"},
        "metadata": {"new": {"a": 1}},
    }


def test_a_whole_user_takes_the_place_of_another() -> None:
    fields = replaced_fields(User.model_validate({"email": "x@example.com"}), USER)
    assert fields["email"] == "x@example.com"
    assert (fields["username"], fields["phone"], fields["expires_at"]) == (None, None, None)
    assert (fields["profile"], fields["metadata"], fields["password_change_required"]) == ({}, {}, False)
    assert "status" not in fields


@pytest.mark.parametrize("status", ["active", "inactive", "locked", "suspended", "pending"])
def test_who_writes_a_user_back_as_read_changes_no_status(status: str) -> None:
    before = {**USER, "status": status}
    said = User.model_validate(shapes.user(before, VendorApp.of(APP)))
    assert "status" not in replaced_fields(said, before)
    assert "status" not in native_fields(said, before)


@pytest.mark.parametrize(
    ("status", "active", "then"), [("active", False, "inactive"), ("inactive", True, "active")]
)
def test_a_user_is_deactivated_and_reactivated(status: str, active: bool, then: str) -> None:
    before, said = {**USER, "status": status}, User.model_validate({"active": active})
    assert replaced_fields(said, before)["status"] == native_fields(said, before)["status"] == then


def test_an_expiry_past_all_years_is_refused_by_its_name() -> None:
    with pytest.raises(Invalid) as caught:
        native_fields(User.model_validate({"expiry": 10**18}))
    assert caught.value.problems[0].field == "user.expiry"


def test_only_sessions_with_a_refresh_token_are_told_as_one() -> None:
    session: dict[str, Any] = {
        "id": "s", "user_id": "u", "application_id": "a", "client": {"ip": "192.0.2.1"}, "claims": {},
        "started_at": "2024-01-01T00:00:00Z", "last_accessed_at": "2024-01-01T00:00:00Z",
    }  # fmt: skip
    assert shapes.refresh_token(session) is None
    told = shapes.refresh_token({**session, "claims": {"refresh_token": {"device": {"name": "phone"}}}})
    assert told is not None
    assert told["metaData"]["device"] == {
        "name": "phone",
        "lastAccessedAddress": "192.0.2.1",
        "lastAccessedInstant": 1_704_067_200_000,
    }


def test_faults_are_told_by_field_with_fusionauth_s_codes() -> None:
    problems = [
        FieldProblem("user.email", "email_format", "is no address"),
        FieldProblem("loginId", "missing", "Field required"),
        FieldProblem("", "TenantIdRequired", "Name one."),
    ]
    body = errors_body(problems)
    assert body["fieldErrors"]["user.email"][0]["code"] == "[notEmail]user.email"
    assert body["fieldErrors"]["loginId"] == [
        {"code": "[missing]loginId", "message": "You must specify the [loginId] property."}
    ]
    assert body["generalErrors"] == [{"code": "[TenantIdRequired]", "message": "Name one."}]


def test_native_faults_get_the_vendor_s_names() -> None:
    duplicate = named(refused("already_exists", 409, detail="email: is taken"), NAMES)
    assert isinstance(duplicate, Invalid)
    assert duplicate.problems == [FieldProblem("user.email", "duplicate", "is in use already")]
    nested = named(
        refused("invalid_request", 422, ("profile.name", "too_long"), ("phone", "phone_format")), NAMES
    )
    assert isinstance(nested, Invalid)
    assert [problem.field for problem in nested.problems] == ["user", "user.phoneNumber"]
    other = refused("not_found", 404)
    assert named(other, NAMES) is other


@pytest.mark.parametrize(
    ("refusal", "status", "has_body"),
    [
        (Unauthorized(), 401, False),
        (refused("forbidden", 403), 401, False),
        (RateLimited(retry_after_seconds=2), 429, False),
        (TooLarge(), 400, True),
        (refused("refresh_token_invalid", 400), 400, True),
        (refused("second_factor_invalid", 400), 421, False),
        (refused("challenge_invalid", 404), 404, False),
        (refused("link_in_progress", 409), 503, True),
        (refused("some_code_of_tomorrow", 409), 500, False),
    ],
)
def test_each_refusal_has_fusionauth_s_status(refusal: Any, status: int, has_body: bool) -> None:
    response = refusal_view(make_mocked_request("GET", "/"), refusal, "id")
    assert (response.status, bool(response.body)) == (status, has_body)
    assert "WWW-Authenticate" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
