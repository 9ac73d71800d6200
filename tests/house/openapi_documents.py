"""`python -m tests.house.openapi_documents`: write docs/openapi/ anew from the route tables of the code."""

from typing import Any

import orjson

from shared.http.openapi import document
from tests.house.route_tables import TABLES
from tests.house.tree import ROOT

FOLDER = ROOT / "docs" / "openapi"


def documents() -> dict[str, dict[str, Any]]:
    """Return the document of each service, as the code says."""
    return {service: document(service, table()) for service, table in TABLES.items()}


def as_text(found: dict[str, Any]) -> str:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for service, found in documents().items():
        (FOLDER / f"{service}.json").write_text(as_text(found), encoding="utf-8")


if __name__ == "__main__":
    main()
