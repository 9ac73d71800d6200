"""What costs nothing but an answer: replays of consumed tokens, and tokens that never were."""

import asyncio
from itertools import cycle, islice

from bench.house import House
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.beside import reference
from bench.rows.supply import MANY_PER_SECOND, Supply
from bench.rows.verify import verify_load

UNIT = "requests/s"
TOKENS = 2_000
_AT_ONCE = 64


async def rows(house: House) -> list[Row]:
    """Return the rows of refusals."""
    return [
        Row(
            "replay of consumed tokens",
            UNIT,
            _refusing(house, consumed=True),
            [await reference(house, "evalsha-batched")],
            [Bound(0.8, 1.0, "evalsha-batched")],
            f"{TOKENS:,} tokens that were redeemed, again and again, each time as another attempt: 409.",
        ),
        Row(
            "garbage tokens",
            UNIT,
            _refusing(house, consumed=False),
            [await reference(house, "bare")],
            [Bound(0.6, 0.8, "bare")],
            "Well-formed tokens whose MAC is wrong, with a good API key: 404.",
        ),
    ]


def _refusing(house: House, *, consumed: bool) -> Contender:
    supply, prepared = Supply(MANY_PER_SECOND), list[str]()

    async def measure(effort: Effort) -> Sample:
        if not prepared:
            prepared.extend(await _consumed(house) if consumed else _forged(await house.make_tokens(TOKENS)))
        return await supply.measure(effort, lambda count: attempt(effort, count))

    async def attempt(effort: Effort, count: int) -> Sample:
        tokens = list(islice(cycle(prepared), count))
        load = verify_load(house, house.verifier_url, tokens, jwt=False, status=409 if consumed else 404)
        return await house.under_load(load, effort, house.pid("verifier"))

    return Contender("ours", measure)


async def _consumed(house: House) -> list[str]:
    tokens = await house.make_tokens(TOKENS)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def consume(token: str) -> None:
        async with gate:
            await house.expect(
                200, "POST", f"{house.verifier_url}/v1/links/verify", {"token": token, "jwt": False}
            )

    await asyncio.gather(*map(consume, tokens))
    return tokens


def _forged(tokens: list[str]) -> list[str]:
    """Change the last character, which is of the MAC."""
    return [token[:-1] + ("a" if token[-1] != "a" else "b") for token in tokens]
