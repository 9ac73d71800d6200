"""Sessions by Stytch's Python SDK: opened by a magic link, checked at the API and locally, extended and revoked."""

import asyncio
import base64
import json
from datetime import datetime
from typing import Any

import pytest

from tests.conformance.stytch.conftest import Product

pytestmark = pytest.mark.conformance
ATTRIBUTES = {"ip_address": "192.0.2.7", "user_agent": "Firefox"}


async def sign_in(product: Product, **options: Any) -> dict[str, Any]:
    """Make a user and sign them in by an embeddable link; return `authenticate`'s answer."""
    made = await product.user()
    created = await product.ask("magic_links.create", user_id=made["user_id"], attributes=ATTRIBUTES)
    told: dict[str, Any] = await product.ask(
        "magic_links.authenticate", token=created["token"], **{"session_duration_minutes": 60, **options}
    )
    return told


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def minutes_of(session: dict[str, Any]) -> float:
    lived = moment(session["expires_at"]) - moment(session["started_at"])
    return round(lived.total_seconds() / 60)


async def test_a_session_is_opened_and_authenticated_by_token_and_by_jwt(product: Product) -> None:
    told = await sign_in(
        product, attributes=ATTRIBUTES, session_custom_claims={"plan": "gold", "iss": "ignored"}
    )
    session = told["session"]
    assert session["user_id"] == told["user_id"]
    assert session["attributes"] == ATTRIBUTES
    assert session["custom_claims"] == {"plan": "gold"}
    assert minutes_of(session) == 60
    (factor,) = session["authentication_factors"]
    assert (factor["type"], factor["delivery_method"]) == ("magic_link", "embedded")
    assert factor["embeddable_magic_link_factor"]["embedded_id"] == told["method_id"]
    by_token = await product.ask("sessions.authenticate", session_token=told["session_token"])
    by_jwt = await product.ask("sessions.authenticate", session_jwt=told["session_jwt"])
    for found in (by_token, by_jwt):
        assert found["session"]["session_id"] == session["session_id"]
        assert found["session_token"] == told["session_token"]
        assert found["user"]["user_id"] == told["user_id"]
        assert found["session_jwt"].count(".") == 2


async def test_the_jwt_is_validated_locally_by_the_key_set(product: Product) -> None:
    told = await sign_in(product, session_custom_claims={"plan": "gold"})
    local = await product.ask("sessions.authenticate_jwt_local", session_jwt=told["session_jwt"])
    session = told["session"]
    assert (local["session_id"], local["user_id"]) == (session["session_id"], told["user_id"])
    assert moment(local["expires_at"]) == moment(session["expires_at"])
    assert local["authentication_factors"] == session["authentication_factors"]
    assert (local["attributes"], local["roles"]) == (session["attributes"], [])
    assert local["custom_claims"]["plan"] == "gold"
    either = await product.ask("sessions.authenticate_jwt", session_jwt=told["session_jwt"])
    assert either["request_id"] == "", "the SDK did not validate it locally"
    asked = await product.ask(
        "sessions.authenticate_jwt", session_jwt=told["session_jwt"], max_token_age_seconds=0
    )
    assert asked["request_id"]
    assert asked["session"]["session_id"] == session["session_id"]


async def test_the_jwt_lives_five_minutes_whatever_the_session_does(product: Product) -> None:
    told = await sign_in(product, session_duration_minutes=527_040)
    assert minutes_of(told["session"]) == 527_040
    _, payload, _ = told["session_jwt"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    project_id = product.house.vendors["stytch"]["project_id"]
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["iss"], claims["sub"]) == (f"stytch.com/{project_id}", told["user_id"])
    assert claims["aud"] in (project_id, [project_id])


async def test_the_key_set_is_read_by_the_sdks_own_parser(product: Product) -> None:
    project_id = product.house.vendors["stytch"]["project_id"]
    found = await product.ask("sessions.get_jwks", project_id=project_id)
    assert {key["kty"] for key in found["keys"]} == {"RSA"}
    assert await product.refused("sessions.get_jwks", project_id="project-test-none") == (
        404,
        "project_not_found",
    )


async def test_authenticating_extends_the_session_and_changes_its_claims(product: Product) -> None:
    told = await sign_in(product, session_custom_claims={"plan": "gold", "seat": 7})
    longer = await product.ask(
        "sessions.authenticate",
        session_token=told["session_token"],
        session_duration_minutes=600,
        session_custom_claims={"plan": None, "team": "a"},
    )
    assert minutes_of(longer["session"]) == 600
    assert longer["session"]["custom_claims"] == {"seat": 7, "team": "a"}


async def test_another_factor_joins_the_session_that_is_shown(product: Product) -> None:
    told = await sign_in(product)
    user = told["user"]
    url = f"{product.house.site_url}/authenticate"
    await product.ask("magic_links.email.send", email=user["emails"][0]["email"], login_magic_link_url=url)
    token = await product.mailed(user["emails"][0]["email"])
    joined = await product.ask(
        "magic_links.authenticate",
        token=token,
        session_token=told["session_token"],
        session_duration_minutes=90,
    )
    assert joined["session"]["session_id"] == told["session"]["session_id"]
    assert joined["session_token"] == told["session_token"]
    methods = [one["delivery_method"] for one in joined["session"]["authentication_factors"]]
    assert methods == ["embedded", "email"]


async def test_somebody_elses_session_is_not_joined_and_nothing_is_used_up(product: Product) -> None:
    theirs = await sign_in(product)
    made = await product.user()
    created = await product.ask("magic_links.create", user_id=made["user_id"])
    status, _ = await product.refused(
        "magic_links.authenticate", token=created["token"], session_token=theirs["session_token"]
    )
    assert status == 404
    await product.ask("magic_links.authenticate", token=created["token"])


async def test_sessions_are_listed_and_revoked_by_id_token_and_jwt(product: Product) -> None:
    first = await sign_in(product)
    for name, value in (
        ("session_id", first["session"]["session_id"]),
        ("session_token", "session_token"),
        ("session_jwt", "session_jwt"),
    ):
        created = await product.ask("magic_links.create", user_id=first["user_id"])
        told = (
            first
            if name == "session_id"
            else await product.ask(
                "magic_links.authenticate", token=created["token"], session_duration_minutes=5
            )
        )
        listed = await product.ask("sessions.get", user_id=first["user_id"])
        assert [one["session_id"] for one in listed["sessions"]] == [told["session"]["session_id"]]
        await product.ask("sessions.revoke", **{name: told.get(value, value)})
        assert (await product.ask("sessions.get", user_id=first["user_id"]))["sessions"] == []
        gone = await product.refused("sessions.authenticate", session_token=told["session_token"])
        assert gone == (404, "session_not_found")


async def test_an_expired_session_is_not_found(product: Product) -> None:
    told = await sign_in(product)
    await product.house.execute(
        "UPDATE magiclink.sessions SET expires_at = now() - interval '1 second' WHERE user_id = $1",
        told["user_id"].removeprefix("user-test-"),
    )
    for name in ("session_token", "session_jwt"):
        assert await product.refused("sessions.authenticate", **{name: told[name]}) == (
            404,
            "session_not_found",
        )


@pytest.mark.parametrize(
    ("args", "status", "error_type"),
    [
        ({"session_token": "garbage"}, 404, "session_not_found"),
        ({"session_jwt": "a.b.c"}, 404, "session_not_found"),
        ({"session_token": "a", "session_jwt": "b"}, 400, "too_many_session_arguments"),
        ({}, 400, "invalid_session_token"),
        ({"session_token": "a", "session_duration_minutes": 4}, 400, "invalid_session_duration_minutes"),
        (
            {"session_token": "a", "authorization_check": {"resource_id": "docs", "action": "read"}},
            403,
            "consumer_session_authorization_error",
        ),
    ],
)
async def test_what_names_no_session_is_refused(
    product: Product, args: dict[str, Any], status: int, error_type: str
) -> None:
    assert await product.refused("sessions.authenticate", **args) == (status, error_type)


async def test_claims_too_large_are_refused_before_anything_is_used_up(product: Product) -> None:
    made = await product.user()
    created = await product.ask("magic_links.create", user_id=made["user_id"])
    refused = await product.refused(
        "magic_links.authenticate",
        token=created["token"],
        session_duration_minutes=5,
        session_custom_claims={"text": "x" * 5000},
    )
    assert refused == (400, "invalid_session_custom_claims")
    whole = {"text": "x" * 4000}
    told = await product.ask(
        "magic_links.authenticate",
        token=created["token"],
        session_duration_minutes=5,
        session_custom_claims=whole,
    )
    assert told["session"]["custom_claims"] == whole
    local = await product.ask("sessions.authenticate_jwt_local", session_jwt=told["session_jwt"])
    assert local["custom_claims"]["text"] == whole["text"]


async def test_sessions_of_many_sign_ins_at_once_are_each_their_own(product: Product) -> None:
    told = await asyncio.gather(*(sign_in(product) for _ in range(10)))
    assert len({one["session"]["session_id"] for one in told}) == 10
