"""The trial of a template set before a service starts: it is rendered with made-up messages, and what comes out is looked at."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from jinja2 import ChainableUndefined

from services.notifier.content import Brand, CannotRender, Content, MessageContext
from services.notifier.findings import Finding
from services.notifier.template_set import TemplateSet
from services.notifier.variables import variables_of

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


def sample_context(*, full: bool, brand: Brand | None = None) -> MessageContext:
    """Return a made-up message: with everything that one may have, or with as little as possible."""
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


def samples(locale: str) -> list[dict[str, object]]:
    """Return the variables of the trial: a bare message, and a full one."""
    return [
        variables_of(sample_context(full=full), locale) | {"data": _AnyData(), "raw_data": _AnyData()}
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
    url, passcode = str(variables["url"]), str(variables["passcode"] or "")
    rules: list[tuple[str, str, str, bool]] = [
        ("subject.txt", "empty-subject", "is empty", bool(content.subject)),
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
    if passcode:
        forms = _forms(content)
        shown = {part: _holds(form, passcode) for part, form in forms.items()}
        rules += [
            (
                part,
                "passcode-missing",
                "has no passcode, and others of the set show it",
                shows or not any(shown.values()),
            )
            for part, shows in shown.items()
        ]
    return [Finding(f"{place}/{part}", rule, message) for part, rule, message, holds in rules if not holds]


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
