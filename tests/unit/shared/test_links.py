import json
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.http.routes import parse_json, validate
from shared.link_urls import link_url
from shared.links import AskerInfo, LinkRequest, RequestedLink, load_state

APP_ID = "0199a0b0-0000-7000-8000-000000000001"


def read(body: dict[str, Any]) -> LinkRequest:
    """As the API reads it."""
    return validate(LinkRequest, parse_json(json.dumps(body).encode()))


def rules_broken(body: dict[str, Any] | list[Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        validate(LinkRequest, parse_json(json.dumps(body).encode()))
    return {problem.field: problem.rule for problem in refused.value.problems}


def test_the_smallest_request_names_a_user_and_nothing_else() -> None:
    request = read({"email": "Ann@Example.com"})
    assert request.email == "ann@example.com"
    assert (request.type, request.channel, request.passcode, request.metadata) == ("login", "none", False, {})


def test_every_field_that_breaks_a_rule_is_named_at_once() -> None:
    broken = rules_broken(
        {
            "user_id": "x",
            "email": "ann",
            "phone": "030",
            "type": "logon",
            "redirect_url": "",
            "ttl_seconds": 29,
            "channel": "fax",
            "locale": "english please",
            "time_zone": "Europe/Atlantis",
            "template": "../../etc/passwd",
            "template_data": [],
            "state": "x" * 4096,
            "metadata": {"x": "y" * 4096},
            "send_at": "2030-01-01T00:00:00",
            "lane": "express",
            "passcode": "yes",
            "client": {"ip": "1.2.3.4.5", "user_agent": "x" * 513, "port": 1},
            "code_challenge": "short",
            "binding": "maybe",
            "slot": "A slot!",
            "create_user": "no",
            "new_user_status": "locked",
            "verify_address": 1,
            "url_template": "https://shop.example/{secret}",
            "grant_ttl_seconds": 9,
            "surprise": 1,
        }
    )
    assert set(broken) == {
        *LinkRequest.model_fields,
        "client.ip",
        "client.user_agent",
        "client.port",
        "surprise",
        "body",
    } - {"client"}
    assert broken["body"] == "one_recipient"
    assert broken["email"] == "email_format"
    assert broken["phone"] == "phone_format"
    assert broken["time_zone"] == "time_zone_unknown"
    assert broken["state"] == broken["metadata"] == "too_large"
    assert broken["surprise"] == "extra_forbidden"


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "a@b.example", "phone": "+4930123456"}, {"email": "a@b.example", "user_id": APP_ID}],
)
def test_a_request_names_exactly_one_recipient(body: dict[str, Any]) -> None:
    assert rules_broken(body) == {"body": "one_recipient"}


def test_a_send_needs_a_channel() -> None:
    body = {"email": "a@b.example", "send_at": "2030-01-01T00:00:00Z"}
    assert rules_broken(body) == {"body": "send_at_needs_channel"}
    assert read({**body, "channel": "email"}).send_at is not None


@pytest.mark.parametrize("ttl_seconds", [29, 30 * 86400 + 1, 30.5, "900", True, 10**30])
def test_a_lifetime_is_a_whole_number_within_its_limits(ttl_seconds: Any) -> None:
    assert set(rules_broken({"email": "a@b.example", "ttl_seconds": ttl_seconds})) == {"ttl_seconds"}


def test_a_body_that_is_no_object_is_refused() -> None:
    assert set(rules_broken([])) == {"body"}


@pytest.mark.parametrize("planted", ["s3cret-value", "ann.private@example", "+999555000111"])
@pytest.mark.parametrize("field", sorted(LinkRequest.model_fields))
def test_no_message_repeats_a_value(field: str, planted: str) -> None:
    with pytest.raises(Invalid) as refused:
        validate(LinkRequest, {"email": "a@b.example", field: planted, planted: 1} | {"user_id": APP_ID})
    assert planted not in "".join(problem.message for problem in refused.value.problems)


SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)
JSON = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_a_state_comes_back_as_it_was_given(state: Any) -> None:
    body = orjson.dumps({"email": "a@b.example", "state": state})
    kept = validate(LinkRequest, parse_json(body)).state
    # Issuing keeps the text, redeeming loads it (services.issuer.policy, load_state).
    back = None if kept is None else load_state(orjson.dumps(kept).decode())
    assert orjson.dumps(back) == orjson.dumps(state)


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 9_007_199_254_740_993, 1.5e15, 0.1])
def test_a_number_of_up_to_64_bits_comes_back_exactly(number: float) -> None:
    kept = read({"email": "a@b.example", "state": number}).state
    assert load_state(orjson.dumps(kept).decode()) == number


@pytest.mark.parametrize("field", ["state", "metadata", "template_data"])
@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 30, "1e300"])
def test_a_number_past_64_bits_is_refused_rather_than_rounded(field: str, number: str) -> None:
    raw = f'{{"email": "a@b.example", "{field}": {{"deep": [{number}]}}}}'.encode()
    with pytest.raises(Invalid) as refused:
        validate(LinkRequest, parse_json(raw))
    assert [(p.field, p.rule) for p in refused.value.problems] == [(field, "number_too_large")]
    assert "send it as a text" in refused.value.problems[0].message


def test_a_number_past_64_bits_from_another_parser_is_refused_too() -> None:
    # The CloudEvents SDK reads integers of any length.
    with pytest.raises(Invalid, match="64 bits"):
        validate(LinkRequest, {"email": "a@b.example", "state": 10**30})


def test_a_state_nested_too_deep_is_refused() -> None:
    raw = b'{"email": "a@b.example", "state": ' + b"[" * 300 + b"]" * 300 + b"}"
    with pytest.raises(Invalid, match="nested"):
        validate(LinkRequest, parse_json(raw))


@pytest.mark.parametrize(("length", "fits"), [(4094, True), (4095, False)])
def test_a_state_of_4_kilobytes_fits(length: int, fits: bool) -> None:
    body = {"email": "a@b.example", "state": "x" * length}
    if fits:
        assert read(body).state == "x" * length
    else:
        assert rules_broken(body) == {"state": "too_large"}


def test_a_request_on_kafka_names_its_app_and_a_channel() -> None:
    asked = RequestedLink.model_validate({"app_id": APP_ID, "email": "a@b.example", "channel": "email"})
    assert asked.app_id == UUID(APP_ID)
    with pytest.raises(Invalid) as refused:
        validate(RequestedLink, {"email": "a@b.example", "channel": "none"}, "data.")
    assert {problem.field for problem in refused.value.problems} == {"data.app_id", "data.channel"}


@pytest.mark.parametrize(
    ("landing_url", "url"),
    [
        (None, "https://login.example/l/T"),
        ("https://app.example/in", "https://app.example/in?token=T"),
        ("https://app.example/in?x=1", "https://app.example/in?x=1&token=T"),
    ],
)
def test_a_link_leads_to_the_verifier_or_to_the_apps_own_page(landing_url: str | None, url: str) -> None:
    assert link_url("https://login.example", landing_url, "T") == url


def test_what_is_wrong_with_the_whole_is_told_with_what_is_wrong_with_each_field() -> None:
    broken = rules_broken({"ttl_seconds": 1, "send_at": "2030-01-01T00:00:00Z"})
    assert broken["ttl_seconds"] == "greater_than_equal"
    with pytest.raises(Invalid) as refused:
        validate(
            LinkRequest,
            {"email": "nobody", "phone": "+4930123456", "send_at": "2030-01-01T00:00:00Z"},
            "links.3.",
        )
    assert [(p.field, p.rule) for p in refused.value.problems] == [
        ("links.3.email", "email_format"),
        ("links.3.body", "one_recipient"),
        ("links.3.body", "send_at_needs_channel"),
    ]
    assert all("nobody" not in p.message for p in refused.value.problems)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
    ],
)
def test_an_askers_address_has_one_spelling(sent: str, kept: str) -> None:
    """It is compared where a link is to be redeemed from where it was asked for."""
    assert AskerInfo.model_validate({"ip": sent}).model_dump(mode="json")["ip"] == kept
