"""Every refusal is Stytch's own: status, type, shape."""

from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from services.compat.stytch.credentials import Credentials, read_credentials
from services.compat.stytch.errors import told_of
from services.compat.stytch.ids import Ids
from shared.errors import InternalFault, TooLarge
from tests.unit.compat.stytch.conftest import PROJECT_ID, SECRET, USER_NAME, Bench, faulty, problem


@pytest.mark.parametrize(
    "auth",
    [
        None,
        (PROJECT_ID, "mlk_wrong"),
        ("project-test-of-somebody-else", SECRET),
        (PROJECT_ID, ""),
        (PROJECT_ID, "mlk\r\nX-Evil: 1"),
        (PROJECT_ID, "schlüssel"),
    ],
)
async def test_whoever_has_not_the_projects_secret_is_unauthorized(
    bench: Bench, auth: tuple[str, str] | None
) -> None:
    status, told = await bench.call("POST", "/v1/magic_links", {"user_id": USER_NAME}, auth=auth)
    assert (status, told["error_type"]) == (401, "unauthorized_credentials")
    assert told["error_message"]
    assert told["error_url"].endswith("/401#unauthorized_credentials")
    assert bench.asked == []


@pytest.mark.parametrize(
    ("header", "credentials"),
    [
        ("Basic cDpz", Credentials("p", "s")),
        ("basic cDpzOnQ=", Credentials("p", "s:t")),
        ("Bearer cDpz", None),
        ("Basic cHM=", None),
        ("Basic nope!", None),
        ("Basic /w==", None),
        ("", None),
    ],
)
def test_credentials_are_basic_and_nothing_else(header: str, credentials: Credentials | None) -> None:
    request = make_mocked_request("GET", "/", headers={"Authorization": header})
    assert read_credentials(request) == credentials
    assert "s:t" not in repr(credentials)


async def test_a_secret_of_another_vendors_app_is_unauthorized(bench: Bench) -> None:
    bench.app["vendor"] = "workos"
    status, told = await bench.call("GET", f"/v1/users/{USER_NAME}")
    assert (status, told["error_type"]) == (401, "unauthorized_credentials")


@pytest.mark.parametrize(
    ("native", "status", "error_type"),
    [
        (problem(404, "link_invalid"), 404, "magic_link_not_found"),
        (problem(409, "link_consumed"), 401, "unable_to_auth_magic_link"),
        (problem(410, "link_expired"), 401, "unable_to_auth_magic_link"),
        (problem(410, "link_revoked"), 401, "unable_to_auth_magic_link"),
        (problem(409, "link_not_yet_valid"), 401, "unable_to_auth_magic_link"),
        (problem(403, "client_mismatch"), 401, "attribute_mismatch"),
        (problem(403, "code_verifier_invalid"), 401, "pkce_mismatch"),
        (faulty("body", "client_missing"), 401, "attribute_mismatch"),
        (problem(403, "user_locked"), 403, "user_locked"),
        (problem(403, "second_factor_required", challenge="c"), 403, "second_factor_required"),
        (problem(403, "address_unverified"), 403, "address_unverified"),
        (problem(403, "forbidden"), 403, "unauthorized_action"),
        (problem(404, "session_invalid"), 404, "session_not_found"),
        (faulty("session.claims", "too_large"), 400, "invalid_session_custom_claims"),
        (faulty("client.ip", "ip_any_address"), 400, "invalid_ip_address"),
        (problem(418, "teapot"), 500, "internal_server_error"),
    ],
)
async def test_what_the_native_api_refuses_is_refused_in_stytchs_words(
    bench: Bench, native: tuple[int, Any], status: int, error_type: str
) -> None:
    bench.answers["POST /v1/links/verify"] = native
    found, told = await bench.call("POST", "/v1/magic_links/authenticate", {"token": "t"})
    assert (found, told["error_type"]) == (status, error_type)


@pytest.mark.parametrize(
    ("path", "body", "error_type"),
    [
        ("/v1/magic_links", {"user_id": USER_NAME, "expiration_minutes": 4}, "invalid_expiration"),
        ("/v1/magic_links", {"user_id": USER_NAME, "expiration_minutes": 10081}, "invalid_expiration"),
        ("/v1/magic_links", {"user_id": USER_NAME, "expiration_minutes": "60"}, "invalid_expiration"),
        ("/v1/magic_links", {"user_id": ""}, "invalid_user_id"),
        ("/v1/magic_links", {}, "invalid_user_id"),
        ("/v1/magic_links/authenticate", {"token": ""}, "invalid_token"),
        (
            "/v1/magic_links/authenticate",
            {"token": "t", "session_duration_minutes": 4},
            "invalid_session_duration_minutes",
        ),
        (
            "/v1/magic_links/authenticate",
            {"token": "t", "session_duration_minutes": 527_041},
            "invalid_session_duration_minutes",
        ),
        (
            "/v1/magic_links/authenticate",
            {"token": "t", "session_token": "s", "session_jwt": "j"},
            "too_many_session_arguments",
        ),
        ("/v1/magic_links/email/send", {"email": 7}, "invalid_email"),
        ("/v1/otps/sms/send", {"phone_number": "+1", "expiration_minutes": 11}, "invalid_expiration"),
        ("/v1/otps/authenticate", {"method_id": "garbage", "code": "1"}, "invalid_method_id"),
        ("/v1/sessions/authenticate", {}, "invalid_session_token"),
        ("/v1/sessions/revoke", {}, "invalid_session_id"),
        (
            "/v1/sessions/revoke",
            {"session_token": "a", "session_jwt": "b"},
            "too_many_session_revoke_arguments",
        ),
        ("/v1/users/search", {"limit": 1001}, "user_search_invalid_limit"),
        ("/v1/users/search", {"query": {"operator": "NOT"}}, "user_search_invalid_operator"),
    ],
)
async def test_a_bad_request_is_400_with_the_type_of_its_field(
    bench: Bench, path: str, body: Any, error_type: str
) -> None:
    bench.finds()
    status, told = await bench.call("POST", path, body)
    assert (status, told["error_type"]) == (400, error_type)
    assert not {"POST /v1/links", "POST /v1/links/verify"} & set(bench.names)


@pytest.mark.parametrize(
    ("native", "error_type"),
    [
        (faulty("email", "email_format"), "invalid_email"),
        (faulty("phone", "phone_format"), "invalid_phone_number"),
        (faulty("ttl_seconds", "ttl_too_long"), "invalid_expiration"),
        (faulty("url_template", "url_template_not_allowed"), "no_match_for_provided_magic_link_url"),
        (faulty("url_template", "url_template_malformed"), "invalid_magic_link_url"),
        (faulty("code_challenge", "string_pattern_mismatch"), "invalid_pkce_code_challenge"),
        (faulty("locale", "string_pattern_mismatch"), "invalid_locale"),
        (faulty("template", "template_unknown"), "invalid_template_id"),
        (faulty("whatever", "x"), "bad_request"),
        (problem(409, "already_exists", detail="email: is taken"), "duplicate_email"),
        (problem(409, "already_exists", detail="phone: is taken"), "duplicate_phone_number"),
        (problem(409, "already_exists", detail="external_id: is taken"), "duplicate_external_id"),
    ],
)
async def test_a_native_fault_of_a_field_has_that_fields_type(
    bench: Bench, native: tuple[int, Any], error_type: str
) -> None:
    bench.finds_nobody()
    bench.answers["POST /v1/links"] = native
    status, told = await bench.call("POST", "/v1/magic_links/email/login_or_create", {"email": "a@b.example"})
    assert (status, told["error_type"]) == (400, error_type)


async def test_a_body_that_is_no_json_is_400(bench: Bench) -> None:
    assert bench.client is not None
    headers = {"Authorization": aiohttp.encode_basic_auth(PROJECT_ID, SECRET)}
    async with bench.client.post("/v1/magic_links", data=b"{", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error_type"] == "invalid_json"


async def test_an_outage_says_so_and_when_to_come_back(bench: Bench) -> None:
    bench.answers["POST /v1/links/verify"] = problem(503, "unavailable")
    status, told = await bench.call("POST", "/v1/magic_links/authenticate", {"token": "t"})
    assert (status, told["error_type"]) == (503, "service_unavailable")


def test_faults_of_ours_have_their_own_types() -> None:
    assert told_of(InternalFault()).status == 500
    assert told_of(TooLarge()).status == 413


def test_request_ids_have_stytchs_form_and_a_callers_own_stays_recognizable() -> None:
    ids = Ids.of_project("project-live-x")
    assert ids.request("0" * 31 + "1") == "request-id-live-00000000-0000-0000-0000-000000000001"
    assert ids.request("job-7") == "request-id-live-job-7"
