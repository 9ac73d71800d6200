from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from services.issuer.paging import PageQuery, make_cursor, page, read_cursor


def test_a_cursor_leads_back_to_its_item() -> None:
    last = uuid4()
    assert read_cursor(make_cursor(last)) == last
    assert PageQuery(cursor=make_cursor(last)).after == last


@pytest.mark.parametrize("cursor", ["", "x", "ä", "A" * 21 + "B", "A" * 22 + "==", "A" * 43, "../../etc"])
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError):
        PageQuery(cursor=cursor)


def test_a_list_without_cursor_starts_at_its_beginning() -> None:
    assert PageQuery().after == UUID(int=0)


def test_a_next_page_is_named_only_when_there_is_one() -> None:
    rows = [{"id": UUID(int=number)} for number in (1, 2, 3)]
    first = page(rows, 2, lambda row: {"id": row["id"]})
    assert [item["id"].int for item in first["items"]] == [1, 2]
    assert read_cursor(first["next_cursor"]) == UUID(int=2)
    assert page(rows[:2], 2, lambda row: {"id": row["id"]})["next_cursor"] is None
