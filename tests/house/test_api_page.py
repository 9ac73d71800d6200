"""The page of the API names every refusal with its status, every route, and every field of a request for a link."""

import re

from shared.http.problems import STATUS
from shared.links import LinkRequest
from tests.house.openapi_documents import documents
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
# Of the row `| code | status | … |`; a row may name several codes.
_ROW = re.compile(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| (\d{3}) \|", re.MULTILINE)


def test_every_refusal_stands_there_with_its_status() -> None:
    told = {
        code: int(status) for codes, status in _ROW.findall(PAGE) for code in re.findall(r"[a-z_]+", codes)
    }
    assert told == {refusal.code: status for refusal, status in STATUS.items()}


def test_every_route_stands_there() -> None:
    paths = {path for document in documents().values() for path in document["paths"]}
    assert len(paths) > 20
    # `/v1/links/{id}/send`, `/resend`: a second path of the same beginning is told by its end.
    assert [
        path for path in sorted(paths) if path not in PAGE and f"/{path.rpartition('/')[2]}`" not in PAGE
    ] == []


def test_every_field_of_a_request_for_a_link_stands_there() -> None:
    assert [name for name in LinkRequest.model_fields if f"`{name}`" not in PAGE] == []
