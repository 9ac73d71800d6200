from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from services.issuer.policy import App, Draft, UserKey, draft_link
from shared.errors import Invalid
from shared.http.routes import NO_LIMITS, KeyLimits
from shared.links import LinkRequest

APP_ID = uuid4()
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROW: dict[str, Any] = {
    "id": APP_ID,
    "name": "Shop",
    "base_url": "https://shop.example",
    "redirect_urls": ["https://app.example/callback"],
    "default_redirect_url": None,
    "landing_url": None,
    "ttl_seconds": 900,
    "max_ttl_seconds": 3600,
    "grant_ttl_seconds": 60,
    "passcode_strategy": "digits",
    "passcode_length": 6,
    "locale": "en",
    "sender": None,
    "intake": False,
    "interactive_per_minute": 600,
    "latest_only": [],
    "ttl_from": "issue",
    "acceptance_cap_seconds": 86400,
    "texts_per_hour": 1000,
    "texts_per_recipient_per_hour": 10,
    "redirects_exact": False,
    "passcode_standalone": False,
    "user_id_format": "{uuid}",
}


def app(**changes: Any) -> App:
    return App.from_row({**ROW, **changes}, allow_http=False)


def draft(
    made: App | None = None, default_lane: str = "interactive", limits: KeyLimits = NO_LIMITS, **request: Any
) -> Draft:
    asked = LinkRequest.model_validate({"email": "ann@example.com", **request})
    return draft_link(made or app(), asked, default_lane, limits, clock=NOW.timestamp)


def rules_broken(**request: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        draft(**request)
    return [(problem.field, problem.rule) for problem in refused.value.problems]


def test_a_plain_request_takes_its_app_settings() -> None:
    made = draft()
    assert (made.form.ttl_seconds, made.form.lane, made.form.redirect_url, made.form.state) == (
        900,
        "interactive",
        None,
        None,
    )
    assert made.user == UserKey(APP_ID, "email", "ann@example.com")
    assert made.form.app.passcode_format == "digits:6"


def test_every_draft_has_an_id_of_its_own() -> None:
    assert len({draft().link_id for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("request_", "user"),
    [
        ({"email": None, "phone": "+49 30 123456"}, ("phone", "+4930123456")),
        ({"email": None, "user_id": str(UUID(int=7))}, ("user_id", str(UUID(int=7)))),
    ],
)
def test_a_user_is_named_in_one_of_three_ways(request_: dict[str, Any], user: tuple[str, str]) -> None:
    made = draft(**request_)
    assert (made.user.kind, made.user.value) == user
    assert made.user.app_id == APP_ID


def test_a_link_lives_no_longer_than_its_app_allows() -> None:
    assert draft(ttl_seconds=3600).form.ttl_seconds == 3600
    assert rules_broken(ttl_seconds=3601) == [("ttl_seconds", "ttl_too_long")]


@pytest.mark.parametrize(
    ("wanted", "default", "leads_to"),
    [
        (None, None, None),
        (None, "https://app.example/callback", "https://app.example/callback"),
        (None, "/welcome", "https://shop.example/welcome"),
        ("/in", "/welcome", "https://shop.example/in"),
        ("https://app.example/callback", "/welcome", "https://app.example/callback"),
    ],
)
def test_a_link_leads_where_it_asks_or_where_its_app_says(
    wanted: str | None, default: str | None, leads_to: str | None
) -> None:
    assert draft(app(default_redirect_url=default), redirect_url=wanted).form.redirect_url == leads_to


def test_a_redirect_is_refused_with_the_rule_that_refused_it() -> None:
    assert rules_broken(redirect_url="https://evil.example/") == [("redirect_url", "redirect_not_allowed")]
    assert rules_broken(redirect_url="http://app.example/callback") == [
        ("redirect_url", "redirect_https_only")
    ]


def test_every_rule_of_the_app_that_is_broken_is_named_at_once() -> None:
    broken = rules_broken(
        ttl_seconds=3601, redirect_url="//evil.example", channel="email", send_at=NOW + timedelta(days=31)
    )
    assert broken == [
        ("ttl_seconds", "ttl_too_long"),
        ("redirect_url", "redirect_not_a_path"),
        ("send_at", "send_at_too_far"),
    ]


@pytest.mark.parametrize("ahead", [timedelta(days=30), timedelta(0), timedelta(days=-1)])
def test_a_send_may_lie_up_to_30_days_ahead(ahead: timedelta) -> None:
    assert draft(channel="email", send_at=NOW + ahead).form.request.send_at == NOW + ahead


@pytest.mark.parametrize(
    ("asked", "default", "lane"),
    [(None, "interactive", "interactive"), (None, "bulk", "bulk"), ("bulk", "interactive", "bulk"),
     ("interactive", "bulk", "interactive")],
)  # fmt: skip
def test_a_link_takes_the_lane_it_asks_for(asked: str | None, default: str, lane: str) -> None:
    assert draft(default_lane=default, lane=asked).form.lane == lane


@pytest.mark.parametrize(
    ("state", "text"),
    [(None, None), ("x", '"x"'), ({"b": 1, "a": [1.0, 2**63]}, '{"b":1,"a":[1.0,9223372036854775808]}'), (0, "0"),
     (False, "false"), ("", '""')],
)  # fmt: skip
def test_a_state_is_kept_as_its_own_text(state: Any, text: str | None) -> None:
    kept = draft(state=state).form.state
    assert kept == text
    assert kept is None or orjson.loads(kept) == state


@pytest.mark.parametrize(
    ("latest_only", "request_", "slot"),
    [
        ([], {}, None),
        (["login"], {}, "default"),
        (["login"], {"channel": "email"}, "default"),
        (["invite"], {}, None),
        (["invite"], {"type": "invite"}, "default"),
        (["login"], {"lane": "bulk"}, None),
        (["login"], {"channel": "email", "send_at": NOW}, None),
        ([], {"slot": "desk"}, "desk"),
        (["login"], {"slot": "desk", "lane": "bulk"}, "desk"),
    ],
)
def test_only_an_awaited_link_of_such_a_type_or_one_that_names_a_slot_has_rivals(
    latest_only: list[str], request_: dict[str, Any], slot: str | None
) -> None:
    assert draft(app(latest_only=latest_only), **request_).form.slot == slot


@pytest.mark.parametrize(
    ("request_", "life_seconds", "from_acceptance"),
    [
        ({"channel": "email"}, 7200, True),
        ({"channel": "sms", "ttl_seconds": 3600}, 7200, True),
        ({"channel": "none"}, 900, False),
    ],
)
def test_a_life_that_begins_with_acceptance_ends_at_the_cap_until_then(
    request_: dict[str, Any], life_seconds: int, from_acceptance: bool
) -> None:
    made = draft(app(ttl_from="acceptance", acceptance_cap_seconds=7200), **request_)
    assert (made.form.life_seconds, made.form.ttl_from_acceptance) == (life_seconds, from_acceptance)
    assert (
        draft(app(ttl_from="acceptance", acceptance_cap_seconds=600), channel="sms").form.life_seconds == 900
    )


def test_a_link_bound_to_its_browser_cannot_lead_to_a_page_that_does_not_know_of_it() -> None:
    landing = app(landing_url="https://shop.example/in")
    with pytest.raises(Invalid) as refused:
        draft(landing, binding="require")
    assert [(p.field, p.rule) for p in refused.value.problems] == [("binding", "binding_needs_our_page")]
    assert draft(landing, binding="prefer").form.request.binding == "prefer"
    assert draft(binding="require").form.request.binding == "require"


def test_a_default_life_is_cut_to_what_the_key_may_ask_for() -> None:
    limits = KeyLimits(max_ttl_seconds=300)
    assert draft(limits=limits).form.ttl_seconds == 300
    assert draft(limits=limits, ttl_seconds=60).form.ttl_seconds == 60
    assert draft(limits=KeyLimits(max_ttl_seconds=3000)).form.ttl_seconds == 900


def test_every_limit_of_the_key_that_is_broken_is_named_at_once_beside_those_of_the_app() -> None:
    limits = KeyLimits(
        types=frozenset({"invite"}),
        redirect_urls=("https://shop.example/in/*",),
        max_ttl_seconds=300,
        recipient_domains=frozenset({"shop.example"}),
    )
    with pytest.raises(Invalid) as refused:
        draft(limits=limits, ttl_seconds=4000, redirect_url="/welcome", channel="sms")
    assert [(p.field, p.rule) for p in refused.value.problems] == [
        ("ttl_seconds", "ttl_too_long"),
        ("type", "type_not_allowed"),
        ("redirect_url", "redirect_not_allowed_for_key"),
        ("ttl_seconds", "ttl_too_long"),
        ("channel", "recipient_domain_not_allowed"),
        ("email", "recipient_domain_not_allowed"),
    ]
