from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from services.notifier.render import BUILT_IN, Brand, CannotRender, MessageContext, Templates

URL = "https://login.example.com/l/2" + "aB3dE6gH9j" * 4
CONTEXT = MessageContext(
    brand=Brand("Acme"),
    url=URL,
    ttl_seconds=900,
    recipient="jo@example.com",
    asked_at=datetime(2026, 11, 21, 7, 8, tzinfo=UTC),
    passcode="482913",
    asker_ip="203.0.113.7",
    asker_user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
APP, OTHER_APP = "0190a5b0-0000-7000-8000-000000000001", "0190a5b0-0000-7000-8000-000000000002"
TYPES = ("login", "verify_identifier", "invite")
TYPES_AND_PASSCODES = [(type_, passcode) for type_ in TYPES for passcode in ("482913", None)]


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates([BUILT_IN])


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.links.append(found.get("href") or "")
        self.sources += [found[name] or "" for name in ("src", "background", "srcset") if name in found]
        if tag in {"link", "script", "img", "iframe"}:
            self.sources.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize(("type_", "passcode"), TYPES_AND_PASSCODES)
def test_every_form_of_every_message_carries_the_link(
    templates: Templates, type_: str, passcode: str | None
) -> None:
    content = templates.render(type_, None, "en", replace(CONTEXT, passcode=passcode))
    assert URL in content.text.split("\n")
    assert content.sms.endswith(URL)
    assert URL in content.whatsapp.body
    assert content.whatsapp.variables["2"] == URL
    assert set(_Page(content.html).links) == {URL}


@pytest.mark.parametrize("type_", TYPES)
def test_a_passcode_stands_in_every_form_and_only_when_there_is_one(templates: Templates, type_: str) -> None:
    content = templates.render(type_, None, "en", CONTEXT)
    assert "482 913" in content.text
    assert "482913" in content.sms
    assert "482913" in _Page(content.html).words
    assert content.whatsapp.variables["4"] == "482913"
    bare = templates.render(type_, None, "en", replace(CONTEXT, passcode=None))
    for form in (bare.text, bare.html, bare.sms, bare.whatsapp.body):
        assert "passcode" not in form.lower()
        assert "None" not in form
    assert "4" not in bare.whatsapp.variables


@pytest.mark.parametrize(("type_", "passcode"), TYPES_AND_PASSCODES)
def test_an_sms_fits_into_one_segment(templates: Templates, type_: str, passcode: str | None) -> None:
    sms = templates.render(type_, None, "en", replace(CONTEXT, passcode=passcode)).sms
    assert sms.isascii()
    assert len(sms) <= 160


@pytest.mark.parametrize("type_", TYPES)
def test_a_message_states_the_duration_and_loads_nothing(templates: Templates, type_: str) -> None:
    content = templates.render(type_, None, "en", CONTEXT)
    for form in (content.text, content.html, content.sms, content.whatsapp.body):
        assert "15 minutes" in form
    assert _Page(content.html).sources == []
    assert "url(" not in content.html


def test_the_asker_is_named_where_known(templates: Templates) -> None:
    assert "203.0.113.7 (Firefox, Linux)" in templates.render("login", None, "en", CONTEXT).text
    unknown = replace(CONTEXT, asker_user_agent="evil.example")
    assert "from 203.0.113.7." in templates.render("login", None, "en", unknown).text
    assert "asked for from" not in templates.render("login", None, "en", replace(CONTEXT, asker_ip=None)).text


def test_an_inviter_can_bring_neither_markup_nor_links_nor_template_code(templates: Templates) -> None:
    hostile = '<a href="https://evil.example">Win</a>\r\nBcc: x@evil.example {{ 7 * 191 }} {% raw %}'
    context = replace(CONTEXT, template_data={"inviter_name": hostile}, passcode=None)
    content = templates.render("invite", None, "en", context)
    page = _Page(content.html)
    assert set(page.links) == {URL}
    assert "<a href" in page.words  # shown, not followed
    for form in (content.subject, content.text, page.words, content.sms, content.whatsapp.body):
        assert "1337" not in form
        assert "evil.example" not in form
    assert "\nBcc" not in content.text


def test_a_hostile_app_name_cannot_break_the_subject(templates: Templates) -> None:
    context = replace(CONTEXT, brand=Brand("Acme\r\nBcc: x@evil.example\u2028<script>\u202e"))
    content = templates.render("login", None, "en", context)
    assert content.subject == "Sign in to Acme Bcc: x@evil.example <script>"
    assert "<script>" not in content.html
    assert "\nBcc" not in content.text + content.sms + content.whatsapp.body


def test_a_subject_is_one_line_whatever_its_template_says(tmp_path: Path) -> None:
    own = _own(tmp_path, "login", "en", "Log on")
    (own / "login" / "en" / "subject.txt").write_text("Your report\n{{ raw_data.title }}")
    context = replace(CONTEXT, template_data={"title": "A\r\nBcc: x@evil.example"})
    subject = Templates([own, BUILT_IN]).render("login", None, "en", context).subject
    assert subject == "Your report A Bcc: x@evil.example"


def test_a_link_that_is_no_web_address_is_refused(templates: Templates) -> None:
    for url in ("javascript:alert(1)", "https://a.example/\n", "/l/token", 'https://a.example/" onclick='):
        with pytest.raises(CannotRender) as refused:
            templates.render("login", None, "en", replace(CONTEXT, url=url))
        assert url not in str(refused.value)


def _own(root: Path, name: str, locale: str, words: str) -> Path:
    """Write a set that is whole by its wording: the layouts are the built-in ones."""
    target = root / name / locale
    target.mkdir(parents=True)
    wording = (BUILT_IN / "login" / "en" / "words.toml").read_text(encoding="utf-8")
    (target / "words.toml").write_text(
        wording.replace("Sign in", words).replace("sign in", words), encoding="utf-8"
    )
    return root


def test_languages_are_chosen_as_a_whole_set(tmp_path: Path) -> None:
    templates = Templates([_own(tmp_path, "login", "nl", "Inloggen"), BUILT_IN])
    assert templates.problems() == []
    dutch = templates.render("login", None, "nl-BE", CONTEXT)
    for form in (dutch.subject, dutch.text, dutch.html, dutch.sms, dutch.whatsapp.body):
        assert "Inloggen" in form
        assert "Sign in" not in form
    assert 'lang="nl"' in dutch.html
    assert "15 minuten" in dutch.text
    assert "Sign in" in templates.render("login", None, "sv", CONTEXT).subject


def test_an_own_template_goes_before_the_built_in_and_by_its_name(tmp_path: Path) -> None:
    templates = Templates(
        [_own(_own(tmp_path, "login", "en", "Log on"), "quote_ready", "en", "Read"), BUILT_IN]
    )
    assert templates.problems() == []
    assert templates.render("login", None, "en", CONTEXT).subject == "Log on to Acme"
    assert templates.render("login", "quote_ready", "en", CONTEXT).subject == "Read to Acme"


def test_an_own_set_needs_no_wording_when_it_has_every_part(tmp_path: Path) -> None:
    target = tmp_path / "report" / "en"
    target.mkdir(parents=True)
    parts = {
        "subject.txt": "Your report", "text.txt": "{{ url }}", "html.html": '<p><a href="{{ url }}">Read</a></p>',
        "sms.txt": "{{ url }}", "whatsapp.txt": "{{ url }}",
    }  # fmt: skip
    for part, source in parts.items():
        (target / part).write_text(source)
    templates = Templates([tmp_path, BUILT_IN])
    assert templates.problems() == []
    assert templates.render("login", "report", "de", CONTEXT).text == f"{URL}\n"


def test_an_app_has_templates_of_its_own_that_no_other_app_sees(tmp_path: Path) -> None:
    own = tmp_path / "apps" / APP
    _own(own, "login", "en", "Log on")
    (own / "base.html").write_text(
        "<title>{{ words.subject }}</title><a href='{{ url }}'>Mine: {{ passcode }}</a>"
    )
    templates = Templates([tmp_path, BUILT_IN])
    assert templates.problems() == []
    mine = templates.render("login", None, "en", replace(CONTEXT, app_id=APP))
    assert mine.subject == "Log on to Acme"
    assert "Mine: 482913" in mine.html
    for other in (replace(CONTEXT, app_id=OTHER_APP), CONTEXT):
        assert templates.render("login", None, "en", other).subject == "Sign in to Acme"
        assert "Mine" not in templates.render("login", None, "en", other).html
    # The nearest language goes first: an English text of one's own does not take German away.
    german = templates.render("login", None, "de", replace(CONTEXT, app_id=APP))
    assert "Anmeldung" in german.subject
    assert "Mine" not in german.html
    assert templates.available()[f"{APP}/login"] == ["en"]


@pytest.mark.parametrize("template", ["nothing_such", "../login", "login/en", "", "LOGIN"])
def test_a_template_that_does_not_exist_is_refused_and_never_a_path(
    templates: Templates, template: str
) -> None:
    if template:
        with pytest.raises(CannotRender):
            templates.render("login", template, "en", CONTEXT)
    else:
        assert templates.render("login", template, "en", CONTEXT).subject


def test_content_templates_are_chosen_by_name_and_language() -> None:
    templates = Templates([BUILT_IN], {"login": {"en": "HX" + "0" * 32}})
    assert templates.problems() == []
    assert templates.render("login", None, "sv", CONTEXT).whatsapp.content_sid == "HX" + "0" * 32
    assert templates.render("invite", None, "en", CONTEXT).whatsapp.content_sid is None


def test_nothing_secret_shows_in_the_repr_of_a_message(templates: Templates) -> None:
    assert "482913" not in repr(CONTEXT)
    assert URL not in repr(CONTEXT)
    content = templates.render("login", None, "en", CONTEXT)
    assert "482913" not in repr(content)
    assert URL not in repr(content)
