"""Finds what is wrong or doubtful in template folders, beyond what keeps a service from starting."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from jinja2 import Environment, TemplateError, nodes
from jinja2.meta import find_undeclared_variables

from services.notifier.content import CannotRender
from services.notifier.findings import Finding
from services.notifier.render import Templates, full_name
from services.notifier.segments import measure_sms, outside_gsm
from services.notifier.template_check import samples
from services.notifier.template_roots import PARTS, Roots
from services.notifier.template_set import TemplateSet
from services.notifier.words import WORDS, read_phrases

MAX_SUBJECT_CHARS = 78  # RFC 5322, 2.1.1: what a line should not exceed, and what phones show at most
MAX_SEGMENTS = 2
KNOWN = frozenset(samples("en")[0]) | {"words"}
_FILES = ("**/*.txt", "**/*.html", f"**/{WORDS}")
_MARK = re.compile(r"^---$", re.MULTILINE)


def lint(templates: Templates) -> list[Finding]:
    """Return every finding, by file."""
    findings = [*templates.findings(), *_of_sources(templates.roots), *_of_locales(templates)]
    for found in templates.sets():
        findings += _of_messages(found)
    findings += _of_whatsapp(templates)
    return sorted(set(findings))


def _of_messages(templates: TemplateSet) -> Iterator[Finding]:
    """What a rendered message shows: length of SMS and subject."""
    for variables in samples(templates.locale, templates.name):
        try:
            sms = templates.render(variables).sms
            subject = templates.subject_source(variables)
        except CannotRender:
            continue  # told already
        size = measure_sms(sms)
        if size.segments > MAX_SEGMENTS:
            letters = "" if size.encoding == "GSM-7" else f" because of {' '.join(outside_gsm(sms)[:5])}"
            yield _warning(
                f"{templates.place}/sms.txt",
                "sms-segments",
                f"takes {size.segments} segments ({size.units} units of {size.encoding}{letters})",
            )
        if "\n" in subject:
            yield _warning(
                f"{templates.place}/subject.txt", "subject-line-end", "has a line end, which becomes a space"
            )
        if len(subject) > MAX_SUBJECT_CHARS:
            yield _warning(
                f"{templates.place}/subject.txt",
                "subject-length",
                f"has {len(subject)} characters with a short product name, more than {MAX_SUBJECT_CHARS}",
            )


def _of_whatsapp(templates: Templates) -> Iterator[Finding]:
    """Languages of one message must agree on the variables; where some have a content SID, the others should too."""
    sets = templates.sets()
    in_use = any(found.content_sid for found in sets)
    by_name: dict[str, list[TemplateSet]] = {}
    for found in sets:
        by_name.setdefault(full_name(found.app_id, found.name), []).append(found)
    for of_name in by_name.values():
        most = max(len(found.whatsapp_variables) for found in of_name)
        for found in of_name:
            where = f"{found.place}/whatsapp.txt"
            if len(found.whatsapp_variables) != most:
                count = len(found.whatsapp_variables)
                yield _warning(
                    where, "whatsapp-variables", f"has {count} variables, another language has {most}"
                )
            if in_use and found.whatsapp_variables and found.content_sid is None:
                yield _warning(
                    where,
                    "whatsapp-content-sid",
                    "has variables and no content SID (MAGICLINK_WHATSAPP_CONTENT_SIDS)",
                )
            if found.content_sid is not None and not found.whatsapp_variables:
                yield Finding(
                    where, "whatsapp-variables", "has a content SID, and no variables above a line ---"
                )


def _of_locales(templates: Templates) -> Iterator[Finding]:
    """A language that other messages have is missed here. An app's own sets fall back to those of all apps."""
    available = {key: set(found) for key, found in templates.available().items() if "/" not in key}
    every = set().union(*available.values()) if available else set()
    for name, locales in available.items():
        if missing := sorted(every - locales):
            yield _warning(name, "missing-locale", f"has no {', '.join(missing)}, which other templates have")


def _of_sources(roots: Roots) -> Iterator[Finding]:
    """What the text of a file shows: variables that no message has, and values that are used as they came."""
    for path in sorted({path for root in roots.folders for pattern in _FILES for path in root.glob(pattern)}):
        if path.name in (*PARTS, WORDS) or path.suffix == ".html":
            for where, source in _sources(path):
                yield from _of_source(roots.env, where, source)


def _sources(path: Path) -> Iterable[tuple[str, str]]:
    try:
        if path.name == WORDS:
            return [(f"{path}: {name}", phrase) for name, phrase in read_phrases(path).items()]
        source = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []  # told already, when it was compiled
    return [(str(path), part) for part in _MARK.split(source)]


def _of_source(env: Environment, where: str, source: str) -> Iterator[Finding]:
    try:
        tree = env.parse(source)
    except TemplateError:
        return  # told already
    unknown = sorted(find_undeclared_variables(tree) - KNOWN - env.globals.keys())
    for name in unknown:
        yield Finding(where, "unknown-variable", f"there is no variable {name!r}")
    if "raw_data" in find_undeclared_variables(tree):
        yield _warning(
            where,
            "raw-data",
            "`raw_data` is as it came: its links are followed, its lines break; prefer `data`",
        )
    if any(found.name == "safe" for found in tree.find_all(nodes.Filter)):
        yield Finding(
            where, "unsafe", "`safe` puts a value into the page as it came: whoever chose it writes our page"
        )
    if any(not found.options.get("autoescape", True) for found in _autoescapes(tree)):
        yield Finding(where, "unsafe", "`autoescape false` puts values into the page as they came")


class _Switch:
    """One `{% autoescape %}` with its constant options."""

    def __init__(self, node: nodes.ScopedEvalContextModifier) -> None:
        self.options = {
            option.key: option.value.value for option in node.options if isinstance(option.value, nodes.Const)
        }


def _autoescapes(tree: nodes.Template) -> Iterator[_Switch]:
    return (_Switch(node) for node in tree.find_all(nodes.ScopedEvalContextModifier))


def _warning(file: str, rule: str, message: str) -> Finding:
    return Finding(file, rule, message, "warning")
