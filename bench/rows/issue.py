"""`POST /v1/links` with a message queued: for known addresses, for unknown ones, and as clients retry it."""

import json
from collections.abc import Mapping
from uuid import uuid4

from bench.house import House
from bench.load import Load
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.beside import reference
from bench.rows.supply import FIRST_PER_CONNECTION, Supply

UNIT = "requests/s"
_NOTE = "Each request names an address of its own; the issuer relays the messages' events to Kafka meanwhile. The notifier does not run."


async def rows(house: House) -> list[Row]:
    """Return the rows of issuing one link."""
    insert = await reference(house, "insert")
    return [
        Row(
            "issue with e-mail",
            UNIT,
            issuing(house, known=True),
            [insert],
            [Bound(1.2, 2.0, "insert")],
            _NOTE,
        ),
        Row(
            "issue with e-mail, unknown addresses",
            UNIT,
            issuing(house, known=False),
            [insert],
            [],
            "Each request makes its user as well.",
        ),
        Row(
            "issue with e-mail and Idempotency-Key",
            UNIT,
            issuing(house, known=True, keyed=True),
            [insert],
            [],
            "Each request keeps its key and answer for a day.",
        ),
    ]


def issuing(house: House, *, known: bool, keyed: bool = False, connections: int = 64) -> Contender:
    """Return the issuing of links that are sent by e-mail."""
    supply = Supply(FIRST_PER_CONNECTION * connections)

    async def measure(effort: Effort) -> Sample:
        return await supply.measure(effort, lambda count: attempt(effort, count))

    async def attempt(effort: Effort, count: int) -> Sample:
        emails = await house.make_emails(count) if known else ()
        email = "{item}" if known else f"n{{number}}-{uuid4().hex}@example.com"
        load = Load(
            house.issuer_url,
            "/v1/links",
            "POST",
            {**house.headers, **_key(keyed)},
            json.dumps({"email": email, "channel": "email"}),
            emails,
            status=201,
            connections=connections,
        )
        sample = await house.under_load(load, effort, house.pid("issuer"))
        await house.forget_messages()
        return sample

    return Contender("ours", measure)


def _key(keyed: bool) -> Mapping[str, str]:  # noqa: FBT001 - it is what the one caller was told
    return {"Idempotency-Key": f"{uuid4()}-{{number}}"} if keyed else {}
