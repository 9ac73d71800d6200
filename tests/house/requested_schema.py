"""The schema of a link request on Kafka, made of the model that checks it. Run as a module, it writes the file anew."""

import json
from pathlib import Path
from typing import Any

from shared.links import RequestedLink

FOLDER = Path(__file__).parents[2] / "shared" / "schemas"
EVENT_TYPE = "magiclink.link.requested.v1"


def requested_schema() -> dict[str, Any]:
    """Return the JSON Schema of the whole event; the model's own rules that no schema can say stay with the model."""
    data = RequestedLink.model_json_schema()
    definitions = data.pop("$defs", {})
    text = {"type": "string", "minLength": 1, "maxLength": 512}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{EVENT_TYPE}.json",
        "title": EVENT_TYPE,
        "description": "Asks for a link to be sent. Produced by jobs of the product, consumed by the issuer. `source` and `id`"
        " together are the idempotency key: the same pair again gives the same link.",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "type": {"const": EVENT_TYPE},
            "source": text,
            "id": text,
            "subject": {"type": "string", "minLength": 1},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": data,
        },
        "required": ["specversion", "type", "source", "id", "data"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def written(schema: dict[str, Any]) -> str:
    """Return the text of a schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (FOLDER / f"{EVENT_TYPE}.json").write_text(written(requested_schema()), encoding="utf-8")
