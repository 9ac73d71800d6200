from uuid import uuid4

import pytest

from services.issuer.key_limits import recipient_problem, wider_limits, within_key
from services.issuer.reach import FoundUser, reach_problem
from shared.http.routes import NO_LIMITS, KeyLimits
from shared.links import LinkRequest

NARROW = KeyLimits(
    types=frozenset({"login", "invite"}),
    redirect_urls=("https://a.example/in/*", "https://a.example/exact/"),
    max_ttl_seconds=600,
    recipient_domains=frozenset({"a.example", "xn--bcher-kva.example"}),
)


def broken(limits: KeyLimits, redirect_url: str | None = None, **request: object) -> list[tuple[str, str]]:
    asked = LinkRequest.model_validate(request)
    problems = within_key(limits, asked, redirect_url, allow_http=False)
    return [(problem.field, problem.rule) for problem in problems]


def test_a_key_without_limits_may_ask_for_anything() -> None:
    assert broken(NO_LIMITS, "https://b.example/", phone="+12025550100", ttl_seconds=86400) == []


def test_what_is_within_a_key_is_allowed() -> None:
    assert broken(NARROW, "https://a.example/in/x", email="ann@a.example", ttl_seconds=600) == []
    assert broken(NARROW, email="ann@BÜCHER.example", type="invite") == []


@pytest.mark.parametrize(
    ("request_", "redirect_url", "problem"),
    [
        ({"email": "x@a.example", "type": "verify_identifier"}, None, ("type", "type_not_allowed")),
        ({"email": "x@a.example", "ttl_seconds": 601}, None, ("ttl_seconds", "ttl_too_long")),
        ({"email": "x@b.example"}, None, ("email", "recipient_domain_not_allowed")),
        ({"email": "x@sub.a.example"}, None, ("email", "recipient_domain_not_allowed")),
        ({"phone": "+12025550100"}, None, ("phone", "recipient_domain_not_allowed")),
        ({"user_id": str(uuid4()), "channel": "sms"}, None, ("channel", "recipient_domain_not_allowed")),
        (
            {"email": "x@a.example"},
            "https://a.example/inside",
            ("redirect_url", "redirect_not_allowed_for_key"),
        ),
        (
            {"email": "x@a.example"},
            "https://b.example/in/x",
            ("redirect_url", "redirect_not_allowed_for_key"),
        ),
    ],
)
def test_what_goes_past_a_key_is_refused_by_the_rule_that_refuses_it(
    request_: dict[str, object], redirect_url: str | None, problem: tuple[str, str]
) -> None:
    assert broken(NARROW, redirect_url, **request_) == [problem]


@pytest.mark.parametrize(("email", "is_fine"), [("x@a.example", True), ("x@b.example", False), (None, False)])
def test_a_user_named_by_id_is_held_against_the_domains_by_todays_address(
    email: str | None, is_fine: bool
) -> None:
    assert (recipient_problem(NARROW, email) is None) == is_fine
    assert recipient_problem(NO_LIMITS, email) is None
    found = reach_problem("none", "user_id", FoundUser(uuid4(), email, "+12025550100"), NARROW)
    assert (found is None) == is_fine


@pytest.mark.parametrize(
    ("granted", "wider"),
    [
        (NARROW, []),
        (KeyLimits(frozenset({"login"}), (), 30, frozenset({"a.example"})), []),
        (KeyLimits(frozenset({"login"}), ("https://a.example/in/deep/*",), 30, frozenset({"a.example"})), []),
        (
            KeyLimits(frozenset({"login"}), ("https://a.example/exact/*",), 30, frozenset({"a.example"})),
            ["redirect_urls"],
        ),
        (
            KeyLimits(frozenset({"login"}), ("https://a.example/*",), 30, frozenset({"a.example"})),
            ["redirect_urls"],
        ),
        (NO_LIMITS, ["types", "redirect_urls", "max_ttl_seconds", "recipient_domains"]),
        (
            KeyLimits(
                frozenset({"login", "verify_identifier"}),
                ("https://b.example/",),
                601,
                frozenset({"b.example"}),
            ),
            ["types", "redirect_urls", "max_ttl_seconds", "recipient_domains"],
        ),
    ],
)
def test_a_key_is_wider_by_whatever_it_may_ask_for_that_its_maker_may_not(
    granted: KeyLimits, wider: list[str]
) -> None:
    assert wider_limits(granted, NARROW) == wider
    assert wider_limits(granted, NO_LIMITS) == []
