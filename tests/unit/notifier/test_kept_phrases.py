"""What is rendered once for many messages never shows one message's values in another; a channel gets its own forms alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel import Locale

from services.notifier.languages import moment_words
from services.notifier.render import BUILT_IN, Brand, MessageContext, Templates
from services.notifier.words import compile_phrases, fill_html, fill_text

ASKED_AT = datetime(2026, 11, 21, 7, 8, 30, tzinfo=UTC)
FIRST = MessageContext(
    brand=Brand("Acme", "Acme Ltd", "#1f4fd8", "https://help.acme.example", None, "Acme, 1 Main Street"),
    url="https://acme.example/l/first",
    ttl_seconds=900,
    recipient="ann@acme.example",
    asked_at=ASKED_AT,
    passcode="482913",
    asker_ip="203.0.113.7",
    template_data={"inviter_name": "Ann"},
)
SECOND = MessageContext(
    brand=Brand("Beta", "Beta Ltd", "#ffffff", "https://help.beta.example", None, "Beta, 2 Side Street"),
    url="https://beta.example/l/second",
    ttl_seconds=3600,
    recipient="bob@beta.example",
    asked_at=ASKED_AT + timedelta(days=1),
    passcode="771122",
    asker_ip="203.0.113.8",
    template_data={"inviter_name": "Bob"},
)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates([BUILT_IN])


@pytest.mark.parametrize("locale", ["en", "de", "ar", "ja"])
@pytest.mark.parametrize("type_", ["login", "verify_identifier", "invite"])
def test_a_message_does_not_depend_on_those_before_it(templates: Templates, type_: str, locale: str) -> None:
    alone = Templates([BUILT_IN]).render(type_, None, locale, SECOND)
    templates.render(type_, None, locale, FIRST)
    assert templates.render(type_, None, locale, SECOND) == alone
    swapped = replace(SECOND, brand=FIRST.brand)
    templates.render(type_, None, locale, swapped)
    assert templates.render(type_, None, locale, SECOND) == alone


@pytest.mark.parametrize(
    ("channel", "forms"),
    [
        ("email", {"subject", "text", "html"}),
        ("sms", {"sms"}),
        ("whatsapp", {"whatsapp"}),
        (None, {"subject", "text", "html", "sms", "whatsapp"}),
    ],
)
def test_a_channel_gets_its_own_forms_alone(
    templates: Templates, channel: str | None, forms: set[str]
) -> None:
    whole = templates.render("login", None, "en", FIRST)
    found = templates.render("login", None, "en", replace(FIRST, channel=channel))
    for form in ("subject", "text", "html", "sms", "whatsapp"):
        if form in forms:
            assert getattr(found, form) == getattr(whole, form)
        else:
            told = found.whatsapp.body if form == "whatsapp" else getattr(found, form)
            assert told == ""


def test_a_phrase_is_kept_for_what_it_depends_on_and_no_longer(tmp_path: Path) -> None:
    words = tmp_path / "words.toml"
    words.write_text(
        'brand = "{{ app_name }} & co, {{ duration }}"\n'
        'person = "{{ app_name }} for {{ recipient }}"\n'
        "same = \"{{ ['a', 'b'] | random }}\"\n",
        encoding="utf-8",
    )
    phrases = compile_phrases(Templates([tmp_path]).roots.env, words)
    for name in (f"App {number} <b>" for number in range(600)):
        variables = {"app_name": name, "duration": "1 hour", "recipient": name * 2}
        assert fill_text(phrases["brand"], variables) == f"{name} & co, 1 hour"
        escaped = name.replace("<", "&lt;").replace(">", "&gt;")
        assert fill_html(phrases["brand"], variables) == f"{escaped} & co, 1 hour"
        assert fill_text(phrases["person"], variables) == f"{name} for {name * 2}"
    assert {fill_text(phrases["same"], {}) for _ in range(200)} == {"a", "b"}
    with pytest.raises(Exception, match="duration"):
        fill_text(phrases["brand"], {"app_name": "App"})


def test_moments_of_one_minute_read_alike_and_those_of_another_do_not() -> None:
    locale = Locale("en")
    words = [
        moment_words(ASKED_AT + timedelta(seconds=seconds), "Europe/Berlin", locale)
        for seconds in (0, 29, 30)
    ]
    assert words[0] == words[1]
    assert words[1] != words[2]
    assert moment_words(ASKED_AT, None, locale) != words[0]
