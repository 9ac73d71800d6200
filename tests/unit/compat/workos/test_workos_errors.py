"""Each refusal in WorkOS's words: what the SDKs make exceptions of."""

from typing import Any

import orjson
import pytest
from aiohttp import web

from services.compat.workos.errors import UnsupportedGrantType, oauth_refusal_view, refusal_view
from shared.errors import (
    FieldProblem,
    InternalFault,
    Invalid,
    Malformed,
    RateLimited,
    Refusal,
    Unauthorized,
    Unavailable,
)
from tests.unit.compat.workos.recorded import refused


def told(response: web.Response) -> tuple[int, dict[str, Any]]:
    assert isinstance(response.body, bytes)
    assert response.content_type == "application/json"
    return response.status, orjson.loads(response.body)


def plain(request: web.Request, refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return told(refusal_view(request, refusal, "r1"))


def oauth(request: web.Request, refusal: Refusal) -> tuple[int, dict[str, Any]]:
    return told(oauth_refusal_view(request, refusal, "r1"))


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (Malformed(), 400, "invalid_request_body"),
        (Unauthorized(), 401, "unauthorized"),
        (refused("forbidden", 403), 403, "forbidden"),
        (refused("not_found", 404), 404, "entity_not_found"),
        (refused("idempotency_conflict", 409), 409, "idempotency_conflict"),
        (refused("passcode_invalid", 400), 400, "invalid_one_time_code"),
        (refused("link_over", 409), 400, "passwordless_session_over"),
        (refused("link_in_progress", 409), 503, "unavailable"),
        (refused("user_locked", 403), 403, "user_locked"),
        (refused("rate_limited", 429), 429, "rate_limit_exceeded"),
        (Unavailable(), 503, "unavailable"),
        (InternalFault(), 500, "server_error"),
        (refused("brand_new_refusal", 418), 418, "brand_new_refusal"),
        (refused("brand_new_fault", 599), 500, "server_error"),
    ],
    ids=lambda value: getattr(value, "native_code", None) or getattr(value, "code", None) or str(value),
)
def test_every_refusal_has_a_status_a_code_and_words(
    request_stub: web.Request, refusal: Refusal, status: int, code: str
) -> None:
    found, body = plain(request_stub, refusal)
    assert (found, body["code"]) == (status, code)
    assert body["message"]


def test_bad_input_names_each_field_as_workos_calls_it(request_stub: web.Request) -> None:
    errors = [
        {"field": "redirect_url", "rule": "redirect_not_allowed", "message": "is not on the list"},
        {"field": "client.ip", "rule": "ip_any_address", "message": "is no address"},
    ]
    status, body = plain(request_stub, refused("invalid_request", 422, errors=errors))
    assert (status, body["code"]) == (422, "unprocessable_entity")
    assert [(e["field"], e["code"]) for e in body["errors"]] == [
        ("redirect_uri", "redirect_not_allowed"),
        ("ip_address", "ip_any_address"),
    ]


def test_a_taken_address_is_what_production_answers(request_stub: web.Request) -> None:
    status, body = plain(
        request_stub, refused("already_exists", 409, detail="email: belongs to another user")
    )
    assert (status, body["code"], body["errors"][0]["code"]) == (
        400,
        "user_creation_error",
        "email_not_available",
    )
    status, body = plain(request_stub, refused("already_exists", 409, detail="external_id: is taken"))
    assert (status, body["code"]) == (409, "external_id_already_used")


def test_a_grants_refusals_are_oauths(request_stub: web.Request) -> None:
    invalid = Invalid([FieldProblem("code", "missing", "is required")])
    cases: list[tuple[Refusal, str]] = [
        (refused("grant_invalid", 400), "invalid_grant"),
        (refused("refresh_token_invalid", 400), "invalid_grant"),
        (Unauthorized(), "invalid_client"),
        (UnsupportedGrantType(), "unsupported_grant_type"),
        (invalid, "invalid_request"),
    ]
    for refusal, error in cases:
        status, body = oauth(request_stub, refusal)
        assert (status, body["error"]) == (400, error)
        assert set(body) == {"error", "error_description"}
    assert oauth(request_stub, invalid)[1]["error_description"].endswith("(code)")


def test_a_wrong_code_keeps_the_usual_shape_where_grants_are_exchanged(request_stub: web.Request) -> None:
    assert oauth(request_stub, refused("passcode_invalid", 400))[1]["code"] == "invalid_one_time_code"


def test_a_second_factor_is_asked_for_with_what_the_product_goes_on_with(request_stub: web.Request) -> None:
    methods = [{"id": "0199a000-0000-7000-8000-00000000000a", "type": "totp"}]
    refusal = refused("second_factor_required", 403, challenge="challenge-token", methods=methods)
    status, body = oauth(request_stub, refusal)
    assert (status, body["code"]) == (403, "mfa_challenge")
    assert body["pending_authentication_token"] == "challenge-token"
    assert body["authentication_factors"][0]["type"] == "totp"


def test_an_unverified_address_is_named(request_stub: web.Request) -> None:
    status, body = oauth(request_stub, refused("address_unverified", 403, user={"email": "ada@example.com"}))
    assert (status, body["code"], body["email"]) == (403, "email_verification_required", "ada@example.com")


def test_when_to_ask_again_is_told_in_whole_seconds(request_stub: web.Request) -> None:
    # The SDK reads nothing but digits.
    response = refusal_view(request_stub, RateLimited(retry_after_seconds=1.2), "r1")
    assert response.headers["Retry-After"] == "2"
