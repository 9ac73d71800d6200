"""One template set: the five files of one message in one language, compiled, rendered together, never mixed.

`whatsapp.txt` may begin with the variables of the approved content template, one `number: template` a line, closed by
a line `---`; below stands the body that serves where no content template is configured.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
    TemplateError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.content import CannotRender, Content, WhatsAppTemplate
from services.notifier.wording import one_line, plain_punctuation

PARTS = ("subject.txt", "text.txt", "html.html", "sms.txt", "whatsapp.txt")
MAX_SMS_CHARS = 1_600  # Twilio refuses a longer body (error 21617)
_VARIABLE = re.compile(r"(\d{1,2}):[ \t]*(\S.*)")


class TemplateFault(Exception):  # noqa: N818 - states the fact
    """A template file is missing or broken; shown to the operator at start-up."""


def environment(folders: list[Path]) -> Environment:
    """Return the environment in which operators' templates run.

    Sandboxed: a template is configuration, not code. Strict: a misspelt variable must fail, not vanish. Paths that
    begin with a folder's number name exactly that folder's file; other paths (`base.html`) come from the first
    folder that has them.
    """
    loaders = {str(index): FileSystemLoader(folder) for index, folder in enumerate(folders)}
    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([PrefixLoader(loaders), *loaders.values()]),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """The compiled templates of one message type and language."""

    name: str
    locale: str
    parts: dict[str, Template]
    whatsapp_variables: dict[str, Template]
    content_sid: str | None

    def render(self, variables: Mapping[str, object]) -> Content:
        """Return the message.

        Raises:
            CannotRender: A variable is missing, or a template did what the sandbox forbids.
        """
        sms = plain_punctuation(self._part("sms.txt", variables))
        if len(sms) > MAX_SMS_CHARS:
            raise CannotRender(f"{self.name}/{self.locale}/sms.txt: longer than {MAX_SMS_CHARS} characters")
        return Content(
            subject=one_line(self._part("subject.txt", variables), max_chars=200),
            text=self._part("text.txt", variables) + "\n",
            html=self._part("html.html", variables) + "\n",
            sms=sms,
            whatsapp=self._whatsapp(variables),
        )

    def _part(self, part: str, variables: Mapping[str, object]) -> str:
        return self._rendered(part, self.parts[part], variables)

    def _whatsapp(self, variables: Mapping[str, object]) -> WhatsAppTemplate:
        # WhatsApp refuses empty variables and line ends within them; an empty one falls to the template's default.
        rendered = {
            number: one_line(self._rendered("whatsapp.txt", template, variables))
            for number, template in self.whatsapp_variables.items()
        }
        return WhatsAppTemplate(
            content_sid=self.content_sid,
            variables={number: text for number, text in rendered.items() if text},
            body=self._part("whatsapp.txt", variables),
        )

    def _rendered(self, part: str, template: Template, variables: Mapping[str, object]) -> str:
        where = f"{self.name}/{self.locale}/{part}"
        try:
            return template.render(variables).strip()
        except TemplateError as error:
            # Undefined, forbidden by the sandbox, not found: these name variables and files, never a value.
            raise CannotRender(f"{where}: {error.message}") from None
        except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
            # The template's own mistake with this message's data, such as a sum of words; its text may quote values.
            raise CannotRender(f"{where}: {type(error).__name__}") from None


def compile_set(
    env: Environment, folder: tuple[int, Path], key: tuple[str, str], content_sid: str | None
) -> TemplateSet:
    """Return the set `key` = (name, locale) of the numbered template folder.

    Raises:
        TemplateFault: A file is missing, unreadable or does not parse. One line a fault.
    """
    index, root = folder
    name, locale = key
    faults: list[str] = []
    parts = {}
    for part in PARTS[:-1]:
        compiled = _attempt(faults, root / name / locale / part, env, f"{index}/{name}/{locale}/{part}")
        if compiled is not None:
            parts[part] = compiled
    variables: dict[str, Template] = {}
    whatsapp = root / name / locale / "whatsapp.txt"
    try:
        parts["whatsapp.txt"], variables = _whatsapp_templates(env, whatsapp)
    except (OSError, ValueError, TemplateError) as error:
        faults.append(f"{whatsapp}: {_words(error)}")
    if faults:
        raise TemplateFault("\n".join(faults))
    return TemplateSet(name, locale, parts, variables, content_sid)


def _attempt(faults: list[str], path: Path, env: Environment, template_path: str) -> Template | None:
    if not path.is_file():
        faults.append(f"{path}: is missing")
        return None
    try:
        return env.get_template(template_path)
    except (OSError, ValueError, TemplateError) as error:
        faults.append(f"{path}: {_words(error)}")
        return None


def _words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    line = getattr(error, "lineno", None)
    return f"line {line}: {error}" if line else str(error)


def _whatsapp_templates(env: Environment, path: Path) -> tuple[Template, dict[str, Template]]:
    # The source is split before anything is filled in, so no value can pretend to be another variable.
    head, mark, body = f"\n{path.read_text(encoding='utf-8')}".partition("\n---\n")
    if not mark:
        return env.from_string(head.lstrip("\n")), {}
    variables = {}
    for line in filter(None, map(str.strip, head.splitlines())):
        found = _VARIABLE.fullmatch(line)
        if found is None or found[1] in variables:
            raise ValueError("above --- each line is `number: template`, each number once")
        variables[found[1]] = env.from_string(found[2])
    return env.from_string(body), variables


def check(templates: TemplateSet, samples: Sequence[Mapping[str, object]]) -> list[str]:
    """Return what is wrong with messages rendered from the samples, each of which has a `url`."""
    where = f"{templates.name}/{templates.locale}"
    problems: list[str] = []
    for variables in samples:
        try:
            content = templates.render(variables)
        except CannotRender as error:
            problems.append(str(error))
            continue
        url = str(variables["url"])
        rules = {
            "subject.txt: is empty": bool(content.subject),
            "text.txt: the link does not stand on a line of its own": url in content.text.split("\n"),
            "html.html: has no link": f'href="{url}"' in content.html,
            "sms.txt: does not end with the link": content.sms.endswith(url),
            "whatsapp.txt: has no link": url in content.whatsapp.body,
        }
        problems += [f"{where}/{rule}" for rule, holds in rules.items() if not holds]
    return list(dict.fromkeys(problems))
