"""Every language has every message, whole: the same variables, the link, the passcode, and no English left over."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from jinja2 import nodes

from services.notifier.content import CannotRender, Content
from services.notifier.render import BUILT_IN, TYPES, Brand, MessageContext, Templates
from services.notifier.segments import measure_sms
from services.notifier.template_check import SAMPLE_URL
from services.notifier.template_roots import Roots
from services.notifier.words import read_phrases

LOCALES = ("en", "de", "fr", "es", "pt-BR", "ja", "ar")
SETS = [(name, locale) for name in TYPES for locale in LOCALES]
TEMPLATES = Templates([BUILT_IN])
AT = datetime(2026, 11, 21, 7, 8, tzinfo=UTC)
FULL = MessageContext(
    Brand("Acme", "Acme Ltd", "#0a7d4b", "https://help.example.com", None, "Acme Ltd, 1 Main Street"),
    SAMPLE_URL,
    900,
    "jo@example.com",
    AT,
    passcode="482913",
    asker_ip="203.0.113.7",
    asker_user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    template_data={"inviter_name": "Ann Miller"},
    valid_until=AT,
    time_zone="Europe/Berlin",
)


class Page(HTMLParser):
    """The words and the tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def variables_of_phrase(source: str) -> set[str]:
    tree = Roots.of([BUILT_IN]).env.parse(source)
    return {name.name for name in tree.find_all(nodes.Name)}


def test_every_language_has_every_message() -> None:
    passcodes = {("passcode", locale) for locale in LOCALES}
    assert {(found.name, found.locale) for found in TEMPLATES.sets()} == {*SETS, *passcodes}


@pytest.mark.parametrize("locale", LOCALES)
def test_a_passcode_without_a_link_has_the_passcode_in_every_form_and_no_link(locale: str) -> None:
    alone = replace(FULL, url=None)
    content = TEMPLATES.render("login", "passcode", locale, alone)
    page = Page(content.html)
    assert "482 913" in content.text
    assert "482913" in content.sms
    assert "482913" in page.words
    assert "482913" in content.whatsapp.variables.values()
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links == {FULL.brand.support_url}
    assert "None" not in page.words + content.text + content.sms + content.whatsapp.body
    assert measure_sms(content.sms).segments <= 2
    if locale != "en":
        english = TEMPLATES.render("login", "passcode", "en", alone)
        assert not set(content.text.split("\n")) & set(english.text.split("\n")) - {
            "", "Acme Ltd", "Acme Ltd, 1 Main Street",
        }  # fmt: skip


def test_a_template_with_a_link_cannot_write_a_message_without_one() -> None:
    with pytest.raises(CannotRender, match="url"):
        TEMPLATES.render("login", None, "en", replace(FULL, url=None))


@pytest.mark.parametrize("name", [*TYPES, "passcode"])
def test_every_language_says_the_same_with_the_same_variables(name: str) -> None:
    english = read_phrases(BUILT_IN / name / "en" / "words.toml")
    for locale in LOCALES:
        phrases = read_phrases(BUILT_IN / name / locale / "words.toml")
        assert phrases.keys() == english.keys(), locale
        used = {phrase: variables_of_phrase(source) for phrase, source in phrases.items()}
        assert used == {phrase: variables_of_phrase(source) for phrase, source in english.items()}, locale


@pytest.mark.parametrize(("name", "locale"), SETS)
def test_a_message_is_whole_in_its_language(name: str, locale: str) -> None:
    content = TEMPLATES.render(name, None, locale, FULL)
    assert SAMPLE_URL in content.text.split("\n")
    assert content.sms.endswith(f"\n{SAMPLE_URL}")
    assert "482 913" in content.text
    assert "482913" in content.sms
    assert "482913" in Page(content.html).words
    english = read_phrases(BUILT_IN / name / "en" / "words.toml")
    if locale != "en":
        for form in (content.text, Page(content.html).words, content.sms, content.whatsapp.body):
            for phrase in ("passcode_lead", "support", "link_lead"):
                assert english[phrase] not in form
            assert "passcode" not in form


@pytest.mark.parametrize(("name", "locale"), SETS)
@pytest.mark.parametrize("passcode", ["482913", None])
@pytest.mark.parametrize("ttl_seconds", [900, 604_800])
def test_an_sms_takes_at_most_two_segments(
    name: str, locale: str, passcode: str | None, ttl_seconds: int
) -> None:
    context = replace(FULL, passcode=passcode, ttl_seconds=ttl_seconds)
    assert measure_sms(TEMPLATES.render(name, None, locale, context).sms).segments <= 2


@pytest.mark.parametrize("locale", ["en", "de", "fr", "es", "pt-BR"])
@pytest.mark.parametrize("name", TYPES)
def test_languages_that_gsm_can_write_take_one_segment(name: str, locale: str) -> None:
    size = measure_sms(TEMPLATES.render(name, None, locale, FULL).sms)
    assert (size.encoding, size.segments) == ("GSM-7", 1)


@pytest.mark.parametrize("name", TYPES)
def test_arabic_runs_from_right_to_left_and_what_is_latin_in_it_does_not(name: str) -> None:
    content = TEMPLATES.render(name, None, "ar-EG", FULL)
    page = Page(content.html)
    assert ("html", {"lang": "ar", "dir": "rtl", "style": "color-scheme: light dark;"}) in page.tags
    directions = {tag: attrs.get("dir") for tag, attrs in page.tags if attrs.get("dir") == "ltr"}
    assert {"a", "bdi", "table"} <= directions.keys()
    # Without isolates the groups of a passcode change places, and the full stop jumps to the front of an address.
    assert "\u2066482 913\u2069" in content.text
    assert "\u2066jo@example.com\u2069" in content.text
    assert SAMPLE_URL in content.text.split("\n")  # nothing clings to the link
    assert not set(content.sms + content.subject) & set("\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize("locale", LOCALES[:-1])
def test_other_languages_run_from_left_to_right_without_marks(locale: str) -> None:
    content = TEMPLATES.render("login", None, locale, FULL)
    assert f'lang="{locale}" dir="ltr"' in content.html
    assert not set(content.text) & set("\u2066\u2067\u2068\u2069")


def test_moments_stand_in_the_users_zone() -> None:
    assert "21. November 2026, 08:08 UTC+01:00" in TEMPLATES.render("login", None, "de", FULL).text
    invitation = TEMPLATES.render("invite", None, "de", FULL)
    assert "(bis 21. November 2026, 08:08 UTC+01:00)" in invitation.text
    # A life that has not begun has no end yet: the duration stands alone.
    unbegun = TEMPLATES.render("invite", None, "de", replace(FULL, valid_until=None))
    assert "15 Minuten gültig." in unbegun.text


def test_the_brand_stands_in_text_and_html() -> None:
    content = TEMPLATES.render("login", None, "en", FULL)
    for form in (content.text, content.html):
        for words in ("Acme Ltd", "1 Main Street", "https://help.example.com"):
            assert words in form
    assert "#0a7d4b" in content.html


def test_a_logo_comes_over_https_or_not_at_all() -> None:
    def images(logo_url: str) -> list[dict[str, str | None]]:
        content = TEMPLATES.render("login", None, "en", replace(FULL, brand=Brand("Acme", logo_url=logo_url)))
        return [attrs for tag, attrs in Page(content.html).tags if tag == "img"]

    (logo,) = images("https://cdn.example.com/logo.png")
    assert (logo["src"], logo["alt"]) == ("https://cdn.example.com/logo.png", "Acme")
    for url in (
        "http://cdn.example.com/logo.png",
        "javascript:alert(1)",
        'https://a.example/" onerror="x',
        "data:,x",
    ):
        assert images(url) == []


def _html(locale: str = "en") -> Content:
    return TEMPLATES.render("login", None, locale, FULL)


def test_styles_stand_on_the_tags_because_mail_programs_drop_style_elements() -> None:
    html = _html().html
    page = Page(html)
    unstyled = [tag for tag, attrs in page.tags if attrs.get("class") and not attrs.get("style")]
    assert unstyled == []
    kept = html[html.index("<style>") : html.index("</style>")]
    assert "@media (prefers-color-scheme: dark)" in kept
    assert "padding" not in kept
    assert html.startswith("<!DOCTYPE html>")
    assert '<meta name="color-scheme" content="light dark">' in html
