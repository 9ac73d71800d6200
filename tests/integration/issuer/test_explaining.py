"""`POST /v1/links/explain`: every reason at once, nothing made, nothing taken, nobody's account told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import BASE_URL, PUBLIC_URL, Seeds

TABLES = ("links", "users", "messages", "heads")


async def explain(issuer: RunningIssuer, **body: Any) -> dict[str, Any]:
    status, answer, _ = await issuer.post("/v1/links/explain", body)
    assert status == 200, answer
    explained: dict[str, Any] = answer
    return explained


def rules(explained: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem["field"], problem["rule"]) for problem in explained["problems"]]


@pytest.fixture
async def reported(owner: asyncpg.Connection) -> None:
    """Notifiers that send e-mail and SMS, and have a login in three languages."""
    await owner.execute(
        "INSERT INTO magiclink.delivery_options (channels, templates) VALUES"
        """ (ARRAY['email', 'sms'], '{"login": ["en", "de", "pt-BR"]}')"""
        " ON CONFLICT (id) DO UPDATE SET channels = excluded.channels, templates = excluded.templates"
    )


async def test_a_request_that_would_be_issued_says_what_would_come_of_it(
    start_issuer: Any, reported: None
) -> None:
    issuer = await start_issuer(latest_only=["login"], sender="Shop <login@shop.example>", locale="de")
    explained = await explain(issuer, email="ann@example.com", channel="email", redirect_url="/welcome")
    assert explained["would_issue"]
    assert explained["problems"] == []
    assert explained["link"] == {
        "type": "login",
        "redirect_url": f"{BASE_URL}/welcome",
        "ttl_seconds": 900,
        "expires_at": None,
        "expiry_rule": "900 seconds after its issue",
        "lane": "interactive",
        "slot": "default",
        "locale": "de",
        "binding": "prefer",
        "url_form": f"{PUBLIC_URL}/l/<token>",
    }
    assert explained["message"] == {
        "channel": "email",
        "recipient": "a•••@example.com",
        "template": "login",
        "locale": "de",
        "known": "as the notifiers reported",
        "sender": "Shop <login@shop.example>",
    }
    assert explained["user"] == {"exists": False}


async def test_explaining_makes_nothing_and_takes_nothing(
    start_issuer: Any, owner: asyncpg.Connection, reported: None
) -> None:
    issuer = await start_issuer(texts_per_hour=1, texts_per_recipient_per_hour=1)
    for _ in range(3):
        explained = await explain(issuer, phone="+12025550100", channel="sms")
        assert explained["would_issue"]
        left = {limit["name"]: limit["left"] for limit in explained["limits"]}
        assert left == {
            "interactive_per_minute": 100_000, "texts_per_hour": 1, "texts_per_recipient_per_hour": 1,
        }  # fmt: skip
    for table in TABLES:
        sql = f"SELECT count(*) FROM magiclink.{table} WHERE app_id = $1"
        assert await owner.fetchval(sql, issuer.app.id) == 0
    assert (await issuer.post("/v1/links", {"phone": "+12025550100", "channel": "sms"}))[0] == 201


async def test_a_limit_that_is_used_up_is_a_reason(start_issuer: Any, reported: None) -> None:
    issuer = await start_issuer(texts_per_hour=1)
    await issuer.post("/v1/links", {"phone": "+12025550100", "channel": "sms"})
    explained = await explain(issuer, phone="+12025550101", channel="sms")
    assert not explained["would_issue"]
    assert rules(explained) == [("channel", "rate_limited")]
    refusing = {limit["name"]: limit["would_refuse"] for limit in explained["limits"]}
    assert refusing == {
        "interactive_per_minute": False, "texts_per_hour": True, "texts_per_recipient_per_hour": False,
    }  # fmt: skip


async def test_problems_of_shape_app_key_template_and_channel_are_told_together(
    issuer: RunningIssuer, owner: asyncpg.Connection, reported: None
) -> None:
    await owner.execute(
        "UPDATE magiclink.api_keys SET types = ARRAY['invite'] WHERE id = $1", issuer.app.key_id
    )
    explained = await explain(
        issuer,
        email="nobody",
        locale="??",
        ttl_seconds=90_000,
        redirect_url="https://evil.example/",
        channel="whatsapp",
        template="welcome",
        surprise=1,
    )
    assert not explained["would_issue"]
    assert rules(explained) == [
        ("email", "email_format"),
        ("locale", "string_pattern_mismatch"),
        ("surprise", "extra_forbidden"),
        ("ttl_seconds", "ttl_too_long"),
        ("redirect_url", "redirect_not_allowed"),
        ("type", "type_not_allowed"),
        ("channel", "channel_not_configured"),
        ("template", "template_unknown"),
    ]


async def test_a_body_with_nothing_right_is_still_explained(issuer: RunningIssuer) -> None:
    explained = await explain(issuer, send_at="soon", channel="fax", email="a@b.example", phone="+4930123456")
    assert rules(explained) == [
        ("channel", "literal_error"),
        ("send_at", "datetime_from_date_parsing"),
        ("body", "one_recipient"),
    ]
    status, body, _ = await issuer.post("/v1/links/explain", [1])
    assert (status, body["code"]) == (422, "invalid_request")


async def test_a_refused_redirect_is_told_what_it_missed(start_issuer: Any) -> None:
    issuer = await start_issuer(redirect_urls=["https://app.example/callback"], base_url=None)
    explained = await explain(issuer, email="a@b.example", redirect_url="https://app.example:8443/callback")
    [problem] = explained["problems"]
    assert problem["rule"] == "redirect_not_allowed"
    assert "https://app.example/callback, which differs by port (8443, not 443)" in problem["message"]


@pytest.mark.parametrize(
    ("asked", "told"), [("pt", "pt-BR"), ("pt-PT", "pt-BR"), ("de-AT", "de"), ("ja", "en")]
)
async def test_the_language_that_is_told_is_the_one_that_the_notifier_would_take(
    issuer: RunningIssuer, reported: None, asked: str, told: str
) -> None:
    explained = await explain(issuer, email="a@b.example", channel="email", locale=asked)
    assert explained["message"]["locale"] == told


async def test_without_a_report_of_notifiers_nothing_is_claimed(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    await owner.execute("DELETE FROM magiclink.delivery_options")
    explained = await explain(issuer, email="a@b.example", channel="whatsapp", template="anything")
    assert rules(explained) == [("channel", "recipient_missing")]
    assert explained["message"]["known"] == "unknown: no notifier has reported"
    assert explained["message"]["locale"] is None


async def test_whether_an_account_exists_is_told_only_to_keys_that_may_read_users(
    start_issuer: Any, owner: asyncpg.Connection, seeds: Seeds, reported: None
) -> None:
    issuer = await start_issuer(scopes=("links:create",))
    await seeds.user(issuer.app, "known@example.com")
    await owner.execute("UPDATE magiclink.users SET phone = '+12025550177' WHERE app_id = $1", issuer.app.id)
    for channel in ("none", "email", "sms"):
        known = await explain(issuer, email="known@example.com", channel=channel)
        unknown = await explain(issuer, email="knowm@example.com", channel=channel)
        assert known == unknown
        assert known["user"] is None
    may_read: RunningIssuer = await start_issuer()
    await seeds.user(may_read.app, "known@example.com")
    exists = [
        (await explain(may_read, email=f"{name}@example.com"))["user"]["exists"]
        for name in ("known", "other")
    ]
    assert exists == [True, False]


async def test_a_user_that_is_not_there_or_cannot_be_reached_is_a_reason(
    issuer: RunningIssuer, seeds: Seeds, reported: None
) -> None:
    unknown = await explain(issuer, user_id=str(issuer.app.id))
    assert rules(unknown) == [("user_id", "user_unknown")]
    user_id = await seeds.user(issuer.app)
    unreachable = await explain(issuer, user_id=str(user_id), channel="sms")
    assert rules(unreachable) == [("channel", "recipient_missing")]


async def test_a_scheduled_link_and_a_life_from_acceptance_are_told_as_they_will_be(
    start_issuer: Any,
) -> None:
    issuer = await start_issuer(ttl_from="acceptance", landing_url="https://shop.example/in")
    send_at = datetime.now(UTC) + timedelta(days=1)
    explained = await explain(issuer, email="a@b.example", channel="email", send_at=send_at.isoformat())
    link = explained["link"]
    rule = "900 seconds after a provider accepts its message, at most 86400 seconds after send_at"
    assert (link["expires_at"], link["expiry_rule"]) == (None, rule)
    assert link["url_form"] == "https://shop.example/in?token=<token>"
    plain = await start_issuer()
    scheduled = await explain(plain, email="a@b.example", channel="email", send_at=send_at.isoformat())
    assert datetime.fromisoformat(scheduled["link"]["expires_at"]) == send_at + timedelta(seconds=900)
