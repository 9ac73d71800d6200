"""Only the head of a slot lives; a link that requires its own browser is refused elsewhere. Neither refusal burns anything."""

from uuid import uuid4

import asyncpg

from services.verifier.attempt import Attempt
from services.verifier.consume import Consume
from services.verifier.store import VerifierStore
from shared.cache import Cache
from shared.database import Pool
from shared.outbox import OutboxBell
from shared.tokens import make_passcode
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import RINGS, SeededApp, SeededLink, Seeds, one_row


async def make_head(
    owner: asyncpg.Connection, app: SeededApp, link: SeededLink, slot: str = "default"
) -> None:
    """Do as the issuer does with a newer link."""
    await owner.execute(
        "INSERT INTO magiclink.heads (app_id, user_id, type, slot, link_id) VALUES ($1, $2, 'login', $3, $4)"
        " ON CONFLICT (app_id, user_id, type, slot) DO UPDATE SET link_id = excluded.link_id",
        app.id, link.user_id, slot, link.id,
    )  # fmt: skip


async def is_free(owner: asyncpg.Connection, link: SeededLink) -> bool:
    row = await one_row(owner, "SELECT consumed_at, sequence FROM magiclink.links WHERE id = $1", link.id)
    return row["consumed_at"] is None and row["sequence"] == 1


async def test_only_the_head_of_a_slot_can_be_consumed(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old, new = [await seeds.link(app, slot="default", passcode_format="digits:6") for _ in range(2)]
    other_slot, no_slot = await seeds.link(app, slot="report"), await seeds.link(app)
    await make_head(owner, app, new)
    await make_head(owner, app, other_slot, "report")
    for answer in (await verifier.verify(app, old.token), await verifier.verify(app, old.token)):
        assert (answer.status, answer.code) == (410, "link_revoked")
    assert (await verifier.press(old.token)).status == 410
    assert (await verifier.get(old.token)).status == 410
    passcode = make_passcode(RINGS["verifier"], old.ref, 0, "digits:6")
    assert (await verifier.verify_passcode(app, passcode, link_id=str(old.id))).code == "passcode_invalid"
    assert await is_free(owner, old)
    for link in (new, other_slot, no_slot):
        assert (await verifier.verify(app, link.token)).status == 200


async def test_a_superseded_link_that_was_consumed_before_still_answers_its_winner(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    old = await seeds.link(app, slot="default")
    await make_head(owner, app, old)
    assert (await verifier.verify(app, old.token, "k")).status == 200
    await make_head(owner, app, await seeds.link(app, slot="default"))
    assert (await verifier.verify(app, old.token, "k")).status == 200
    assert (await verifier.verify(app, old.token)).code == "link_consumed"


async def test_the_head_of_another_app_or_user_heads_nothing_here(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, slot="default")
    stranger = await seeds.app()
    await make_head(owner, stranger, link)
    assert (await verifier.verify(app, link.token)).code == "link_revoked"
    await make_head(owner, app, link)
    assert (await verifier.verify(app, link.token)).status == 200


async def test_a_link_that_requires_its_browser_is_refused_elsewhere_and_burned_by_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app, binding="require", passcode_format="digits:6")
    answer = await verifier.verify(app, link.token)
    assert (answer.status, answer.code) == (403, "pairing_required")
    assert (await verifier.press(link.token)).status == 403
    assert await is_free(owner, link)
    passcode = make_passcode(RINGS["verifier"], link.ref, 0, "digits:6")
    assert (await verifier.verify_passcode(app, passcode, link_id=str(link.id))).status == 200


async def test_the_browser_that_holds_the_pairing_may_consume_it(
    verifier_pool: Pool, cache: Cache, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, binding="require")
    bell = OutboxBell(verifier_pool)
    consume = Consume(VerifierStore(verifier_pool), cache, bell)
    redeemed = await consume.consume(Attempt(link.ref, uuid4(), None, "browser", "r", paired=True))
    assert redeemed.row["consumed_via"] == "browser"
    await bell.close()


async def test_a_link_that_only_prefers_its_browser_works_everywhere(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for binding in ("prefer", "none"):
        link = await seeds.link(app, binding=binding)
        assert (await verifier.verify(app, link.token)).status == 200
