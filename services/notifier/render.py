"""Messages from template sets `<type or template>/<locale>/`, in several root folders: the first that has a set wins.

For one app alone, sets stand under `apps/<app id>/` of a root.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.notifier.content import Brand, CannotRender, Content, MessageContext, WhatsAppTemplate
from services.notifier.findings import Finding, TemplateFault
from services.notifier.prepared import PreparedMails
from services.notifier.template_check import check, samples
from services.notifier.template_roots import APPS, Roots
from services.notifier.template_set import TemplateSet, compile_set
from services.notifier.variables import variables_of
from shared.locales import DEFAULT_LOCALE, language, nearest

__all__ = ["BUILT_IN", "Brand", "CannotRender", "Content", "MessageContext", "Templates", "WhatsAppTemplate"]

BUILT_IN = Path(__file__).parent / "templates"
TYPES = ("login", "verify_identifier", "invite")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_APP_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ContentSids = Mapping[str, Mapping[str, str]]


class Templates:
    """All template sets, compiled once.

    `folders`: root folders, an operator's own before `BUILT_IN`. `content_sids`: WhatsApp content templates as
    `{template name: {locale: "HX…"}}`, for one app's as `{"<app id>/<name>": …}`. Nothing is raised here: a service
    asks `problems()` before it starts.
    """

    def __init__(self, folders: Sequence[Path], content_sids: ContentSids | None = None) -> None:
        self._sets: dict[tuple[str | None, str], dict[str, TemplateSet]] = {}
        self._findings: list[Finding] = []
        self._content_sids = content_sids or {}
        self._mails = PreparedMails()
        self.roots = Roots.of([folder for folder in folders if folder.is_dir()])
        self._findings += [
            Finding(str(folder), "no-folder", "is not a folder") for folder in folders if not folder.is_dir()
        ]
        self._load(self.roots, self.roots.folders, None)
        for app_id in self.roots.app_ids():
            self._load_app(app_id)
        self._check_whole()

    def problems(self) -> list[str]:
        """Return everything that is wrong with the template folders; empty means that the service may start."""
        return [finding.line for finding in self._findings]

    def findings(self) -> list[Finding]:
        """Return the same, for `lint`."""
        return list(self._findings)

    def sets(self) -> list[TemplateSet]:
        """Return every set, those for all apps first."""
        return [
            found
            for key in sorted(self._sets, key=lambda key: (key[0] or "", key[1]))
            for found in self._sets[key].values()
        ]

    def available(self) -> dict[str, list[str]]:
        """Return the locales of each template, by `<name>` or `<app id>/<name>`."""
        return {
            full_name(app_id, name): sorted(found.locale for found in of_name.values())
            for (app_id, name), of_name in sorted(self._sets.items(), key=lambda item: full_name(*item[0]))
            if of_name
        }

    def find(self, name: str, locale: str, app_id: str | None) -> TemplateSet | None:
        """Return the set of the nearest language; in that language, the app's own goes first."""
        general, own = self._sets.get((None, name), {}), self._sets.get((app_id, name), {})
        chosen = nearest(locale, {*general, *own})
        return None if chosen is None else own.get(chosen) or general[chosen]

    def render(self, type_: str, template: str | None, locale: str, context: MessageContext) -> Content:
        """Return the message of `template`, or of the link's type, in the nearest language that has a whole set.

        `pt-PT` falls back to `pt`, to a set that is written alike such as `pt-BR`, then to `en`. A template that does not
        exist is refused: a quiet fall to another text would send people something that nobody meant.

        Raises:
            CannotRender: There is no such template, or it cannot be filled with this context.
        """
        name = template or type_
        found = self.find(name, locale, context.app_id)
        if found is None:
            raise CannotRender(
                f"there is no template {name!r}" if _NAME.fullmatch(name) else "no such template"
            )
        if found.is_plain and context.channel == "email":
            return self._mails.render(found, context, locale)
        return found.render(variables_of(context, found.locale, locale), context.channel)

    def _load_app(self, app_id: str) -> None:
        own = [folder / APPS / app_id for folder in self.roots.folders]
        folders = [folder for folder in own if folder.is_dir()]
        if app_id.startswith("."):
            return
        if not _APP_ID.fullmatch(app_id):
            self._findings.append(Finding(str(folders[0]), "no-app-id", "is not named by an app's id"))
            return
        self._load(self.roots.for_app(app_id), folders, app_id)

    def _load(self, roots: Roots, folders: Sequence[Path], app_id: str | None) -> None:
        for path in roots.sets(folders):
            name, locale = path.parent.name, path.name
            if not (_NAME.fullmatch(name) and _LOCALE.fullmatch(locale)):
                self._findings.append(Finding(str(path), "no-set", "is not `<template name>/<locale>`"))
            elif language(locale) is None:
                self._findings.append(Finding(str(path), "no-locale", "is no language that CLDR knows"))
            else:
                self._add(roots, path, app_id)

    def _add(self, roots: Roots, path: Path, app_id: str | None) -> None:
        name, locale = path.parent.name, path.name
        of_name = self._sets.setdefault((app_id, name), {})
        if locale.lower() in of_name:
            return
        content_sid = self._content_sids.get(full_name(app_id, name), {}).get(locale)
        try:
            compiled = compile_set(roots, path, app_id, content_sid)
        except TemplateFault as fault:
            self._findings += fault.findings
            return
        of_name[locale.lower()] = compiled
        self._findings += check(compiled, samples(locale, name))

    def _check_whole(self) -> None:
        names = {name for _, name in self._sets} | set(TYPES)
        self._findings += [
            Finding(
                f"{name}/{DEFAULT_LOCALE}", "missing-set", "is missing, and other languages fall back to it"
            )
            for name in sorted(names)
            if not self._has_default(name)
        ]
        # A misspelt name would send the plain body, which WhatsApp refuses outside a conversation.
        known = {full_name(app_id, name): found for (app_id, name), found in self._sets.items()}
        self._findings += [
            Finding(f"WhatsApp content SID for {name}/{locale}", "no-set", "there is no such template set")
            for name, locales in self._content_sids.items()
            for locale in locales
            if locale.lower() not in known.get(name, {})
        ]

    def _has_default(self, name: str) -> bool:
        """Whether every app finds a last resort: a set for all, or its own where only apps have this template."""
        own = [found for (app_id, of), found in self._sets.items() if app_id and of == name]
        general = self._sets.get((None, name), {})
        return DEFAULT_LOCALE in general or bool(
            own and not general and all(DEFAULT_LOCALE in f for f in own)
        )


def full_name(app_id: str | None, name: str) -> str:
    """Return `<name>`, or `<app id>/<name>` for an app's own template."""
    return f"{app_id}/{name}" if app_id else name
