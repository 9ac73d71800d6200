"""Keys that may ask for little, and what explain says: the same as create does, for every mistake."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.clusters import House

ANN = {"email": "ann@example.com"}
FAR = (datetime.now(UTC) + timedelta(days=40)).isoformat()
SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
BROKEN: dict[str, dict[str, Any]] = {
    "nobody named": {},
    "two named": {**ANN, "phone": "+12025550101"},
    "no such type": {**ANN, "type": "log-in"},
    "unknown field": {**ANN, "redirect": "/signed-in"},
    "address": {"email": "ann@@example"},
    "number": {"phone": "0171"},
    "foreign redirect": {**ANN, "redirect_url": "https://evil.example/in"},
    "script as redirect": {**ANN, "redirect_url": "javascript:alert(1)"},
    "redirect with a way out": {**ANN, "redirect_url": "/in/../../x\\@evil.example"},
    "too short": {**ANN, "ttl_seconds": 1},
    "too long": {**ANN, "ttl_seconds": 30 * 86400},
    "no integer": {**ANN, "ttl_seconds": "900"},
    "no channel for later": {**ANN, "send_at": SOON},
    "too far ahead": {**ANN, "channel": "email", "send_at": FAR},
    "large state": {**ANN, "state": "x" * 5000},
    "zone": {**ANN, "time_zone": "Mars/Olympus"},
    "locale": {**ANN, "locale": "deutsch!"},
    "challenge": {**ANN, "code_challenge": "short"},
    "no phone": {**ANN, "channel": "sms"},
    "unknown user": {"user_id": str(uuid4()), "channel": "email"},
    "several at once": {
        "email": "x", "type": "y", "ttl_seconds": 9, "channel": "fax", "redirect_url": "https://evil.example/",
    },
}  # fmt: skip


async def refused(house: House, body: dict[str, Any]) -> tuple[int, set[tuple[str, str]]]:
    """Return the status of a create, and the field and rule of each problem."""
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links", body)
    return status, {(problem["field"], problem["rule"]) for problem in answer.get("errors", [])}


async def explained(house: House, body: dict[str, Any]) -> tuple[bool, set[tuple[str, str]]]:
    """Return whether explain would issue, and the field and rule of each problem."""
    status, answer, _ = await house.call("POST", f"{house.issuer_url}/v1/links/explain", body)
    assert status == 200, answer
    return answer["would_issue"], {(problem["field"], problem["rule"]) for problem in answer["problems"]}


@pytest.mark.parametrize("mistake", BROKEN)
async def test_explain_names_every_problem_that_create_answers(house: House, mistake: str) -> None:
    status, problems = await refused(house, BROKEN[mistake])
    assert (status, bool(problems)) == (422, True), problems
    would_issue, told = await explained(house, BROKEN[mistake])
    assert (would_issue, problems - told) == (False, set())


async def test_explain_issues_nothing_and_promises_what_create_then_does(house: House) -> None:
    email = f"explained-{uuid4().hex}@example.com"
    body = {"email": email, "channel": "email", "redirect_url": "/welcome", "ttl_seconds": 600}
    for _ in range(2):
        assert await explained(house, body) == (True, set())
    _, found, _ = await house.call("GET", f"{house.issuer_url}/v1/users?email={email}")
    assert found["items"] == []
    link = await house.ask(**body)
    assert link["redirect_url"] == f"{house.cluster.site_url}/welcome"
    await house.until_caught(1, to=email)
    _, found, _ = await house.call("GET", f"{house.issuer_url}/v1/users?email={email}")
    assert len(found["items"]) == 1


async def test_explain_knows_the_limit_that_create_runs_into(house: House) -> None:
    app = await house.new_app(texts_per_recipient_per_hour=1)
    body = {"phone": "+12025550188", "channel": "sms", "redirect_url": "/signed-in"}
    assert await explained(app, body) == (True, set())
    await app.ask(**body)
    assert (await refused(app, body))[0] == 429
    assert await explained(app, body) == (False, {("channel", "rate_limited")})


@pytest.fixture
async def narrow(house: House) -> House:
    """A house as the holder of a narrow key sees it: logins only, to one page, for minutes, within one company."""
    key = await house.new_key(
        house.app_id,
        ["links:create", "links:reveal"],
        types=["login"],
        redirect_urls=[f"{house.cluster.site_url}/signed-in"],
        max_ttl_seconds=300,
        recipient_domains=["example.com"],
    )
    return replace(house, api_key=key)


@pytest.mark.parametrize(
    ("asked", "field", "rule"),
    [
        ({"type": "invite"}, "type", "type_not_allowed"),
        ({"redirect_url": "/elsewhere"}, "redirect_url", "redirect_not_allowed_for_key"),
        ({"ttl_seconds": 301}, "ttl_seconds", "ttl_too_long"),
        ({"email": "ann@evil.example"}, "email", "recipient_domain_not_allowed"),
        ({"email": "ann@sub.example.com"}, "email", "recipient_domain_not_allowed"),
        ({"email": None, "phone": "+12025550101"}, "phone", "recipient_domain_not_allowed"),
        ({"channel": "sms"}, "channel", "recipient_domain_not_allowed"),
    ],
)
async def test_a_narrow_key_is_held_to_each_of_its_limits_alone_in_batches_and_by_explain(
    house: House, narrow: House, asked: dict[str, Any], field: str, rule: str
) -> None:
    body = {"email": "ann@example.com", "redirect_url": "/signed-in", **asked}
    assert await refused(narrow, body) == (422, {(field, rule)})
    assert (field, rule) in (await explained(narrow, body))[1]
    _, answer, _ = await narrow.call("POST", f"{house.issuer_url}/v1/links/batch", {"links": [body]})
    errors = answer["results"][0]["error"]["errors"]
    assert {(error["field"].removeprefix("links.0."), error["rule"]) for error in errors} == {(field, rule)}
    if "channel" not in asked:
        assert (await refused(house, body))[0] == 201, "the app allows it, only this key does not"


async def test_within_its_limits_a_narrow_key_works_and_goes_no_further(house: House, narrow: House) -> None:
    link = await narrow.ask(email="ann@example.com")
    lives = datetime.fromisoformat(link["expires_at"]) - datetime.fromisoformat(link["created_at"])
    assert lives == timedelta(seconds=300), "the app's 900, cut to what the key may ask for"
    # A user named by id is held to the address that they have.
    _, stranger, _ = await house.call(
        "POST", f"{house.issuer_url}/v1/users", {"email": f"{uuid4().hex}@evil.example"}
    )
    body = {"user_id": stranger["id"], "redirect_url": "/signed-in", "channel": "email"}
    assert await refused(narrow, body) == (422, {("user_id", "recipient_domain_not_allowed")})
    for method, path in (
        ("GET", "/v1/users"),
        ("POST", f"/v1/apps/{house.app_id}/keys"),
        ("GET", "/v1/apps"),
    ):
        status, answer, _ = await narrow.call(
            method, f"{house.issuer_url}{path}", {} if method == "POST" else None
        )
        assert (status, answer["code"]) == (403, "forbidden")
    assert (await narrow.verify(link["token"]))[0] == 403
    assert (await house.verify(link["token"]))[0] == 200
