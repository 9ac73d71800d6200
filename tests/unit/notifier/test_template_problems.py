"""A broken template folder is reported whole at start-up, not at the first message."""

import shutil
from pathlib import Path

import pytest

from services.notifier.render import BUILT_IN, TYPES, CannotRender, Templates
from services.notifier.template_check import sample_context
from services.notifier.template_roots import PARTS

LOCALES = ("en", "de", "fr", "es", "pt-BR", "ja", "ar")
CONTEXT = sample_context(full=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The built-in templates, in which `login/en` has every part itself."""
    root = tmp_path / "templates"
    shutil.copytree(BUILT_IN, root)
    for part in PARTS:
        shutil.copy(root / part, root / "login" / "en" / part)
    return root


def test_the_built_in_templates_have_no_problem() -> None:
    assert Templates([BUILT_IN]).problems() == []


@pytest.mark.parametrize(
    ("part", "source", "problem"),
    [
        ("subject.txt", None, "is missing"),
        ("whatsapp.txt", None, "is missing"),
        ("words.toml", "subject = ", "(at line"),
        ("words.toml", "subject = 5", "'subject': each line is"),
        ("words.toml", 'subject = "{{ app_name"', "subject: unexpected end"),
        ("words.toml", 'subject = "{{ ap_name }}"', "'ap_name' is undefined"),
        ("subject.txt", "{{ words.subjekt }}", "'words.subjekt' is undefined"),
        ("text.txt", "{{ url", "line 1"),
        ("text.txt", "{{ ulr }}\n{{ url }}", "'ulr' is undefined"),
        ("text.txt", "Open {{ url }} now", "does not stand on a line of its own"),
        ("subject.txt", "{# nothing #}", "is empty"),
        ("text.txt", "Open\n{{ url }}", "has no passcode, and others of the set show it"),
        ("html.html", "<p>{{ app_name }}</p>", "has no link"),
        ("sms.txt", "{{ url }} from {{ app_name }}", "does not end with the link"),
        ("sms.txt", "{{ app_name * 1000 }} {{ url }}", "longer than 1600"),
        ("whatsapp.txt", "1: {{ url }}\nnot a variable\n---\n{{ url }}", "above --- each line"),
        ("whatsapp.txt", "1: {{ url }}\n1: {{ url }}\n---\n{{ url }}", "above --- each line"),
        ("whatsapp.txt", "1: {{ url }}\n3: {{ url }}\n---\n{{ url }}", "without a gap"),
        ("whatsapp.txt", "1: {{ url }}\n---\nHello", "has no link"),
        ("html.html", '{% extends "nothing.html" %}', "nothing.html"),
        ("text.txt", "{{ ''.__class__.__mro__ }}\n{{ url }}", "unsafe"),
        ("text.txt", "{{ app_name + 1 }}\n{{ url }}", "TypeError"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(
    folder: Path, part: str, source: str | None, problem: str
) -> None:
    path = folder / "login" / "en" / part
    if source is None:
        path.unlink()
        (path.parent / "words.toml").unlink()  # without a wording there is no layout to fall back to
    elif part == "words.toml":
        path.write_text(path.read_text().replace('subject = "Sign in to {{ app_name }}"', source))
    else:
        path.write_text(source)
    problems = Templates([folder]).problems()
    assert any(f"login/en/{part}" in line and problem in line for line in problems), problems


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    (folder / "login" / "en" / "text.txt").write_text("{{ url")
    (folder / "login" / "en" / "sms.txt").unlink()
    (folder / "login" / "en" / "words.toml").unlink()
    shutil.rmtree(folder / "invite")
    (folder / "verify_identifier" / "english!").mkdir()
    (folder / "verify_identifier" / "qq").mkdir()
    (folder / "apps" / "acme").mkdir(parents=True)
    problems = "\n".join(Templates([folder, folder / "nowhere"]).problems())
    for found in (
        "login/en/text.txt",
        "login/en/sms.txt",
        "invite/en",
        "english!: is not `<template name>/<locale>`",
        "qq: is no language that CLDR knows",
        "acme: is not named by an app's id",
        "nowhere: is not a folder",
    ):
        assert found in problems


def test_a_content_template_without_a_set_is_a_problem() -> None:
    assert "logn/en" in Templates([BUILT_IN], {"logn": {"en": "HX0"}}).problems()[0]


def test_a_broken_layout_is_a_problem_of_every_message_that_uses_it(folder: Path) -> None:
    (folder / "base.html").write_text("{% block title %}")
    problems = Templates([folder]).problems()
    broken = {line.split(":")[0] for line in problems}
    assert broken == {f"{name}/{locale}/html.html" for name in (*TYPES, "passcode") for locale in LOCALES}


def test_data_that_a_template_needs_and_a_message_lacks_is_refused_by_name(folder: Path) -> None:
    (folder / "login" / "en" / "subject.txt").write_text("{{ data.quote_title }} is ready")
    templates = Templates([folder])
    assert templates.problems() == []  # which data comes is the product's choice
    with pytest.raises(CannotRender, match=r"subject\.txt.*quote_title"):
        templates.render("login", None, "en", CONTEXT)


def test_what_volumes_leave_behind_is_no_template(folder: Path) -> None:
    (folder / "..data" / "en").mkdir(parents=True)
    (folder / "apps" / "..data").mkdir(parents=True)
    assert Templates([folder]).problems() == []
