"""The small read for pages and the large one of the transitions: they judge every link alike."""

import asyncio
from uuid import UUID, uuid4

import asyncpg

from services.verifier.attempt import Attempt
from services.verifier.page_rows import PageRows
from services.verifier.store import VerifierStore
from services.verifier.verdict import judge
from shared.database import Pool, Row
from tests.integration.verifier.test_slots_and_binding import make_head
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import SeededApp, SeededLink, Seeds

WINNER = uuid4()
CHANGES = {
    "consumed": f"UPDATE magiclink.links SET consumed_at = now(), consumed_by = '{WINNER}', consumed_via = 'browser' WHERE id = $1",
    "consumed, its grant dead": (
        f"UPDATE magiclink.links SET consumed_at = now() - interval '1 hour', consumed_by = '{WINNER}', consumed_via = 'api' WHERE id = $1"
    ),
    "revoked": "UPDATE magiclink.links SET revoked_at = now() WHERE id = $1",
    "locked": "UPDATE magiclink.users SET status = 'locked' WHERE id = (SELECT user_id FROM magiclink.links WHERE id = $1)",
    "suspended": (
        "UPDATE magiclink.users SET status = 'suspended', status_reason = 'a reason', suspended_until = now() + interval '1 day'"
        " WHERE id = (SELECT user_id FROM magiclink.links WHERE id = $1)"
    ),
    "deleted": "DELETE FROM magiclink.users WHERE id = (SELECT user_id FROM magiclink.links WHERE id = $1)",
}


async def _links(seeds: Seeds, owner: asyncpg.Connection) -> dict[str, SeededLink]:
    """Make a link in every state that a page knows."""
    app = await seeds.app(branding='{"product_name": "Acme"}')
    made = {
        "free": await seeds.link(
            app, client='{"ip": "192.0.2.1", "user_agent": "x"}', time_zone="Asia/Tokyo"
        ),
        "expired": await seeds.link(app, lives_seconds=-1, starts_in_seconds=-9),
        "not yet": await seeds.link(app, starts_in_seconds=60),
        "bound": await seeds.link(app, binding="require", passcode_format="digits:6"),
        "superseded": await seeds.link(app, slot="default"),
        "head": await seeds.link(app, slot="default", redirect_url=None),
    }
    await make_head(owner, app, made["head"])
    for state, change in CHANGES.items():
        made[state] = await seeds.link(await seeds.app())
        await owner.execute(change, made[state].id)
    return made


async def test_pages_and_transitions_judge_every_link_alike(
    verifier_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    rows, store = PageRows(verifier_pool), VerifierStore(verifier_pool)
    states = set()
    for name, link in (await _links(seeds, owner)).items():
        for attempt_id in (WINNER, uuid4()):
            attempt = Attempt(link.ref, attempt_id, None, "browser", "r")
            small, large = await rows.find(link.id), (await store.look([attempt]))[attempt_id]
            assert small is not None
            verdicts = [judge(row, attempt) for row in (small, large)]
            said = [(verdict.state, verdict.replayed) if verdict else None for verdict in verdicts]
            assert said[0] == said[1], name
            states.add(said[0])
            _assert_same(small, large, name)
    assert len(states) == 9


def _assert_same(small: Row, large: Row, name: str) -> None:
    assert isinstance(small, asyncpg.Record)
    for column in set(small.keys()) - {"looked_at", "status"}:
        assert small[column] == large[column], (name, column)
    assert (small["status"] == "superseded") == (large["status"] == "superseded"), name


async def test_pages_asked_for_at_once_show_each_its_own_link(
    verifier: RunningVerifier, seeds: Seeds, app: SeededApp
) -> None:
    apps = [await seeds.app(name=f"App {number}") for number in range(8)]
    links = [await seeds.link(each) for each in apps] * 4
    pages = await asyncio.gather(*(verifier.get(link.token) for link in links))
    for number, page in enumerate(pages):
        assert f"<title>Sign in to App {number % 8}</title>" in page.text


async def test_the_statement_finds_nothing_for_a_link_that_is_not_there(verifier_pool: Pool) -> None:
    rows = PageRows(verifier_pool)
    assert await asyncio.gather(*(rows.find(UUID(int=number)) for number in range(1, 5))) == [None] * 4
