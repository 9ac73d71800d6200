"""The wording of one set, `words.toml`: phrases in one language, for the layouts that have none.

Each phrase is a small Jinja template. It is filled once for text and once for HTML, where everything is escaped.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError
from jinja2.meta import find_undeclared_variables
from markupsafe import Markup

from services.notifier.plain_templates import is_plain_phrase

WORDS = "words.toml"
# The same in many messages of an app: a phrase of nothing else need not be rendered for each of them.
_LASTING = frozenset(
    {"app_name", "sender_name", "duration", "ttl_minutes", "support_url", "footer", "locale", "direction"}
)
_KEPT = 256


class Rendered:
    """A phrase in one form. What has no variables but lasting ones is rendered once for their values.

    A render takes 8 µs and a message has eleven of them, nine of this kind: 70 µs of a message's 350.
    """

    def __init__(self, template: Template, names: frozenset[str] | None) -> None:
        self._template = template
        self._names = None if names is None else sorted(names)
        self._kept: dict[tuple[object, ...], str] = {}

    def render(self, variables: Mapping[str, object]) -> str:
        """Return the phrase with these variables. Raises what Jinja raises."""
        if self._names is None:
            return self._template.render(variables).strip()
        values = tuple(variables.get(name) for name in self._names)
        kept = self._kept.get(values)
        if kept is None:
            kept = self._template.render(variables).strip()
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[values] = kept
        return kept


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase, compiled for text and for HTML. `is_plain`: it only shows what differs from message to message."""

    text: Rendered
    html: Rendered
    is_plain: bool


def read_phrases(path: Path) -> dict[str, str]:
    """Return the phrases of a file as they stand there. Raises `ValueError`, `OSError`."""
    phrases = tomllib.loads(path.read_text(encoding="utf-8"))
    wrong = [name for name, value in phrases.items() if not isinstance(value, str) or not name.isidentifier()]
    if wrong:
        raise ValueError(f'{", ".join(map(repr, wrong))}: each line is `name = "phrase"`')
    return phrases


def compile_phrases(env: Environment, path: Path) -> dict[str, Phrase]:
    """Return the phrases of a file. Raises `ValueError`, `OSError`; the text names the phrase."""
    html = env.overlay(autoescape=True)
    compiled = {}
    for name, source in read_phrases(path).items():
        try:
            names = _lasting_names(env, source)
            compiled[name] = Phrase(
                Rendered(env.from_string(source), names),
                Rendered(html.from_string(source), names),
                is_plain_phrase(env.parse(source)),
            )
        except TemplateError as error:
            raise ValueError(f"{name}: {error.message}") from None
    return compiled


def _lasting_names(env: Environment, source: str) -> frozenset[str] | None:
    """Return the variables of a phrase that depends on lasting ones alone; None for any other."""
    names = find_undeclared_variables(env.parse(source))
    return frozenset(names) if names <= _LASTING and "random" not in source else None


class Words(Mapping[str, object]):
    """The phrases with one message's variables filled in, each when it is asked for. One that is missing is undefined."""

    def __init__(self, phrases: Mapping[str, Phrase], fill: Callable[[str, Phrase], str]) -> None:
        self._phrases = phrases
        self._fill = fill

    def __getitem__(self, name: str) -> object:
        phrase = self._phrases.get(name)
        return StrictUndefined(name=f"words.{name}") if phrase is None else self._fill(name, phrase)

    def __iter__(self) -> Iterator[str]:
        return iter(self._phrases)

    def __len__(self) -> int:
        return len(self._phrases)


def fill_text(phrase: Phrase, variables: Mapping[str, object]) -> str:
    """Return a phrase of a text."""
    return phrase.text.render(variables)


def fill_html(phrase: Phrase, variables: Mapping[str, object]) -> str:
    """Return a phrase of a page; what was put in is escaped already."""
    return Markup(phrase.html.render(variables))  # noqa: S704 - rendered with autoescape
