"""What the pages tell of their visitors, and the button that mail scanners do not get."""

import asyncio

import asyncpg

from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import SeededApp, SeededLink, Seeds

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SCANNER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Proofpoint URL Defense"


async def visits_of(
    owner: asyncpg.Connection, link: SeededLink, count: int
) -> list[tuple[str, str, str | None]]:
    """Wait for the visits of a link: they are written in the background."""
    rows: list[asyncpg.Record] = []
    for _ in range(100):
        rows = await owner.fetch(
            "SELECT event, visitor, detail FROM magiclink.link_visits WHERE link_id = $1 ORDER BY at, id",
            link.id,
        )
        if len(rows) >= count:
            break
        await asyncio.sleep(0.05)
    return [(row["event"], row["visitor"], row["detail"]) for row in rows]


async def test_the_timeline_tells_people_from_programs(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    for headers in (
        {"User-Agent": FIREFOX},
        {"User-Agent": SCANNER},
        {"User-Agent": FIREFOX, "Sec-Purpose": "prefetch"},
    ):
        assert (await verifier.ask("GET", f"/l/{link.token}", headers=headers)).status == 200
    found = await visits_of(owner, link, 3)
    assert found == [("visited", visitor, None) for visitor in ("browser", "scanner", "prefetch")]


async def test_a_known_scanner_that_presses_the_button_is_refused_and_burns_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    for path in (f"/l/{link.token}", f"/l/{link.token}/renew"):
        headers = {"User-Agent": SCANNER, "Sec-Fetch-Site": "same-origin"}
        refused = await verifier.ask("POST", path, headers=headers)
        assert refused.status == 403
        assert "This looks like an automatic check" in refused.text
    assert await visits_of(owner, link, 2) == [("refused", "scanner", "scanner_refused")] * 2
    assert (await verifier.press(link.token, **{"User-Agent": FIREFOX})).status == 303
