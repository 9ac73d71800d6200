from typing import Any

import pytest

from services.dev.inbox.twilio_contract import MESSAGES_PATH, specification, unknown_parameters
from services.dev.inbox.twilio_resource import message_text
from services.dev.inbox.twilio_rules import TwilioRefusedError, check

SERVICE = "MG" + "a" * 32
CONTENT = "HX" + "b" * 32
SMS = {"To": "+14155550100", "From": "+15005550006", "Body": "hello"}
WHATSAPP = {"To": "whatsapp:+14155550100", "From": "whatsapp:+14155238886", "Body": "hello"}


def form(base: dict[str, str], **changed: str | list[str] | None) -> dict[str, list[str]]:
    fields: dict[str, Any] = {**base, **changed}
    return {
        name: value if isinstance(value, list) else [value]
        for name, value in fields.items()
        if value is not None
    }


def code_of(fields: dict[str, list[str]]) -> int:
    with pytest.raises(TwilioRefusedError) as refused:
        check(fields)
    return refused.value.code


def test_an_sms_is_taken() -> None:
    request = check(form(SMS))
    assert (request.channel, request.to, request.sender, request.body) == (
        "sms",
        "+14155550100",
        "+15005550006",
        "hello",
    )


def test_a_whatsapp_message_is_taken_with_bare_numbers() -> None:
    request = check(form(WHATSAPP))
    assert (request.channel, request.to, request.sender) == ("whatsapp", "+14155550100", "+14155238886")


@pytest.mark.parametrize("sender", ["+15005550006", "12345", "MyBrand", "My Brand-1"])
def test_numbers_short_codes_and_names_may_send(sender: str) -> None:
    assert check(form(SMS, From=sender)).sender == sender


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"To": None}, 21604),
        ({"To": ""}, 21604),
        ({"To": "14155550100"}, 21211),
        ({"To": "+1415"}, 21211),
        ({"To": "+999123456789"}, 21211),
        ({"To": "ada@example.com"}, 21211),
        ({"To": "tel:+14155550100"}, 21211),
        ({"From": None}, 21603),
        ({"From": "ANameThatIsTooLong"}, 21212),
        ({"From": "whatsapp:+15005550006"}, 21910),
        ({"To": "whatsapp:+14155550100"}, 21910),
        ({"Body": None}, 21619),
        ({"Body": "x" * 1_601}, 21617),
        ({"MediaUrl": ["ftp://a.example/x.png"]}, 21620),
        ({"MediaUrl": ["https://a.example/x.png"] * 11}, 21623),
        ({"MessagingServiceSid": "MG123"}, 21705),
        ({"ContentSid": "HX123"}, 21655),
        ({"StatusCallback": "not a url"}, 21609),
        ({"StatusCallback": "https://under_score.example/x"}, 21609),
        ({"ContentVariables": '{"1": "x"}'}, 21656),
        ({"ContentSid": CONTENT, "ContentVariables": "not json"}, 21656),
        ({"ContentSid": CONTENT, "ContentVariables": "[1]"}, 21656),
        ({"ContentSid": CONTENT, "ContentVariables": '{"1": ""}'}, 21656),
        ({"ContentSid": CONTENT, "ContentVariables": '{"1": null}'}, 21656),
        ({"ValidityPeriod": "soon"}, 400),
        ({"Attempt": "1.5"}, 400),
        ({"SmartEncoded": "perhaps"}, 400),
        ({"ScheduleType": "someday"}, 400),
        ({"SendAt": "tomorrow"}, 400),
        ({"ApplicationSid": "AP1"}, 400),
        ({"RiskCheck": "maybe"}, 400),
    ],
)
def test_what_twilio_refuses_is_refused_with_its_code(changed: dict[str, Any], code: int) -> None:
    assert code_of(form(SMS, **changed)) == code


def test_a_whatsapp_sender_is_a_number() -> None:
    assert code_of(form(WHATSAPP, From="whatsapp:MyBrand")) == 21212


def test_a_refusal_never_repeats_the_refused_value() -> None:
    with pytest.raises(TwilioRefusedError) as refused:
        check(form(SMS, StatusCallback="not-a-url-but-a-secret"))
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "changed",
    [
        {
            "StatusCallback": "http://127.0.0.1:8003/callbacks/twilio",
            "ValidityPeriod": "600",
            "SmartEncoded": "true",
        },
        {"From": None, "MessagingServiceSid": SERVICE},
        {"Body": None, "ContentSid": CONTENT, "ContentVariables": '{"1": "https://a.example/l/x"}'},
        {"Body": None, "MediaUrl": ["https://a.example/1.png", "https://a.example/2.png"]},
        {
            "SendAt": "2026-05-01T10:00:00Z",
            "ScheduleType": "fixed",
            "From": None,
            "MessagingServiceSid": SERVICE,
        },
        {"Body": "x" * 1_600},
        {"MaxPrice": "0.50", "NoSuchParameter": "is ignored"},
    ],
)
def test_what_twilio_takes_is_taken(changed: dict[str, Any]) -> None:
    check(form(SMS, **changed))


def test_every_example_of_the_specification_is_taken() -> None:
    body = specification()["paths"][MESSAGES_PATH]["post"]["requestBody"]
    examples = body["content"]["application/x-www-form-urlencoded"]["examples"]
    assert len(examples) > 5
    for name, example in examples.items():
        # This one's recipient is not an address of any form that the specification's own text allows.
        if name != "createScheduledMessageWhatsapp":
            check(form({}, **example["value"]))


def test_unknown_parameters_are_named() -> None:
    assert unknown_parameters(form(SMS, to="x", Tags="{}")) == ["Tags", "to"]


def test_a_content_template_is_shown_with_its_variables() -> None:
    variables = '{"1": "Ada", "2": "https://a.example/l/x"}'
    request = check(form(WHATSAPP, Body=None, ContentSid=CONTENT, ContentVariables=variables))
    assert message_text(request) == f"Content template {CONTENT}\n1: Ada\n2: https://a.example/l/x"
