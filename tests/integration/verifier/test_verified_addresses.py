"""A link that verifies an address marks it with its consumption; a user who is being changed makes it wait, and nobody deadlocks."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from services.dev.postgres import Postgres
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import SeededApp, SeededLink, Seeds, one_row

CHANGE = "UPDATE magiclink.users SET email = $2, email_verified = false WHERE id = $1"
REVOKE = "UPDATE magiclink.links SET revoked_at = now() WHERE user_id = $1 AND consumed_at IS NULL"


async def link_that_verifies(seeds: Seeds, app: SeededApp, what: str = "email") -> SeededLink:
    return await seeds.link(app, type="verify_identifier", verifies=what)


async def marks(owner: asyncpg.Connection, link: SeededLink) -> tuple[bool, bool]:
    row = await one_row(
        owner, "SELECT email_verified, phone_verified FROM magiclink.users WHERE id = $1", link.user_id
    )
    return row["email_verified"], row["phone_verified"]


@pytest.mark.parametrize(("what", "expected"), [("email", (True, False)), ("phone", (False, True))])
async def test_consuming_it_marks_the_address_and_the_answer_says_so(
    verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
    what: str,
    expected: tuple[bool, bool],
) -> None:
    link = await link_that_verifies(seeds, app, what)
    await owner.execute("UPDATE magiclink.users SET phone = '+4930123456' WHERE id = $1", link.user_id)
    for _ in range(2):
        user = (await verifier.verify(app, link.token, "k")).json["user"]
        assert (user["email_verified"], user["phone_verified"]) == expected
    assert await marks(owner, link) == expected


async def test_a_link_of_another_kind_and_a_refused_one_mark_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    plain, late = await seeds.link(app), await seeds.link(app, verifies="email", lives_seconds=-1)
    assert (await verifier.verify(app, plain.token)).json["user"]["email_verified"] is False
    assert (await verifier.verify(app, late.token)).status == 410
    assert await marks(owner, plain) == (False, False)


async def test_two_links_of_one_user_at_once_mark_both_addresses(
    verifier: RunningVerifier,
    second_verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    links = [await link_that_verifies(seeds, app, what) for what in ("email", "phone") * 5]
    await owner.execute("UPDATE magiclink.users SET phone = '+4930123456' WHERE id = $1", links[0].user_id)
    answers = await asyncio.gather(
        *(
            (verifier if number % 2 else second_verifier).verify(app, link.token)
            for number, link in enumerate(links)
        )
    )
    assert [answer.status for answer in answers] == [200] * 10
    assert await marks(owner, links[0]) == (True, True)


async def test_a_user_who_is_being_changed_makes_the_link_wait_and_a_moved_address_is_not_marked(
    verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    database_server: Postgres,
    owner: asyncpg.Connection,
) -> None:
    """The other side has the user and comes for the link: had ours waited for the user, both would hang."""
    link = await link_that_verifies(seeds, app)
    other = await asyncpg.connect(database_server.url(database="magiclink"))
    change = other.transaction()
    await change.start()
    await other.execute(CHANGE, link.user_id, f"{uuid4().hex}@example.com")
    verifying = asyncio.create_task(verifier.verify(app, link.token))
    await asyncio.sleep(0.15)
    async with asyncio.timeout(0.5):  # below the second after which PostgreSQL looks for deadlocks
        await other.execute(REVOKE, link.user_id)
    await change.commit()
    await other.close()
    assert (await verifying).code == "link_revoked"
    assert await marks(owner, link) == (False, False)


async def test_a_user_who_stays_locked_leaves_the_link_free(
    verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    database_server: Postgres,
    owner: asyncpg.Connection,
) -> None:
    link = await link_that_verifies(seeds, app)
    other = await asyncpg.connect(database_server.url(database="magiclink"))
    change = other.transaction()
    await change.start()
    await other.execute("SELECT 1 FROM magiclink.users WHERE id = $1 FOR UPDATE", link.user_id)
    answer = await verifier.verify(app, link.token)
    assert (answer.status, answer.code) == (409, "link_in_progress")
    plain = await seeds.link(app)
    assert (await verifier.verify(app, plain.token)).status == 200  # only links that mark an address wait
    await change.rollback()
    await other.close()
    assert (await verifier.verify(app, link.token)).json["user"]["email_verified"] is True


async def test_changes_and_consumptions_of_the_same_users_neither_hang_nor_mark_a_new_address(
    verifier: RunningVerifier, seeds: Seeds, database_server: Postgres, owner: asyncpg.Connection
) -> None:
    apps = [await seeds.app() for _ in range(30)]
    links = [await link_that_verifies(seeds, app) for app in apps]
    others = [await asyncpg.connect(database_server.url(database="magiclink")) for _ in range(3)]

    async def change(connection: asyncpg.Connection, mine: list[SeededLink]) -> None:
        for link in mine:
            async with connection.transaction():
                await connection.execute(
                    "SELECT 1 FROM magiclink.users WHERE id = $1 FOR UPDATE", link.user_id
                )
                await connection.execute(CHANGE, link.user_id, f"{uuid4().hex}@example.com")
                await connection.execute(REVOKE, link.user_id)

    redeeming = [verifier.verify(app, link.token) for app, link in zip(apps, links, strict=True)]
    changing = [change(connection, links[at::3]) for at, connection in enumerate(others)]
    answers, _ = await asyncio.gather(asyncio.gather(*redeeming), asyncio.gather(*changing))
    assert {answer.status for answer in answers} <= {200, 410}
    for link in links:
        assert await marks(owner, link) == (False, False)
    for connection in others:
        await connection.close()
