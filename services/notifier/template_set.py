"""One template set: the five parts of one message in one language, compiled, rendered together, never mixed.

`whatsapp.txt` may begin with the variables of the approved content template, one `number: template` a line, closed by
a line `---`; below stands the body that serves where no content template is configured.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from css_inline import CSSInliner, InlineError
from jinja2 import Environment, Template, TemplateError

from services.notifier.content import CannotRender, Content, WhatsAppTemplate
from services.notifier.findings import Finding, TemplateFault
from services.notifier.plain_templates import is_plain
from services.notifier.template_roots import PARTS, Roots
from services.notifier.variables import html_variables, text_variables
from services.notifier.wording import one_line, plain_punctuation, subject_line
from services.notifier.words import WORDS, Phrase, Words, compile_phrases, fill_html, fill_text

MAX_SMS_CHARS = 1_600  # Twilio refuses a longer body (error 21617)
T = TypeVar("T")
_VARIABLE = re.compile(r"(\d{1,2}):[ \t]*(\S.*)")
# Mail programs drop <style>, so rules move to the tags they are for; only media queries (dark mode) stay. Nothing is fetched.
_INLINER = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """The compiled templates of one message type and language. `app_id` None: for every app."""

    name: str
    locale: str
    parts: dict[str, Template]
    phrases: dict[str, Phrase]
    whatsapp_variables: dict[str, Template]
    content_sid: str | None
    app_id: str | None = None
    # Whether the parts of an e-mail, and the phrases, only show what differs from mail to mail.
    is_plain: bool = False

    @property
    def place(self) -> str:
        own = f"apps/{self.app_id}/" if self.app_id else ""
        return f"{own}{self.name}/{self.locale}"

    def render(self, variables: Mapping[str, object], channel: str | None = None) -> Content:
        """Return the message: in every form, or in those alone that `channel` sends; the others are empty.

        Raises:
            CannotRender: A variable is missing, or a template did what the sandbox forbids.
        """
        bare = self._with_words(dict(variables), fill_text)
        running = bare
        if variables["direction"] == "rtl":
            running = self._with_words(text_variables(variables), fill_text)
        by_mail, by_sms, by_whatsapp = (channel in (None, name) for name in ("email", "sms", "whatsapp"))
        return Content(
            subject=subject_line(self._part("subject.txt", bare)) if by_mail else "",
            text=self._part("text.txt", running) + "\n" if by_mail else "",
            html=self._html(variables) if by_mail else "",
            sms=self._sms(bare) if by_sms else "",
            whatsapp=self._whatsapp(bare, running) if by_whatsapp else WhatsAppTemplate(None, {}, ""),
        )

    def subject_source(self, variables: Mapping[str, object]) -> str:
        """Return the subject before it is made one line."""
        return self._part("subject.txt", self._with_words(dict(variables), fill_text))

    def page(self, variables: Mapping[str, object]) -> str:
        """Return the page of the mail as its template has it, with its styles in their `<style>`. Raises as `render` does."""
        marked = html_variables(variables)

        def fill(phrase: Phrase, _: Mapping[str, object]) -> str:
            return fill_html(phrase, marked)

        return self._part("html.html", self._with_words(dict(variables), fill))

    def _html(self, variables: Mapping[str, object]) -> str:
        try:
            return _INLINER.inline(self.page(variables)) + "\n"
        except InlineError:
            raise CannotRender(f"{self.place}/html.html: its styles cannot be inlined") from None

    def _with_words(
        self, variables: dict[str, object], fill: Callable[[Phrase, Mapping[str, object]], str]
    ) -> dict[str, object]:
        def filled(name: str, phrase: Phrase) -> str:
            return self._guarded(f"{WORDS}: {name}", lambda: fill(phrase, variables))

        return variables | {"words": Words(self.phrases, filled)}

    def _part(self, part: str, variables: Mapping[str, object]) -> str:
        return self._guarded(part, lambda: self.parts[part].render(variables).strip())

    def _sms(self, bare: Mapping[str, object]) -> str:
        sms = plain_punctuation(self._part("sms.txt", bare))
        if len(sms) > MAX_SMS_CHARS:
            raise CannotRender(f"{self.place}/sms.txt: longer than {MAX_SMS_CHARS} characters")
        return sms

    def _whatsapp(self, bare: Mapping[str, object], running: Mapping[str, object]) -> WhatsAppTemplate:
        # WhatsApp refuses empty variables and line ends within them; an empty one falls to the template's default.
        rendered = {
            number: one_line(self._guarded("whatsapp.txt", partial(template.render, bare)))
            for number, template in self.whatsapp_variables.items()
        }
        return WhatsAppTemplate(
            content_sid=self.content_sid,
            variables={number: text for number, text in rendered.items() if text},
            body=self._part("whatsapp.txt", running),
        )

    def _guarded(self, where: str, render: Callable[[], str]) -> str:
        try:
            return render()
        except TemplateError as error:
            # Undefined, forbidden by the sandbox, not found: these name variables and files, never a value.
            raise CannotRender(f"{self.place}/{where}: {error.message}") from None
        except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
            # The template's own mistake with this message's data, such as a sum of words; its text may quote values.
            raise CannotRender(f"{self.place}/{where}: {type(error).__name__}") from None


def compile_set(roots: Roots, folder: Path, app_id: str | None, content_sid: str | None) -> TemplateSet:
    """Return the set that stands in `folder`, `…/<name>/<locale>`, one of the roots' folders.

    Raises:
        TemplateFault: A file is missing, unreadable or does not parse.
    """
    name, locale = folder.parent.name, folder.name
    found = {part: roots.part(folder, part) for part in PARTS}
    faults = [
        Finding(str(folder / part), "missing-part", "is missing")
        for part, path in found.items()
        if path is None
    ]
    parts = {
        part: compiled
        for part, path in found.items()
        if path is not None and part != "whatsapp.txt"
        if (compiled := _attempt(faults, path, partial(roots.template, path))) is not None
    }
    variables: dict[str, Template] = {}
    whatsapp = found["whatsapp.txt"]
    if whatsapp is not None:
        both = _attempt(faults, whatsapp, partial(_whatsapp_templates, roots.env, whatsapp))
        if both is not None:
            parts["whatsapp.txt"], variables = both
    phrases: dict[str, Phrase] = {}
    if (folder / WORDS).is_file():
        phrases = _attempt(faults, folder / WORDS, partial(compile_phrases, roots.env, folder / WORDS)) or {}
    if faults:
        raise TemplateFault(faults)
    plain = all(phrase.is_plain for phrase in phrases.values()) and all(
        part.name is not None and is_plain(roots.env, part.name)
        for part in (parts["subject.txt"], parts["text.txt"], parts["html.html"])
    )
    return TemplateSet(name, locale, parts, phrases, variables, content_sid, app_id, plain)


def _attempt(faults: list[Finding], path: Path, make: Callable[[], T]) -> T | None:
    try:
        return make()
    except (OSError, ValueError, TemplateError) as error:
        line = getattr(error, "lineno", None)
        faults.append(Finding(str(path), "broken", f"line {line}: {error}" if line else str(error)))
        return None


def _whatsapp_templates(env: Environment, path: Path) -> tuple[Template, dict[str, Template]]:
    # The source is split before anything is filled in, so no value can pretend to be another variable.
    head, mark, body = f"\n{path.read_text(encoding='utf-8')}".partition("\n---\n")
    if not mark:
        return env.from_string(head.lstrip("\n")), {}
    variables: dict[str, Template] = {}
    for line in filter(None, map(str.strip, head.splitlines())):
        found = _VARIABLE.fullmatch(line)
        if found is None or found[1] in variables:
            raise ValueError("above --- each line is `number: template`, each number once")
        variables[found[1]] = env.from_string(found[2])
    if sorted(map(int, variables)) != list(range(1, len(variables) + 1)):
        raise ValueError("above --- the variables are numbered 1, 2, 3 and so on, without a gap")
    return env.from_string(body), variables
