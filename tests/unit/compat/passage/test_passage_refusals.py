"""Passage's clients read only the codes that they know for a status (VENDORS §3.3)."""

import pytest
from aiohttp import web

from services.compat.passage import errors
from services.compat.passage.errors import (
    CORS,
    PassageRefusal,
    app_not_found,
    device_not_found,
    invalid_request,
    magic_link_not_found,
    refusal_view,
    told,
    user_not_found,
    users_refusal_view,
)
from services.verifier.verdict import REFUSALS
from shared.errors import (
    FieldProblem,
    Forbidden,
    InternalFault,
    Invalid,
    Malformed,
    RateLimited,
    Refusal,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from tests.unit.compat.passage.conftest import body_of, call, refused

# What passage-identity 3.0.2 parses; the browser's and the apps' libraries know more.
KNOWN = {
    400: {"invalid_request", "custom_provider_required"},
    401: {"invalid_access_token", "invalid_nonce"},
    403: {"operation_not_allowed"},
    404: {"app_not_found", "user_not_found", "device_not_found"},
    500: {"internal_server_error"},
}


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (Unauthorized(), 401, "invalid_access_token"),
        (Forbidden("needs the scope"), 403, "operation_not_allowed"),
        (Malformed("not JSON"), 400, "invalid_request"),
        (TooLarge("at most 5 bytes"), 400, "invalid_request"),
        (Invalid([FieldProblem("ttl", "int", "must be a number")]), 400, "invalid_request"),
        (InternalFault(), 500, "internal_server_error"),
        (user_not_found(), 404, "user_not_found"),
        (device_not_found(), 404, "device_not_found"),
        (app_not_found(), 404, "app_not_found"),
        (invalid_request("give one"), 400, "invalid_request"),
        (refused("unauthorized", 401), 401, "invalid_access_token"),
        (refused("forbidden", 403), 403, "operation_not_allowed"),
        (refused("already_exists", 409), 400, "invalid_request"),
        (refused("invalid_request", 422), 400, "invalid_request"),
        (refused("not_found", 404), 404, "user_not_found"),
        (refused("something_new", 418), 500, "internal_server_error"),
    ],
)
def test_servers_are_refused_with_a_code_that_their_sdk_knows_for_the_status(
    refusal: Refusal, status: int, code: str
) -> None:
    assert (told(refusal).status, told(refusal).code) == (status, code)
    assert code in KNOWN[status]


@pytest.mark.parametrize(
    ("code", "status", "passage_code"),
    [
        ("link_invalid", 404, "magic_link_not_found"),
        ("link_consumed", 401, "invalid_magic_link"),
        ("link_expired", 401, "invalid_magic_link"),
        ("link_revoked", 401, "invalid_magic_link"),
        ("user_inactive", 403, "user_not_active"),
        ("user_locked", 403, "user_not_active"),
        ("address_unverified", 403, "identifier_not_verified"),
        ("second_factor_required", 403, "operation_not_allowed"),
        ("refresh_token_invalid", 401, "invalid_refresh_token"),
        ("link_in_progress", 503, "internal_server_error"),
    ],
)
def test_browsers_are_refused_in_the_words_of_the_vendors_own_libraries(
    code: str, status: int, passage_code: str
) -> None:
    assert (told(refused(code)).status, told(refused(code)).code) == (status, passage_code)


def test_an_outage_says_503_and_when_to_come_again() -> None:
    answer = refusal_view(call("GET", "/").request, Unavailable("away", retry_after_seconds=1), "r")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    answer = refusal_view(call("GET", "/").request, RateLimited("slow", retry_after_seconds=7), "r")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


def test_calls_on_users_know_no_403_so_a_narrow_key_is_a_bad_key_there() -> None:
    answer = users_refusal_view(call("GET", "/").request, refused("forbidden", 403), "r")
    assert (answer.status, body_of(answer)["code"]) == (401, "invalid_access_token")
    assert refusal_view(call("GET", "/").request, refused("forbidden", 403), "r").status == 403


def test_faults_are_told_by_the_fields_that_the_vendor_has() -> None:
    problem = {"field": "ttl_seconds", "rule": "ttl_too_long", "message": "is too long"}
    nested = {"field": "metadata.plan", "rule": "x", "message": "is odd"}
    found = told(refused("invalid_request", 422, (problem, nested)))
    assert found.error == "ttl: is too long; user_metadata.plan: is odd"


def test_the_bodies_are_those_of_the_vendor_and_carry_the_cors_headers() -> None:
    request = call("POST", "/").request
    request[CORS] = {"Access-Control-Allow-Origin": "https://shop.example"}
    answer: web.Response = refusal_view(request, PassageRefusal(404, "user_not_found", "No."), "r")
    assert body_of(answer) == {"code": "user_not_found", "error": "No."}
    assert answer.content_type == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_native_refusal_of_a_redemption_has_words() -> None:
    assert {refusal.code for refusal in REFUSALS.values()} <= errors._NATIVE.keys()


def test_a_link_that_never_was_and_one_that_is_not_the_users_are_told_in_the_same_words() -> None:
    assert told(refused("link_invalid", 404)) == magic_link_not_found().told


def test_no_refusal_names_a_realm_that_passage_does_not_have() -> None:
    response = refusal_view(call("GET", "/").request, Unauthorized(), "request-1")
    assert isinstance(response, web.Response)
    assert "WWW-Authenticate" not in response.headers
