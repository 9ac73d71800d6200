"""`GET /l/{token}`: the page with one button."""

from itertools import cycle, islice

from bench.house import House
from bench.load import Load
from bench.row import Bound, Contender, Effort, Row, Sample
from bench.rows.beside import reference
from bench.rows.supply import MANY_PER_SECOND, Supply

TOKENS = 2_000


async def rows(house: House) -> list[Row]:
    """Return the row of the page."""
    return [
        Row(
            "GET /l/{token}",
            "requests/s",
            _page(house),
            [await reference(house, "bare")],
            [Bound(0.6, 0.8, "bare")],
            f"The page of {TOKENS:,} live links, again and again, as a browser that was never here asks for it.",
        )
    ]


def _page(house: House) -> Contender:
    supply, tokens = Supply(MANY_PER_SECOND), list[str]()

    async def measure(effort: Effort) -> Sample:
        if not tokens:
            tokens.extend(await house.make_tokens(TOKENS))
        return await supply.measure(effort, lambda count: attempt(effort, count))

    async def attempt(effort: Effort, count: int) -> Sample:
        headers = {"Accept": "text/html", "Accept-Language": "en", "Sec-Fetch-Site": "none"}
        load = Load(
            house.verifier_url, "/l/{item}", headers=headers, items=list(islice(cycle(tokens), count))
        )
        return await house.under_load(load, effort, house.pid("verifier"))

    return Contender("ours", measure)
