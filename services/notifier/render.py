"""Messages from template folders `<type or template>/<locale>/`, in several root folders: the first that has a set wins."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import ChainableUndefined

from services.notifier.content import CannotRender, Content, MessageContext, WhatsAppTemplate
from services.notifier.template_set import TemplateFault, TemplateSet, check, compile_set, environment
from services.notifier.wording import (
    button_colours,
    device_words,
    duration_words,
    harmless,
    ip_words,
    one_line,
    passcode_groups,
)

__all__ = ["BUILT_IN", "CannotRender", "Content", "MessageContext", "Templates", "WhatsAppTemplate"]

BUILT_IN = Path(__file__).parent / "templates"
TYPES = ("login", "verify_identifier", "invite")
DEFAULT_LOCALE = "en"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_URL = re.compile(r"https?://[!-~]+")


class Templates:
    """All template sets, compiled once.

    `folders`: root folders, an operator's own before `BUILT_IN`. `content_sids`: WhatsApp content templates as
    `{template name: {locale: "HX…"}}`. Nothing is raised here: a service asks `problems()` before it starts.
    """

    def __init__(
        self, folders: Sequence[Path], content_sids: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._sets: dict[tuple[str, str], TemplateSet] = {}
        self._problems: list[str] = []
        self._env = environment(list(folders))
        for index, folder in enumerate(folders):
            if not folder.is_dir():
                self._problems.append(f"{folder}: is not a folder")
                continue
            self._load((index, folder), content_sids or {})
        self._check(content_sids or {})

    def problems(self) -> list[str]:
        """Return everything that is wrong with the template folders; empty means that the service may start."""
        return list(self._problems)

    def render(self, type_: str, template: str | None, locale: str, context: MessageContext) -> Content:
        """Return the message of `template`, or of the link's type, in the nearest language that has a whole set.

        `pt-BR` falls back to `pt`, then to `en`. A template that does not exist is refused: a quiet fall to another
        text would send people something that nobody meant.

        Raises:
            CannotRender: There is no such template, or it cannot be filled with this context.
        """
        name = template or type_
        for candidate in locale_candidates(locale):
            found = self._sets.get((name, candidate.lower()))
            if found is not None:
                return found.render(variables_of(context, found.locale))
        raise CannotRender(f"there is no template {name!r}" if _NAME.fullmatch(name) else "no such template")

    def _load(self, folder: tuple[int, Path], content_sids: Mapping[str, Mapping[str, str]]) -> None:
        for path in sorted(folder[1].glob("*/*/")):
            name, locale = path.parent.name, path.name
            if path.parent.name.startswith("."):
                continue  # what mounted volumes and editors leave behind
            if not (_NAME.fullmatch(name) and _LOCALE.fullmatch(locale)):
                self._problems.append(f"{path}: is not `<template name>/<locale>`")
                continue
            if (name, locale.lower()) in self._sets:
                continue
            content_sid = content_sids.get(name, {}).get(locale)
            try:
                compiled = compile_set(self._env, folder, (name, locale), content_sid)
            except TemplateFault as fault:
                self._problems += str(fault).splitlines()
                continue
            self._sets[name, locale.lower()] = compiled
            self._problems += check(compiled, _samples(locale))

    def _check(self, content_sids: Mapping[str, Mapping[str, str]]) -> None:
        names = {name for name, _ in self._sets} | set(TYPES)
        self._problems += [
            f"{name}/{DEFAULT_LOCALE}: is missing, and other languages fall back to it"
            for name in sorted(names)
            if (name, DEFAULT_LOCALE) not in self._sets
        ]
        # A misspelt name would send the plain body, which WhatsApp refuses outside a conversation.
        self._problems += [
            f"WhatsApp content SID for {name}/{locale}: there is no such template set"
            for name, locales in content_sids.items()
            for locale in locales
            if (name, locale.lower()) not in self._sets
        ]


def locale_candidates(locale: str) -> list[str]:
    """Return `pt-BR` (or `pt_BR`) as `["pt-BR", "pt", "en"]`."""
    subtags = locale.replace("_", "-").split("-")
    return ["-".join(subtags[:count]) for count in range(len(subtags), 0, -1)] + [DEFAULT_LOCALE]


def variables_of(context: MessageContext, locale: str) -> dict[str, object]:
    """Return what templates see, with everything from outside made harmless.

    `data` is the request's `template_data`, one line each and without links; `raw_data` is the same as it came, for
    templates whose product vouches for the values.

    Raises:
        CannotRender: The link is not an absolute http(s) URL.
    """
    if not _URL.fullmatch(context.url):
        raise CannotRender("the link is not an absolute http or https URL")
    button, button_text = button_colours(context.brand_colour)
    groups = passcode_groups(context.passcode or "")
    ip = ip_words(context.asker_ip)
    app_name = one_line(context.app_name, max_chars=80)
    return {
        "locale": locale,
        "app_name": app_name,
        "sender_name": one_line(context.sender_name or "", max_chars=80) or app_name,
        "url": context.url,
        "recipient": one_line(context.recipient),
        "passcode": context.passcode,
        "passcode_groups": groups,
        "passcode_aloud": " ".join(groups),
        "duration": duration_words(context.ttl_seconds),
        "ttl_minutes": context.ttl_seconds // 60,
        "asker": {"ip": ip, **device_words(context.asker_user_agent)} if ip else None,
        "button_colour": button,
        "button_text_colour": button_text,
        "data": harmless(dict(context.template_data)),
        "raw_data": dict(context.template_data),
    }


class _AnyData(dict[str, object]):
    """Stands for `template_data` in the trial at start-up: every key exists and prints as nothing."""

    def __missing__(self, key: str) -> ChainableUndefined:
        return ChainableUndefined(name=key)


def _samples(locale: str) -> list[dict[str, object]]:
    url = "https://login.example.com/l/" + "a" * 39
    bare = MessageContext("Example", url, 900, "jo@example.com")
    full = MessageContext(
        "Example",
        url,
        900,
        "jo@example.com",
        "482913",
        "203.0.113.7",
        "Mozilla/5.0 (X11; Linux) Firefox/140.0",
    )
    return [
        variables_of(context, locale) | {"data": _AnyData(), "raw_data": _AnyData()}
        for context in (bare, full)
    ]
