"""The trial of a template set before a service starts: it is rendered with made-up messages, and what comes out is looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from jinja2 import ChainableUndefined

from services.notifier.content import Brand, CannotRender, Content, MessageContext
from services.notifier.findings import Finding
from services.notifier.template_set import TemplateSet
from services.notifier.variables import variables_of
from shared.link_faults import is_passcode_template

# 60 characters: what a link is with a short domain and a token of 39.
SAMPLE_URL = "https://login.example/l/".ljust(60, "a")
SAMPLE_PASSCODE = "482913"
_AT = datetime(2026, 11, 21, 7, 8, tzinfo=UTC)
_BRAND = Brand("Example")
_FULL_BRAND = Brand(
    "Example",
    "Example Ltd",
    "#1f4fd8",
    "https://help.example.com",
    "https://cdn.example.com/logo.png",
    "Example Ltd, 1 Main Street",
)
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class _AnyData(dict[str, object]):
    """Stands for `template_data` in the trial: every key exists and prints as nothing."""

    def __missing__(self, key: str) -> ChainableUndefined:
        return ChainableUndefined(name=key)


def sample_context(*, full: bool, brand: Brand | None = None, name: str = "login") -> MessageContext:
    """Return a made-up message for the template `name`: with everything that one may have, or with as little as possible."""
    context = _sample(brand, full=full)
    # What has no link has a passcode.
    return replace(context, url=None, passcode=SAMPLE_PASSCODE) if is_passcode_template(name) else context


def _sample(brand: Brand | None, *, full: bool) -> MessageContext:
    if not full:
        return MessageContext(brand or _BRAND, SAMPLE_URL, 900, "jo@example.com", _AT)
    return MessageContext(
        brand or _FULL_BRAND,
        SAMPLE_URL,
        900,
        "jo@example.com",
        _AT,
        passcode=SAMPLE_PASSCODE,
        asker_ip="203.0.113.7",
        asker_user_agent=_BROWSER,
        template_data={"inviter_name": "Ann Miller"},
        valid_until=_AT,
        time_zone="Europe/Berlin",
    )


def samples(locale: str, name: str = "login") -> list[dict[str, object]]:
    """Return the variables of the trial of the template `name`: a bare message, and a full one."""
    return [
        variables_of(sample_context(full=full, name=name), locale)
        | {"data": _AnyData(), "raw_data": _AnyData()}
        for full in (False, True)
    ]


def check(templates: TemplateSet, trial: Sequence[Mapping[str, object]]) -> list[Finding]:
    """Return what is wrong with messages rendered from the trial's variables."""
    findings: list[Finding] = []
    for variables in trial:
        try:
            content = templates.render(variables)
        except CannotRender as error:
            place, _, message = str(error).partition(": ")
            findings.append(Finding(place, "cannot-render", message))
        else:
            findings += _broken_rules(templates.place, content, variables)
    return list(dict.fromkeys(findings))


def _broken_rules(place: str, content: Content, variables: Mapping[str, object]) -> list[Finding]:
    passcode = str(variables["passcode"] or "")
    rules: list[tuple[str, str, str, bool]] = [
        ("subject.txt", "empty-subject", "is empty", bool(content.subject)),
        *(_link_rules(content, str(variables["url"])) if "url" in variables else ()),
    ]
    if passcode:
        shown = {part: _holds(form, passcode) for part, form in _forms(content).items()}
        must = "url" not in variables or any(shown.values())
        words = "has no passcode, and others of the set show it" if "url" in variables else "has no passcode"
        rules += [(part, "passcode-missing", words, shows or not must) for part, shows in shown.items()]
    return [Finding(f"{place}/{part}", rule, message) for part, rule, message, holds in rules if not holds]


def _link_rules(content: Content, url: str) -> list[tuple[str, str, str, bool]]:
    return [
        (
            "text.txt",
            "link-on-its-own-line",
            "the link does not stand on a line of its own",
            url in content.text.split("\n"),
        ),
        ("html.html", "link-missing", "has no link", f'href="{url}"' in content.html),
        ("sms.txt", "link-last", "does not end with the link", content.sms.endswith(url)),
        ("whatsapp.txt", "link-missing", "has no link", url in content.whatsapp.body),
    ]


def _forms(content: Content) -> dict[str, str]:
    return {
        "text.txt": content.text,
        "html.html": content.html,
        "sms.txt": content.sms,
        "whatsapp.txt": content.whatsapp.body,
    }


def _holds(form: str, passcode: str) -> bool:
    """Whether a form shows the passcode, in one run or in groups, each in a tag of its own or not."""
    groups = [passcode, f"{passcode[:3]} {passcode[3:]}"]
    return any(group in form for group in groups) or (
        f">{passcode[:3]}<" in form and f">{passcode[3:]}<" in form
    )
