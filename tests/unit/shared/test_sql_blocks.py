from pathlib import Path

import pytest

from shared.sql_blocks import SqlBlocks


def blocks(tmp_path: Path, text: str) -> SqlBlocks:
    (tmp_path / "queries.sql").write_text(text)
    return SqlBlocks(tmp_path / "queries.sql")


def test_a_block_ends_where_the_next_one_begins_and_keeps_its_name_and_comments(tmp_path: Path) -> None:
    sql = blocks(
        tmp_path, "-- A file.\n\n-- name: first\n-- Why.\nSELECT 1\n\n-- name: second_one\nSELECT 2\n"
    )
    assert sql.blocks == {"first": "-- first\n-- Why.\nSELECT 1", "second_one": "-- second_one\nSELECT 2"}
    assert sql.second_one == "-- second_one\nSELECT 2"


def test_a_missing_block_is_named(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match=r"no SQL block named 'third' in .*queries.sql"):
        _ = blocks(tmp_path, "-- name: first\nSELECT 1\n").third


def test_a_name_stands_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stands twice"):
        blocks(tmp_path, "-- name: first\nSELECT 1\n-- name: first\nSELECT 2\n")


@pytest.mark.parametrize(
    "line", ["-- name: second2", "-- name: Second", " -- name: second", "-- name: second;"]
)
def test_a_name_that_cannot_be_one_does_not_become_part_of_the_block_before(
    tmp_path: Path, line: str
) -> None:
    with pytest.raises(ValueError, match="looks like the name of a block"):
        blocks(tmp_path, f"-- name: first\nSELECT 1\n{line}\nSELECT 2\n")
