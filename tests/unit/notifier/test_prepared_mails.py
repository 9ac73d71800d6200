"""A filled mail is the rendered one, byte for byte, whatever stands in it and whatever a template does with it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from services.notifier import prepared
from services.notifier.content import CannotRender, Content
from services.notifier.prepared_pages import takes_slots
from services.notifier.render import BUILT_IN, Brand, MessageContext, Templates
from services.notifier.template_set import TemplateSet
from services.notifier.variables import variables_of
from shared.slots import slot

AT = datetime(2026, 11, 21, 7, 8, 30, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PLAIN = MessageContext(
    Brand("Acme"), "https://acme.example/l/one", 900, "ann@acme.example", AT, channel="email"
)
FULL = replace(
    PLAIN,
    brand=Brand(
        'Ann\'s "A&B" <Acme>', "Acme & Co", "#1f4fd8", "https://h.example/?a=1&b=2", None, "1 < 2 & 'so'"
    ),
    passcode="482913",
    asker_ip="203.0.113.7",
    asker_user_agent=FIREFOX,
    template_data={"inviter_name": "Ann Miller"},
    valid_until=AT + timedelta(days=2),
    time_zone="America/New_York",
)
# What differs from one mail to the next: (link, address, who invites).
OTHERS = [
    ("https://acme.example/l/two", "bob@acme.example", "Bob"),
    ("https://acme.example/x?a=1&copy=2&b='3'", "o'neil+tag&more@acme.example", "Zo\u00eb O'Neil & Sons"),
    ("https://acme.example/l/three", '"quoted<>"@acme.example', 'The "Boss" <x>'),
    ("https://acme.example/l/four", "j\u00f6rg@b\u00fccher.example", "\u0639\u0644\u064a \U0001f600 \u2028x"),
]


def others_like(context: MessageContext) -> list[MessageContext]:
    data = [{"inviter_name": who} if context.template_data else {} for _, _, who in OTHERS]
    return [
        replace(
            context,
            url=url if context.url else None,
            recipient=recipient,
            template_data=own,
            asked_at=AT + timedelta(minutes=number),
            passcode=context.passcode and f"00{number}{number}71",
        )
        for number, ((url, recipient, _), own) in enumerate(zip(OTHERS, data, strict=True))
    ]


def rendered(templates: Templates, name: str, locale: str, context: MessageContext) -> Content:
    found = templates.find(name, locale, context.app_id)
    assert found is not None
    return found.render(variables_of(context, found.locale, locale), "email")


@pytest.fixture
def renders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sets that were rendered, in their order."""
    done: list[str] = []
    render = TemplateSet.render

    def counted(self: TemplateSet, *arguments: object) -> Content:
        done.append(self.place)
        return render(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TemplateSet, "render", counted)
    return done


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates([BUILT_IN])


@pytest.mark.parametrize("locale", ["en", "en-GB", "de", "fr", "es", "pt-BR", "ja", "ar"])
@pytest.mark.parametrize("name", ["login", "verify_identifier", "invite", "passcode"])
def test_a_filled_mail_is_the_rendered_one(
    templates: Templates, renders: list[str], name: str, locale: str
) -> None:
    for first in (PLAIN, FULL, replace(FULL, asker_user_agent=None), replace(PLAIN, passcode="1234567890")):
        kind = replace(first, url=None, passcode=first.passcode or "4711") if name == "passcode" else first
        mails = [templates.render(name, None, locale, kind) for _ in range(3)]
        assert mails[0] == mails[1] == mails[2] == rendered(templates, name, locale, kind)
        for other in others_like(kind):
            assert templates.render(name, None, locale, other) == rendered(templates, name, locale, other)
        renders.clear()
        templates.render(name, None, locale, others_like(kind)[0])
        assert renders == []


def test_every_set_that_comes_with_it_is_prepared(templates: Templates) -> None:
    assert [found.place for found in templates.sets() if not found.is_plain] == []


@pytest.mark.parametrize("letters", [range(0x20, 0x180), range(0x2000, 0x2070), range(0xFE00, 0xFF10)])
def test_whatever_letter_a_value_has(templates: Templates, letters: range) -> None:
    for code, _ in product(letters, range(2)):
        context = replace(PLAIN, recipient=f"a{chr(code)}b@acme.example")
        assert templates.render("login", None, "en", context) == rendered(templates, "login", "en", context)


TEXT = "{{ recipient }} {{ passcode_aloud }}\n\n{{ url }}\n"
PAGE = """<!doctype html><html><head><style>.x { color: red }</style></head><body class="x">
<a class="x" href="{{ url }}">{{ recipient }}</a> {{ passcode }}</body></html>"""
NOT_PLAIN = {
    "a filter": "{{ recipient|upper }}",
    "a length": "{{ recipient|length }}",
    "a part": "{{ recipient[:3] }}",
    "a member": "{{ recipient.upper }}",
    "a comparison": "{% if recipient == 'bob@acme.example' %}Bob!{% endif %}",
    "a search": "{{ 'yes' if 'bob' in recipient else 'no' }}",
    "a test": "{{ recipient is lower }}",
    "a sum": "{{ recipient ~ '!' }}",
    "another name": "{% set who = recipient %}{{ who|length }}",
    "a text set": "{% set who %}{{ recipient }}{% endset %}{{ who|length }}",
    "a filtered text": "{% filter upper %}{{ recipient }}{% endfilter %}",
    "a macro": "{% macro m(x) %}{{ x|upper }}{% endmacro %}{{ m(recipient) }}",
    "a with": "{% with who = recipient %}{{ who|upper }}{% endwith %}",
    "a block shown again": "{% block b %}{{ recipient }}{% endblock %}{{ self.b()|upper }}",
    "a list": "{{ passcode_groups|join('-') }}",
    "a list as it is": "{{ passcode_groups }}",
    "a neighbour": "{% for g in passcode_groups %}{{ loop.nextitem|default('')|length }}{% endfor %}",
    "a change": "{% for g in passcode_groups %}{{ loop.changed(g) }}{% endfor %}",
    "pairs": "{% for a, b in [(1, 2)] %}{{ a }}{% endfor %}",
    "an item": "{% for g in passcode_groups %}{{ g|reverse }}{% endfor %}",
    "chance": "{{ 'a'|random }}",
    "data": "{{ data.inviter_name }}",
    "raw data": "{{ raw_data|length }}",
    "no escaping": "{% autoescape false %}{{ recipient }}{% endautoescape %}",
    "a file chosen by a value": "{% include recipient ignore missing %}",
}
NO_PLACES = {
    "a comment": "<!-- {{ recipient }} -->",
    "another attribute": '<a title="{{ recipient }}">x</a>',
    "an address without quotes": "<a href={{ url }}>x</a>",
    "a picture": '<img src="{{ url }}">',
    "a tag": "<{{ passcode }}>",
    "the end of a tag": "</{{ passcode }}>",
    "a declaration": "<!{{ passcode }}>",
    "an instruction": "<?{{ passcode }}?>",
    "a reference": "&#{{ passcode }};",
    "a reference by name": "&no{{ passcode }};",
    "a name of an attribute": "<a {{ passcode }}>x</a>",
    "a style": "<style>.{{ passcode }} { color: red }</style>",
    "styles by address": '<style>a[HREF*="two"] { color: green }</style>',
    "styles by something escaped": '<style>a[hre\\66*="two"] { color: green }</style>',
    "a script": "<script>{{ recipient }}</script>",
    "text with rules of its own": "<pre>{{ recipient }}</pre>",
}


def own_templates(folder: Path, *, text: str = TEXT, page: str = PAGE) -> Templates:
    one = folder / "login" / "en"
    one.mkdir(parents=True)
    parts = {"subject.txt": "Hello", "text.txt": text, "html.html": page, "sms.txt": "{{ url }}"}
    for name, source in (parts | {"whatsapp.txt": "{{ url }}"}).items():
        (one / name).write_text(source)
    return Templates([folder])


def own_phrase(folder: Path, phrase: str) -> Templates:
    for layout in BUILT_IN.glob("*.*"):
        (folder / layout.name).write_text(layout.read_text())
    words = (BUILT_IN / "login/en/words.toml").read_text().splitlines()
    kept = [line for line in words if not line.startswith("heading")]
    (folder / "login" / "en").mkdir(parents=True)
    (folder / "login" / "en" / "words.toml").write_text("\n".join([*kept, f"heading = '''{phrase}'''"]))
    return Templates([folder])


def check(templates: Templates) -> TemplateSet:
    kind = replace(PLAIN, passcode="482913", template_data={"inviter_name": "Ann"})
    for context in [kind] * 3 + others_like(kind):
        assert templates.render("login", None, "en", context) == rendered(templates, "login", "en", context)
    found = templates.find("login", "en", None)
    assert found is not None
    return found


def test_an_operators_own_template_is_prepared_too(tmp_path: Path, renders: list[str]) -> None:
    templates = own_templates(tmp_path)
    assert check(templates).is_plain
    renders.clear()
    kind = replace(PLAIN, passcode="482913", template_data={"inviter_name": "Ann"})
    templates.render("login", None, "en", others_like(kind)[0])
    assert renders == []


@pytest.mark.parametrize("source", NOT_PLAIN.values(), ids=NOT_PLAIN)
@pytest.mark.parametrize("where", ["text", "page", "phrase", "included", "extended"])
def test_a_template_that_does_more_than_show_a_value_is_rendered(
    tmp_path: Path, source: str, where: str
) -> None:
    (tmp_path / "part.html").write_text(f"{source}{{% block c %}}{{% endblock %}}")
    if where == "phrase":
        templates = own_phrase(tmp_path, source)
    elif where == "text":
        templates = own_templates(tmp_path, text=TEXT + source)
    else:
        pages = {
            "included": PAGE.replace("</body>", "{% include 'part.html' %}</body>"),
            "extended": "{% extends 'part.html' %}{% block c %}" + PAGE + "{% endblock %}",
        }
        page = pages.get(where, PAGE.replace("</body>", f"{source}</body>"))
        templates = own_templates(tmp_path, page=page)
    found = templates.find("login", "en", None)
    assert found is not None
    assert not found.is_plain
    if "random" not in source and ".upper" not in source:  # another each time
        check(templates)


@pytest.mark.parametrize("source", NO_PLACES.values(), ids=NO_PLACES)
def test_a_page_with_a_value_in_another_place_is_rendered(
    tmp_path: Path, renders: list[str], source: str
) -> None:
    templates = own_templates(tmp_path, page=PAGE.replace("</body>", f"{source}</body>"))
    assert check(templates).is_plain
    renders.clear()
    check(templates)
    assert len(renders) == 2 * 7


def test_an_include_that_is_not_escaped_as_the_page_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "part.txt").write_text("{{ recipient }}")
    templates = own_templates(tmp_path, page=PAGE.replace("</body>", "{% include 'part.txt' %}</body>"))
    assert not check(templates).is_plain


@pytest.mark.parametrize("page", [f"<p>{slot('url')}</p>", f'<a href="{slot("url")}">x</a>'])
def test_text_and_addresses_take_slots(page: str) -> None:
    assert takes_slots(page)


def test_what_comes_once_is_not_prepared_and_no_more_is_kept_than_may_be(
    templates: Templates, renders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "_MOST", 5)
    mails = prepared.PreparedMails()
    found = templates.find("login", "en", None)
    assert found is not None
    for seconds in range(900, 920):
        mails.render(found, replace(PLAIN, ttl_seconds=seconds), "en")
        assert len(mails._kept) <= 5
    assert len(renders) == 20
    assert not any(isinstance(kept, prepared._Prepared) for kept in mails._kept.values())


def test_what_is_kept_holds_nobodys_link_passcode_or_address(templates: Templates) -> None:
    mails = prepared.PreparedMails()
    found = templates.find("invite", "en", None)
    assert found is not None
    for _ in range(3):
        mails.render(found, FULL, "en")
    (kept,) = mails._kept.values()
    assert isinstance(kept, prepared._Prepared)
    pieces = "".join(
        piece for part in (kept.subject, kept.text, kept.page) for piece in part._pieces
    ) + "".join(map(str, mails._kept))
    for secret in ("/l/one", "482", "913", "ann@", "Miller", "203.0.113.7"):
        assert secret not in pieces


def test_a_mail_of_another_brand_language_or_life_is_another_mail(templates: Templates) -> None:
    for brand, seconds, locale in product((PLAIN.brand, FULL.brand), (900, 3600), ("en", "en-GB", "de")):
        kind = replace(FULL, brand=brand, ttl_seconds=seconds)
        for context in [kind] * 3 + others_like(kind):
            assert templates.render("login", None, locale, context) == rendered(
                templates, "login", locale, context
            )


def test_the_way_that_durations_are_written_is_part_of_the_kind(
    templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "services.notifier.variables.duration_words", lambda seconds, formats: f"{seconds} {formats}"
    )
    kind = replace(PLAIN, ttl_seconds=901)
    texts = [
        templates.render("login", None, locale, kind).text
        for locale in ("en-GB", "en-GB", "en-GB", "en-US", "en-GB")
    ]
    assert ["901 en_US" in text for text in texts] == [False, False, False, True, False]


def test_a_link_that_is_none_is_refused_after_others_were_filled(templates: Templates) -> None:
    for _ in range(3):
        templates.render("login", None, "en", PLAIN)
    with pytest.raises(CannotRender):
        templates.render("login", None, "en", replace(PLAIN, url="javascript:x"))
