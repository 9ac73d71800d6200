"""`magiclink template lint`: each rule finds what it is for, and the built-in sets have nothing to find."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.notifier.lint import KNOWN, lint
from services.notifier.render import BUILT_IN, TYPES, Templates
from services.notifier.template_cli import lint_command, preview_command
from services.notifier.template_roots import PARTS
from tests.house.tree import ROOT

APP = "0190a5b0-0000-7000-8000-000000000001"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A root folder with everything in English and German, and a set of its own, `quote`, that has every part itself."""
    for layout in ("base.html", *PARTS):
        shutil.copy(BUILT_IN / layout, tmp_path)
    for locale in ("en", "de"):
        for name in TYPES:
            shutil.copytree(BUILT_IN / name / locale, tmp_path / name / locale)
        shutil.copytree(BUILT_IN / "login" / locale, tmp_path / "quote" / locale)
        for part in PARTS:
            shutil.copy(BUILT_IN / part, tmp_path / "quote" / locale)
    return tmp_path


def found(own: Path, content_sids: dict[str, dict[str, str]] | None = None) -> set[tuple[str, str, str]]:
    """Return severity, rule and file, shortened to the part."""
    findings = lint(Templates([own], content_sids))
    return {(f.severity, f.rule, f.file.removeprefix(f"{own}/").partition(": ")[0]) for f in findings}


def test_the_built_in_sets_are_clean() -> None:
    assert lint(Templates([BUILT_IN])) == []


def test_a_whole_own_set_is_clean(own: Path) -> None:
    assert found(own) == set()


@pytest.mark.parametrize(
    ("part", "source", "severity", "rule"),
    [
        ("text.txt", "Open {{ url }} {{ passcode }}", "error", "link-on-its-own-line"),
        ("text.txt", "{{ url }}", "error", "passcode-missing"),
        (
            "text.txt",
            "{{ url }}\n{{ passcode }}{% if false %}{{ nmae }}{% endif %}",
            "error",
            "unknown-variable",
        ),
        ("text.txt", "{{ url }}\n{{ passcode }}{{ raw_data.a }}", "warning", "raw-data"),
        ("html.html", "<a href='{{ url }}'>{{ passcode }}{{ data.a | safe }}</a>", "error", "unsafe"),
        (
            "html.html",
            "{% autoescape false %}<a href='{{ url }}'>{{ passcode }}</a>{% endautoescape %}",
            "error",
            "unsafe",
        ),
        ("html.html", "<p>{{ passcode }}</p>", "error", "link-missing"),
        ("sms.txt", "{{ passcode }} " + "a" * 300 + " {{ url }}", "warning", "sms-segments"),
        ("sms.txt", "{{ passcode }} ó" + "a" * 100 + " {{ url }}", "warning", "sms-segments"),
        ("subject.txt", "a\nb", "warning", "subject-line-end"),
        ("subject.txt", "a" * 79, "warning", "subject-length"),
        ("whatsapp.txt", "1: {{ url }}\n---\n{{ url }} {{ passcode }}", "warning", "whatsapp-variables"),
    ],
)
def test_a_doubtful_file_is_named_with_its_rule(
    own: Path, part: str, source: str, severity: str, rule: str
) -> None:
    (own / "quote" / "en" / part).write_text(source)
    assert (severity, rule, f"quote/en/{part}") in found(own)


def test_a_missing_part_is_named_with_its_path(own: Path) -> None:
    (own / "quote" / "en" / "words.toml").unlink()
    (own / "quote" / "en" / "text.txt").unlink()
    assert ("error", "missing-part", "quote/en/text.txt") in found(own)


def test_a_phrase_with_an_unknown_variable_is_found(own: Path) -> None:
    path = own / "quote" / "de" / "words.toml"
    path.write_text(path.read_text().replace("{{ app_name }}", "{% if false %}{{ nmae }}{% endif %}", 1))
    assert ("error", "unknown-variable", "quote/de/words.toml") in found(own)


def test_a_missing_language_is_a_warning_and_a_missing_english_an_error(own: Path) -> None:
    shutil.rmtree(own / "quote" / "de")
    assert found(own) == {("warning", "missing-locale", "quote")}
    shutil.move(own / "quote" / "en", own / "quote" / "nl")
    assert ("error", "missing-set", "quote/en") in found(own)


def test_content_sids_are_asked_for_where_they_are_in_use(own: Path) -> None:
    sids = {"quote": {"en": "HX1"}}
    assert ("warning", "whatsapp-content-sid", "quote/de/whatsapp.txt") in found(own, sids)
    assert ("warning", "whatsapp-content-sid", "quote/en/whatsapp.txt") not in found(own, sids)
    (own / "quote" / "en" / "whatsapp.txt").write_text("{{ url }} {{ passcode }}")
    assert ("error", "whatsapp-variables", "quote/en/whatsapp.txt") in found(own, sids)


def test_the_command_ends_with_one_when_there_are_errors_only(own: Path) -> None:
    clean = CliRunner().invoke(lint_command, [])
    assert (clean.exit_code, clean.output) == (0, "0 errors, 0 warnings\n")
    (own / "quote" / "en" / "subject.txt").write_text("a" * 79)
    warned = CliRunner().invoke(lint_command, ["--folder", str(own)])
    assert warned.exit_code == 0
    assert "warning: quote/en/subject.txt: has 79 characters" in warned.output
    (own / "quote" / "en" / "subject.txt").unlink()
    (own / "quote" / "en" / "words.toml").unlink()
    failed = CliRunner().invoke(lint_command, ["--folder", str(own), "--json"])
    assert failed.exit_code == 1
    assert {finding["rule"] for finding in json.loads(failed.output)} >= {"missing-part"}


def test_a_preview_shows_the_part_asked_for(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert (
        run(preview_command, ["login", "--locale", "pt-PT", "--part", "subject"]).output
        == "Acesso a Example\n"
    )
    branding = '{"product_name": "Acme", "colour": "#0a7d4b"}'
    shown = json.loads(run(preview_command, ["invite", "--branding", branding, "--json"]).output)
    assert shown["subject"] == "You are invited to Acme"
    assert shown["sms_size"] == {"encoding": "GSM-7", "units": 131, "segments": 1}
    out = tmp_path / "login.html"
    written = run(preview_command, ["login", "--part", "html", "--out", str(out)])
    assert written.exit_code == 0
    assert out.read_text().startswith("<!DOCTYPE html>")
    whole = run(preview_command, ["login"]).output
    for title in ("== subject", "== text", "== sms (", "== whatsapp (content SID not configured)"):
        assert title in whole


def test_a_preview_of_an_app_uses_its_own_set(own: Path) -> None:
    (own / "apps" / APP).mkdir(parents=True)
    shutil.copytree(own / "quote", own / "apps" / APP / "login")
    (own / "apps" / APP / "login" / "en" / "subject.txt").write_text("Mine")
    run = CliRunner().invoke
    asked = ["login", "--part", "subject", "--folder", str(own)]
    assert run(preview_command, [*asked, "--app", APP]).output == "Mine\n"
    assert run(preview_command, asked).output == "Sign in to Example\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "there is no template 'nothing': there are invite, login, passcode, verify_identifier"),
        (["login", "--branding", "{"], "is not JSON"),
        (["login", "--branding", '{"color": "red"}'], "some of colour, footer, logo_url"),
        (["login", "--out", "/nowhere/at/all"], "cannot be written"),
    ],
)
def test_a_mistake_gets_a_line_that_says_what_to_do(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(preview_command, arguments)
    assert result.exit_code in (1, 2)
    assert words in result.output


def test_the_document_lists_every_variable_and_every_rule() -> None:
    text = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    variables = text.partition("## Variables")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", variables, re.MULTILINE)) == KNOWN
    rules = text.partition("## Checking them")[2]
    listed = set(
        re.findall(r"`([a-z]+(?:-[a-z]+)*)`", "".join(re.findall(r"^\| (`.*?) \|", rules, re.MULTILINE)))
    )
    source = "".join(path.read_text() for path in (ROOT / "services" / "notifier").glob("*.py"))
    coded = set(
        re.findall(r'(?:Finding|_warning)\(\s*[^,]*(?:\([^)]*\))?[^,]*,\s*"([a-z]+(?:-[a-z]+)*)"', source)
    )
    coded |= set(re.findall(r'^\s+"[a-z]+\.(?:txt|html)",\s+"([a-z-]+)"', source, re.MULTILINE))
    assert coded <= listed
    assert {"missing-part", "sms-segments", "raw-data"} <= coded
