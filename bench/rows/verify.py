"""`POST /v1/links/verify` of distinct tokens: without a JWT, with one by EdDSA, with one by ES256."""

import json
from dataclasses import replace
from uuid import uuid4

from bench.house import House
from bench.load import Load
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.beside import reference
from bench.rows.supply import FIRST_PER_CONNECTION, Supply

UNIT = "requests/s"
NOTE = (
    "Each request redeems a token of its own, with an `Idempotency-Key` of its own, as clients are told to send. "
    "Only the verifier runs, with PostgreSQL, Redis and wrk: the issuer, which relays the `link.consumed` events, starts again afterwards."
)


async def rows(house: House) -> list[Row]:
    """Return the rows of verification."""
    batched, evalsha = await reference(house, "batched"), await reference(house, "evalsha")
    plain = Row(
        "verify, no JWT",
        UNIT,
        verifying(house, None, alone=True),
        [batched, evalsha],
        [Bound(0.7, 0.85, "batched"), Bound(1.1, 1.1, "evalsha")],
        NOTE,
    )
    signed = [
        Row(
            f"verify, {algorithm} JWT",
            UNIT,
            verifying(house, algorithm, alone=True),
            [batched],
            [Bound(0.55, 0.7, "batched")],
        )
        for algorithm in ("EdDSA", "ES256")
    ]
    beside = Row(
        "verify, no JWT, the issuer relaying on the same two cores",
        UNIT,
        verifying(house, None),
        [batched],
        [],
        "As above, while the issuer relays what is redeemed and Kafka takes it.",
    )
    return [plain, *signed, beside]


def verifying(
    house: House,
    algorithm: str | None,
    replica: tuple[str, int] | None = None,
    connections: int = 64,
    *,
    alone: bool = False,
) -> Contender:
    """Return the verification of distinct tokens.

    `replica`: the URL and process of another verifier than the cluster's own. `alone`: without the issuer beside it.
    """
    supply = Supply(FIRST_PER_CONNECTION * connections)

    async def measure(effort: Effort) -> Sample:
        if algorithm is not None:
            await house.set_app(jwt_algorithm=algorithm)
        return await supply.measure(effort, lambda count: attempt(effort, count))

    async def attempt(effort: Effort, count: int) -> Sample:
        url, pid = replica or (house.verifier_url, house.pid("verifier"))
        tokens = await house.make_tokens(count)
        load = replace(verify_load(house, url, tokens, jwt=algorithm is not None), connections=connections)
        measured = house.alone_under_load if alone else house.under_load
        return await measured(load, effort, pid)

    return Contender("ours", measure)


def verify_load(house: House, url: str, tokens: list[str], *, jwt: bool, status: int = 200) -> Load:
    """Return the load that verifies these tokens once each."""
    headers = {**house.headers, "Idempotency-Key": f"{uuid4()}-{{number}}"}
    body = json.dumps({"token": "{item}", "jwt": jwt})
    return Load(url, "/v1/links/verify", "POST", headers, body, tokens, status)
