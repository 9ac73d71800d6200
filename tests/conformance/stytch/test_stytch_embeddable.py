"""Embeddable magic links: the product makes them, hands them on and redeems them, by Stytch's Python SDK."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.conformance.sdks import SdkError
from tests.conformance.stytch.conftest import Product, new_email

pytestmark = pytest.mark.conformance
HERE = {"ip_address": "192.0.2.7", "user_agent": "Firefox"}
THERE = {"ip_address": "198.51.100.9", "user_agent": "curl"}
OVER = (401, "unable_to_auth_magic_link")


async def new_token(product: Product, **options: Any) -> tuple[str, str]:
    """Make a user and a link; return the user's id and the token."""
    made = await product.user()
    created = await product.ask("magic_links.create", user_id=made["user_id"], **options)
    assert created["user_id"] == made["user_id"]
    return made["user_id"], created["token"]


async def test_an_embeddable_link_signs_in_once_and_verifies_nothing(product: Product) -> None:
    user_id, token = await new_token(product, expiration_minutes=30)
    told = await product.ask("magic_links.authenticate", token=token)
    assert (told["user_id"], told["session"], told["session_token"], told["session_jwt"]) == (
        user_id,
        None,
        "",
        "",
    )
    assert told["method_id"].startswith("embeddable-magic-link-test-")
    assert [one["verified"] for one in told["user"]["emails"]] == [False]
    assert await product.refused("magic_links.authenticate", token=token) == OVER
    user = await product.ask("users.get", user_id=user_id)
    assert [one["verified"] for one in user["emails"]] == [False]


@pytest.mark.parametrize("minutes", [5, 10080])
async def test_the_bounds_of_the_expiration_are_within(product: Product, minutes: int) -> None:
    _, token = await new_token(product, expiration_minutes=minutes)
    await product.ask("magic_links.authenticate", token=token)


@pytest.mark.parametrize("minutes", [-1, 0, 4, 10081])
async def test_past_the_bounds_is_an_invalid_expiration(product: Product, minutes: int) -> None:
    made = await product.user()
    refused = await product.refused("magic_links.create", user_id=made["user_id"], expiration_minutes=minutes)
    assert refused == (400, "invalid_expiration")


@pytest.mark.parametrize(
    ("attributes", "options"),
    [
        (THERE, {"ip_match_required": True, "user_agent_match_required": False}),
        (THERE, {"ip_match_required": False, "user_agent_match_required": True}),
        (None, {"ip_match_required": True, "user_agent_match_required": False}),
    ],
)
async def test_from_elsewhere_the_attributes_mismatch_and_nothing_is_used_up(
    product: Product, attributes: dict[str, str] | None, options: dict[str, bool]
) -> None:
    _, token = await new_token(product, attributes=HERE)
    refused = await product.refused(
        "magic_links.authenticate", token=token, attributes=attributes, options=options
    )
    assert refused == (401, "attribute_mismatch")
    both = {"ip_match_required": True, "user_agent_match_required": True}
    await product.ask("magic_links.authenticate", token=token, attributes=HERE, options=both)


async def test_unknown_users_are_not_found_and_what_is_no_id_is_invalid(product: Product) -> None:
    unknown = "user-test-00000000-0000-4000-8000-000000000000"
    assert await product.refused("magic_links.create", user_id=unknown) == (404, "user_not_found")
    assert await product.refused("magic_links.create", user_id="garbage") == (400, "invalid_user_id")


async def test_garbage_was_never_a_link(product: Product) -> None:
    refused = await product.refused(
        "magic_links.authenticate", token="SeiGwdj5lKkrEVgcEY3QNJXt6srxS3IK2Nwkar6mXD4="
    )
    assert refused == (404, "magic_link_not_found")
    assert await product.refused("magic_links.authenticate", token="") == (400, "invalid_token")


async def test_an_expired_link_cannot_be_authenticated(product: Product) -> None:
    user_id, token = await new_token(product)
    await product.house.execute(
        "UPDATE magiclink.links SET not_before = now() - interval '2 hours', expires_at = now() - interval '1 second'"
        " WHERE user_id = $1",
        user_id.removeprefix("user-test-"),
    )
    assert await product.refused("magic_links.authenticate", token=token) == OVER


async def test_a_deleted_users_link_is_gone(product: Product) -> None:
    user_id, token = await new_token(product)
    await product.ask("users.delete", user_id=user_id)
    status, _ = await product.refused("magic_links.authenticate", token=token)
    assert status in {401, 404}


async def test_a_locked_users_link_waits_for_them(product: Product) -> None:
    user_id, token = await new_token(product)
    native = user_id.removeprefix("user-test-")
    await product.house.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", native)
    assert await product.refused("magic_links.authenticate", token=token) == (403, "user_locked")
    assert (await product.ask("users.get", user_id=user_id))["is_locked"] is True
    await product.house.execute("UPDATE magiclink.users SET status = 'active' WHERE id = $1", native)
    await product.ask("magic_links.authenticate", token=token)


@pytest.mark.parametrize(
    "credentials",
    [{"secret": "mlk_wrong"}, {"project_id": "project-test-00000000-0000-4000-8000-000000000000"}],
)
async def test_wrong_credentials_are_unauthorized_and_use_nothing_up(
    product: Product, credentials: dict[str, str]
) -> None:
    _, token = await new_token(product)
    refused = await replace(product, credentials=credentials).refused("magic_links.authenticate", token=token)
    assert refused == (401, "unauthorized_credentials")
    await product.ask("magic_links.authenticate", token=token)


async def test_of_fifty_who_authenticate_at_once_one_wins(product: Product) -> None:
    _, token = await new_token(product)

    async def authenticate() -> str:
        try:
            told = await product.ask("magic_links.authenticate", token=token, session_duration_minutes=60)
        except SdkError as error:
            return str(error.fields["told"]["error_type"])
        return "won" if told["session_token"] and told["session_jwt"] else "half"

    outcomes = Counter(await asyncio.gather(*(authenticate() for _ in range(50))))
    assert outcomes == {"won": 1, "unable_to_auth_magic_link": 49}


async def test_an_outage_of_the_verifier_uses_nothing_up(product: Product) -> None:
    _, token = await new_token(product)
    await product.house.cluster.kill("verifier")
    try:
        refused = await product.refused("magic_links.authenticate", token=token)
        assert refused == (503, "service_unavailable")
    finally:
        await product.house.cluster.start_part("verifier")
    await product.ask("magic_links.authenticate", token=token)


async def test_a_verifier_that_dies_in_the_middle_leaves_somebody_signed_in(product: Product) -> None:
    """The link may be consumed by a call whose answer nobody got: whoever asks again gets it."""
    links = [await new_token(product) for _ in range(8)]

    async def authenticate(token: str) -> str:
        try:
            await product.ask("magic_links.authenticate", token=token, session_duration_minutes=60)
        except SdkError as error:
            return str(error.fields["told"]["error_type"])
        return "won"

    calls = [asyncio.create_task(authenticate(token)) for _, token in links]
    await asyncio.sleep(0.02)
    await product.house.cluster.kill("verifier")
    try:
        outcomes = await asyncio.gather(*calls)
    finally:
        await product.house.cluster.start_part("verifier")
    assert set(outcomes) <= {"won", "service_unavailable"}
    for (_, token), outcome in zip(links, outcomes, strict=True):
        if outcome == "won":
            assert await product.refused("magic_links.authenticate", token=token) == OVER
        else:
            told = await product.ask("magic_links.authenticate", token=token, session_duration_minutes=60)
            assert told["session_token"]


async def test_the_asynchronous_client_does_the_same(product: Product) -> None:
    made = await product.sdk.call("calls:ask_async", method="users.create", args={"email": new_email()})
    created = await product.sdk.call(
        "calls:ask_async", method="magic_links.create", args={"user_id": made["user_id"]}
    )
    told = await product.sdk.call(
        "calls:ask_async", method="magic_links.authenticate", args={"token": created["token"]}
    )
    assert told["user_id"] == made["user_id"]
