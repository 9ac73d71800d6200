"""An export is read in whatever form it comes, and a broken one is told where it breaks."""

from pathlib import Path

import pytest

from services.operator.imports.files import UnreadableFile, fingerprint, read_records

ADA, BOB = {"id": "1", "email": "ada@example.com"}, {"id": "2", "email": "bob@example.com"}
LINE = '{"id": "1", "email": "ada@example.com"}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.json", f"[{LINE}, {LINE}]"),
        ("pretty.json", f"[\n  {LINE},\n  {LINE}\n]"),
        ("lines.jsonl", f"{LINE}\n\n{LINE}\n"),
        ("lines.json", f"{LINE}\n{LINE}"),
        ("users.json", f'{{"total": 2, "users": [{LINE}, {LINE}]}}'),
        ("results.json", f'{{\n"results": [{LINE}, {LINE}], "results_metadata": {{}}}}'),
        ("data.json", f'{{"object": "list", "data": [{LINE}, {LINE}]}}'),
        ("table.csv", "id,email,phone\n1,ada@example.com,\n1,ada@example.com,\n"),
        ("spreadsheet.CSV", "\ufeffid,email\r\n1,ada@example.com\r\n1,ada@example.com\r\n"),
    ],
)
def test_every_form_gives_the_same_records(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert list(read_records(path)) == [ADA, ADA]


def test_a_single_user_on_a_line_is_a_user(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(LINE)
    assert list(read_records(path)) == [ADA]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '[{"id": 1', "the file: is not JSON"),
        ("a.jsonl", f"{LINE}\nnonsense\n", "line 2: is not JSON"),
        ("a.jsonl", f"{LINE}\n[]\n", "line 2: is no object"),
        ("a.json", '{\n"users": 3}', "holds no list of users"),
        ("a.json", "[1]", "user 1: is no object"),
        ("a.csv", "id,email\n1,ada@example.com,too,many\n", "line 2: has more fields"),
        ("a.csv", 'id,email\n1,"ada\n', "unexpected end of data"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=said):
        list(read_records(path))


def test_another_file_has_another_fingerprint(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text(LINE)
    second.write_text(LINE + " ")
    assert fingerprint(first) != fingerprint(second)
    second.write_text(LINE)
    assert fingerprint(first) == fingerprint(second)
