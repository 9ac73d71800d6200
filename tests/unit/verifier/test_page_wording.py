"""The catalogs of the pages: every language says everything, with the same values in it."""

import re
from string import Formatter

import pytest
from babel.messages.catalog import Message

from services.verifier.wording import FOLDER, LOCALES, Wordings, read_catalog
from shared.http.problems import STATUS

ENGLISH = {message.id: message for message in read_catalog("en") if message.id}
# Refusals that no page can give have no words of their own: they are told as "this did not work".
PAGES = [
    refusal.code
    for refusal in STATUS
    if refusal.code.startswith("link_") or refusal.code in ("pairing_required", "scanner_refused")
]


def forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_there_is_a_catalog_for_each_locale_and_no_other() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(LOCALES)


@pytest.mark.parametrize("tag", LOCALES)
def test_every_catalog_has_every_message_and_no_other(tag: str) -> None:
    catalog = read_catalog(tag)
    assert {message.id for message in catalog if message.id} == set(ENGLISH)
    assert [message.id for message in catalog if message.fuzzy and message.id] == []
    assert catalog.obsolete == {}
    assert [message.id for message in catalog if message.id and not all(forms(message))] == []


@pytest.mark.parametrize("tag", LOCALES)
def test_every_translation_has_the_values_of_the_english_text(tag: str) -> None:
    for message in read_catalog(tag):
        if message.id:
            wanted = placeholders(forms(ENGLISH[message.id])[0])
            assert {frozenset(placeholders(form)) for form in forms(message)} == {frozenset(wanted)}, (
                message.id
            )


@pytest.mark.parametrize("tag", LOCALES)
def test_every_plural_has_as_many_forms_as_its_language(tag: str) -> None:
    catalog = read_catalog(tag)
    counts = {len(forms(message)) for message in catalog if message.pluralizable}
    assert counts == {catalog.num_plurals}
    words = Wordings().choose(tag, None)
    assert all(
        re.search(rf"\b{count}\b", words.counted("rate_limited.text", count)) for count in range(1, 120)
    )


@pytest.mark.parametrize("tag", [tag for tag in LOCALES if tag != "en"])
def test_no_sentence_was_left_in_english(tag: str) -> None:
    left = [
        message.id
        for message in read_catalog(tag)
        if message.id and message.string == ENGLISH[message.id].string
    ]
    assert left == []


@pytest.mark.parametrize("code", PAGES)
def test_every_refusal_that_a_page_gives_has_its_own_words(code: str) -> None:
    if code != "link_over":  # of the API for sending
        assert {f"{code}.heading", f"{code}.text"} <= set(ENGLISH)


def test_what_an_app_calls_itself_cannot_become_markup_or_a_placeholder() -> None:
    words = Wordings().choose("en", None)
    assert (
        words.markup("login.heading", app="<i>{0.__class__}")
        == "Sign in to <bdi>&lt;i&gt;{0.__class__}</bdi>"
    )


def test_a_header_that_no_browser_writes_is_read_as_nothing() -> None:
    wordings = Wordings()
    for header in ("", "*", ";q=1", "fr;q=2", "\0", "fr" * 5000, "-,-"):
        assert wordings.choose(None, header).tag == "en"
    assert wordings.choose(None, ",".join(["xx"] * 500 + ["fr"])).tag == "en"
