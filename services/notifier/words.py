"""The wording of one set, `words.toml`: phrases in one language, for the layouts that have none.

Each phrase is a small Jinja template. It is filled once for text and once for HTML, where everything is escaped.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError
from markupsafe import Markup

WORDS = "words.toml"


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase, compiled for text and for HTML."""

    text: Template
    html: Template


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
            compiled[name] = Phrase(env.from_string(source), html.from_string(source))
        except TemplateError as error:
            raise ValueError(f"{name}: {error.message}") from None
    return compiled


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
    return phrase.text.render(variables).strip()


def fill_html(phrase: Phrase, variables: Mapping[str, object]) -> str:
    """Return a phrase of a page; what was put in is escaped already."""
    return Markup(phrase.html.render(variables).strip())  # noqa: S704 - rendered with autoescape
