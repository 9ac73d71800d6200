from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.issuer.alike import Alike
from services.issuer.policy import App, Draft, Form, draft_link
from shared.errors import Invalid
from shared.http.routes import NO_LIMITS, KeyLimits, validate
from shared.links import LinkRequest
from tests.unit.issuer.test_policy import APP_ID, app

APP = app()


def alike(made: App = APP, limits: KeyLimits = NO_LIMITS) -> Alike:
    return Alike(made, "bulk", LinkRequest, limits)


def told(form: Form) -> dict[str, Any]:
    """What a form says, without the user that its request names."""
    said = {name: getattr(form, name) for name in Form.__slots__ if name != "request"}
    return {**said, "request": form.request.model_dump(exclude={"email", "phone", "user_id"})}


def verdict(judge: Any, item: dict[str, Any]) -> Any:
    """Return what is drafted for an item, or every problem that it has."""
    try:
        draft: Draft = judge(item)
    except Invalid as invalid:
        return [(problem.field, problem.rule, problem.message) for problem in invalid.problems]
    return draft.user, told(draft.form)


def test_requests_that_differ_by_their_address_are_of_one_form_without_any_address() -> None:
    drafting = alike()
    drafts = [drafting.draft({"email": f"{name}@Example.com", "state": {"n": 1}}) for name in ("Ann", "Bob")]
    assert [draft.user.value for draft in drafts] == ["ann@example.com", "bob@example.com"]
    assert drafts[0].form is drafts[1].form
    assert drafts[0].form.request.email is None
    assert drafts[0].user.app_id == APP_ID


@pytest.mark.parametrize(
    "other",
    [
        {"passcode": False},
        {"metadata": {"n": 1.0}},
        {"metadata": {"n": True}},
        {"state": ""},
        {"channel": "email"},
        {"ttl_seconds": 60},
    ],
)
def test_whatever_else_differs_is_of_another_form(other: dict[str, Any]) -> None:
    drafting, first = alike(), {"passcode": True, "metadata": {"n": 1}, "state": None}
    one = drafting.draft({"email": "a@example.com", **first})
    another = drafting.draft({"email": "b@example.com", **first, **other})
    assert one.form is not another.form
    assert {**first, **other}["metadata"] == another.form.request.metadata


@pytest.mark.parametrize(
    ("second", "field", "rule"),
    [
        ({"email": "not-an-address"}, "links.1.email", "email_format"),
        ({"email": "x" * 321}, "links.1.email", "string_too_long"),
        ({"email": ""}, "links.1.email", "email_format"),
        ({"email": None}, "links.1.body", "one_recipient"),
        ({"email": ["b@example.com"]}, "links.1.email", "string_type"),
        ({"email": "b@example.com", "passcode": 1}, "links.1.passcode", "bool_type"),
        ({"email": "b@example.com", "phone": "+4930123456"}, "links.1.body", "one_recipient"),
    ],
)
def test_one_that_is_bad_after_a_good_one_is_refused_as_if_it_were_alone(
    second: dict[str, Any], field: str, rule: str
) -> None:
    drafting = alike()
    drafting.draft({"email": "a@example.com", "passcode": True})
    with pytest.raises(Invalid) as refused:
        drafting.draft({"passcode": True, **second}, "links.1.")
    assert [(problem.field, problem.rule) for problem in refused.value.problems] == [(field, rule)]


def test_a_key_for_some_domains_judges_every_address() -> None:
    drafting = alike(limits=KeyLimits(recipient_domains=frozenset({"shop.example"})))
    drafting.draft({"email": "a@shop.example"})
    with pytest.raises(Invalid) as refused:
        drafting.draft({"email": "b@evil.example"})
    assert refused.value.problems[0].rule == "recipient_domain_not_allowed"


def test_users_named_otherwise_are_never_taken_for_one_another() -> None:
    drafting = alike()
    users = [{"phone": "+4930123456"}, {"phone": "+4930123457"}, {"user_id": str(UUID(int=7))}]
    drafts = [drafting.draft(user) for user in users]
    assert [draft.user.value for draft in drafts] == ["+4930123456", "+4930123457", str(UUID(int=7))]
    assert len({draft.form for draft in drafts}) == 3


def test_of_very_many_kinds_each_is_still_judged() -> None:
    drafting = alike()
    for number in range(200):
        draft = drafting.draft({"email": "a@example.com", "metadata": {"n": number}})
        assert draft.form.request.metadata == {"n": number}
    with pytest.raises(Invalid):
        drafting.draft({"email": "a@example.com", "metadata": {"n": 199}, "ttl_seconds": 1})
    assert len(drafting._forms) < 100


def test_every_draft_has_an_id_of_its_own() -> None:
    drafting = alike()
    ids = [drafting.draft({"email": "a@example.com"}).link_id for _ in range(1200)]
    assert len(set(ids)) == 1200
    assert {(link_id.version, link_id.variant) for link_id in ids} == {(7, "specified in RFC 4122")}


ITEMS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@example.com", "B@Example.com", "x", "", None, 7]),
        "phone": st.sampled_from(["+4930123456", None]),
        "channel": st.sampled_from(["none", "email", "fax"]),
        "passcode": st.sampled_from([True, False, 1]),
        "state": st.sampled_from([None, 0, False, 1, 1.0, True, "1", {"a": []}, {"a": {}}]),
        "redirect_url": st.sampled_from([None, "/in", "//evil.example"]),
        "ttl_seconds": st.sampled_from([None, 60, 60.0, 3601, 1]),
        "lane": st.sampled_from(["interactive", "bulk"]),
    },
)


@given(st.lists(ITEMS, max_size=12))
def test_together_each_request_fares_as_it_would_alone(items: list[dict[str, Any]]) -> None:
    drafting = alike()
    together = [verdict(drafting.draft, item) for item in items]
    alone = [
        verdict(lambda item: draft_link(APP, validate(LinkRequest, item), "bulk"), item) for item in items
    ]
    assert together == alone
