"""Where template files are: root folders, an operator's own before the built-in one, and in them those of single apps.

A part of a set (`text.txt` and so on) is the set's own; else that of its name's folder; and for a set that has a wording
(`words.toml`) the layout without words at the top of the first root that has it.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notifier.words import WORDS

PARTS = ("subject.txt", "text.txt", "html.html", "sms.txt", "whatsapp.txt")
APPS = "apps"


@dataclass(frozen=True, slots=True)
class Roots:
    """Folders in their order, and the environment that compiles what is in them."""

    folders: tuple[Path, ...]
    env: Environment

    @classmethod
    def of(cls, folders: Sequence[Path]) -> "Roots":
        return cls(tuple(folders), environment(folders))

    def for_app(self, app_id: str) -> "Roots":
        """Return the same roots with the app's own folders before them: its `base.html` is nobody else's."""
        own = [folder / APPS / app_id for folder in self.folders]
        return Roots.of([*(folder for folder in own if folder.is_dir()), *self.folders])

    def sets(self, folders: Sequence[Path]) -> Iterator[Path]:
        """Yield the folders `<name>/<locale>` in these roots, the first root's first."""
        for folder in folders:
            for path in sorted(folder.glob("*/*/")):
                # Dots are what mounted volumes and editors leave behind.
                if path.parent.name != APPS and not path.parent.name.startswith("."):
                    yield path

    def app_ids(self) -> list[str]:
        """Return the names of the folders under `apps/`."""
        return sorted({path.name for folder in self.folders for path in folder.glob(f"{APPS}/*/")})

    def part(self, folder: Path, part: str) -> Path | None:
        """Return the file that serves as a part of the set in `folder`, None where there is none."""
        own = [folder / part, folder.parent / part]
        layouts = [root / part for root in self.folders] if (folder / WORDS).is_file() else []
        return next((path for path in (*own, *layouts) if path.is_file()), None)

    def template(self, path: Path) -> Template:
        """Compile a file of one of the roots."""
        index, root = next((i, root) for i, root in enumerate(self.folders) if path.is_relative_to(root))
        return self.env.get_template(f"{index}/{path.relative_to(root).as_posix()}")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Sandboxed: a template is configuration, not code."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        # A dict, where Jinja makes a chain that would see later changes: copying the chain for each render took a fifth of a message.
        return {**self.globals, **(d or {})}


def environment(folders: Sequence[Path]) -> Environment:
    """Return the environment in which operators' templates run.

    Strict: a misspelt variable must fail, not vanish. Paths that
    begin with a folder's number name exactly that folder's file; other paths (`base.html`) come from the first
    folder that has them.
    """
    loaders = {str(index): FileSystemLoader(folder) for index, folder in enumerate(folders)}
    return _Sandbox(
        loader=ChoiceLoader([PrefixLoader(loaders), *loaders.values()]),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
