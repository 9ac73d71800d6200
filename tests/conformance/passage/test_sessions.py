"""Refresh tokens as the vendor's browser library uses them: each once, until somebody signs out."""

from typing import Any

import pytest

from tests.conformance.passage.conftest import PassageHouse, fresh_email

pytestmark = pytest.mark.conformance


async def signed_in(passage: PassageHouse) -> tuple[dict[str, Any], dict[str, Any]]:
    made = await passage.link({"email": fresh_email()})
    return made, await passage.signed_in(made["url"])


async def refreshed(passage: PassageHouse, token: str) -> tuple[int, Any]:
    status, told, _ = await passage.browser("POST", "/tokens", {"refresh_token": token})
    return status, told


async def test_a_refresh_gives_a_jwt_that_the_sdk_accepts_and_the_next_token(passage: PassageHouse) -> None:
    made, result = await signed_in(passage)
    status, told = await refreshed(passage, result["refresh_token"])
    assert status == 200
    next_result = told["auth_result"]
    assert next_result["refresh_token"] != result["refresh_token"]
    assert await passage.call("validate_jwt", token=next_result["auth_token"]) == made["user_id"]
    status, told = await refreshed(passage, next_result["refresh_token"])
    assert status == 200


async def test_a_used_refresh_token_ends_the_session(passage: PassageHouse) -> None:
    _, result = await signed_in(passage)
    status, told = await refreshed(passage, result["refresh_token"])
    assert status == 200
    newest = told["auth_result"]["refresh_token"]
    assert (await refreshed(passage, result["refresh_token"]))[0] == 401
    status, told = await refreshed(passage, newest)
    assert (status, told["code"]) == (401, "invalid_refresh_token")


async def test_signing_out_ends_the_session_and_may_be_repeated(passage: PassageHouse) -> None:
    _, result = await signed_in(passage)
    for _ in range(2):
        status, _, _ = await passage.browser("DELETE", f"/tokens?refresh_token={result['refresh_token']}")
        assert status == 200
    assert (await refreshed(passage, result["refresh_token"]))[0] == 401


async def test_the_sdk_revokes_every_refresh_token_of_a_user(passage: PassageHouse) -> None:
    made, first = await signed_in(passage)
    again = await passage.link({"user_id": made["user_id"], "channel": "email"})
    second = await passage.signed_in(again["url"])
    await passage.call("revoke_refresh_tokens", user_id=made["user_id"])
    for result in (first, second):
        assert (await refreshed(passage, result["refresh_token"]))[0] == 401


async def test_a_refresh_token_that_is_none_is_refused(passage: PassageHouse) -> None:
    for token in ("garbage", "", "x" * 5000):
        status, told = await refreshed(passage, token)
        assert status in (400, 401), told
        assert told.keys() == {"code", "error"}


async def test_a_deactivated_users_sessions_end(passage: PassageHouse) -> None:
    made, result = await signed_in(passage)
    await passage.call("deactivate_user", user_id=made["user_id"])
    status, told = await refreshed(passage, result["refresh_token"])
    assert status in (401, 403), told
