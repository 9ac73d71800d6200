"""The HTTP references as contenders: a plain GET each, the cheapest request there is."""

from bench.house import House
from bench.load import Load
from bench.row import Contender, Effort, Sample


async def reference(house: House, mode: str) -> Contender:
    """Return the reference of this mode (bench/references/web.py), started."""
    url, pid = await house.reference(mode)

    async def measure(effort: Effort) -> Sample:
        return await house.under_load(Load(url), effort, pid)

    return Contender(mode, measure)
