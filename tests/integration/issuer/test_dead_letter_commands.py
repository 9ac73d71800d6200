"""`magiclink dlq`: what was put aside can be seen, put back once its reason is mended, and dropped."""

import json
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.dev.postgres import SUPERUSER, Postgres
from services.issuer.intake import EVENT_TYPE, Intake
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.store import SQL, IssuerStore
from services.operator.dead_letters import CHUNK_ROWS
from shared.bus import LINK_REQUESTS, Event, encode_event
from shared.cache import Cache
from shared.consumer import Record
from shared.database import Pool
from shared.tokens import new_link_id
from tests.programs import Program
from tests.records import record
from tests.seeds import RINGS, SeededApp, Seeds, one_row

Aside = Callable[[str], Awaitable[UUID]]


@pytest.fixture
def program(database_server: Postgres) -> Program:
    return Program(MAGICLINK_DATABASE_URL=database_server.url(SUPERUSER, "magiclink"))


@pytest.fixture
def make_intake(issuer_pool: Pool, cache: Cache, issue: Issue) -> Callable[[], Intake]:
    """A new intake knows nothing of an app's earlier settings."""
    return lambda: Intake(
        issue,
        Apps(issuer_pool, SQL, allow_http=True),
        Lanes(cache),
        IssuerStore(issuer_pool, 60),
        RINGS["issuer"],
    )


@pytest.fixture
async def app(seeds: Seeds) -> SeededApp:
    return await seeds.app(intake=False)


def requested(app: SeededApp, offset: int) -> Record:
    body = {"app_id": str(app.id), "email": "ann@example.com", "channel": "email"}
    value = encode_event(Event(EVENT_TYPE, f"event-{offset}", f"/tests/{app.id}", "", body))
    return record(b"ann", value, (("x-request-id", b"req-1"),), topic=LINK_REQUESTS, offset=offset)


async def letters_of(owner: asyncpg.Connection, app: SeededApp) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT * FROM magiclink.dead_letters WHERE encode(value, 'escape') LIKE $1 ORDER BY id",
        f"%{app.id}%",
    )


async def links_of(owner: asyncpg.Connection, app: SeededApp) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", app.id))


async def relayed(owner: asyncpg.Connection, app: SeededApp) -> list[Record]:
    """Take what a relay would send to the topic of link requests, as the consumer would get it."""
    rows = await owner.fetch(
        "DELETE FROM magiclink.outbox WHERE topic = $1 AND encode(value, 'escape') LIKE $2 RETURNING *",
        LINK_REQUESTS,
        f"%{app.id}%",
    )
    return [
        record(
            row["key"].encode(), row["value"], tuple((n, v.encode()) for n, v in json.loads(row["headers"]).items()),
            topic=row["topic"], offset=900 + number,
        )
        for number, row in enumerate(rows)
    ]  # fmt: skip


async def test_a_refused_request_is_mended_replayed_and_makes_its_link_once(
    program: Program, make_intake: Callable[[], Intake], app: SeededApp, owner: asyncpg.Connection
) -> None:
    await make_intake().handle([requested(app, 1)])
    (letter,) = await letters_of(owner, app)
    assert (await links_of(owner, app), "intake is off" in letter["reason"]) == (0, True)

    await owner.execute("UPDATE magiclink.apps SET intake = true WHERE id = $1", app.id)
    done = await program("dlq", "replay", str(letter["id"]), "--json")
    assert (done.status, json.loads(done.out)["replayed"]) == (0, [str(letter["id"])]), done.err
    (back,) = await relayed(owner, app)
    assert (back.key, back.value, back.headers) == (b"ann", letter["value"], (("x-request-id", b"req-1"),))
    intake = make_intake()
    await intake.handle([back])
    assert await links_of(owner, app) == 1

    refused = await program("dlq", "replay", str(letter["id"]))
    assert (refused.status, "--again" in refused.err, await relayed(owner, app)) == (1, True, [])
    assert (await program("dlq", "replay", str(letter["id"]), "--again")).status == 0
    await intake.handle(await relayed(owner, app))
    assert await links_of(owner, app) == 1
    assert len(await letters_of(owner, app)) == 1


async def test_all_that_the_filters_let_through_is_replayed_in_short_transactions(
    program: Program, app: SeededApp, owner: asyncpg.Connection
) -> None:
    count = CHUNK_ROWS + 5
    mark = uuid4().hex
    await owner.executemany(
        'INSERT INTO magiclink.dead_letters (id, topic, partition, "offset", key, value, reason)'
        " VALUES ($1, $2, 0, $3, 'k', $4, $5)",
        [(new_link_id(), LINK_REQUESTS, at, str(app.id).encode(), f"because {mark}") for at in range(count)],
    )
    asked = ("dlq", "replay", "--all", "--reason", mark.upper(), "--since", "1h", "--topic", LINK_REQUESTS)
    assert (await program(*asked)).status == 2, "nobody was asked"
    done = await program(*asked, "--yes")
    assert (done.status, done.out) == (
        0,
        f"{count} dead letters put back; the issuer's relay sends them now",
    ), done.err
    assert len(await relayed(owner, app)) == count
    assert (await program(*asked, "--yes")).out.startswith("0 dead letters")
    transactions = (
        "SELECT count(DISTINCT xmin::text) FROM magiclink.dead_letters WHERE strpos(reason, $1) > 0"
    )
    assert await owner.fetchval(transactions, mark) == 2

    listed = await program("dlq", "list", "--reason", mark, "--limit", "3", "--json")
    assert len(json.loads(listed.out)) == 3
    assert (await program("dlq", "list", "--reason", mark, "--waiting")).out == "no dead letters"
    dropped = await program("dlq", "drop", "--all", "--reason", mark, "--yes", "--json")
    assert len(json.loads(dropped.out)["dropped"]) == count
    assert await letters_of(owner, app) == []


async def test_values_are_shown_only_when_one_asks_for_a_letter(
    program: Program, make_intake: Callable[[], Intake], app: SeededApp, owner: asyncpg.Connection
) -> None:
    await make_intake().handle([requested(app, 7)])
    (letter,) = await letters_of(owner, app)
    for listed in (await program("dlq", "list"), await program("dlq", "list", "--json")):
        assert (str(letter["id"]) in listed.out, "ann@example.com" in listed.out) == (True, False)
    shown = await program("dlq", "show", str(letter["id"]))
    assert '"email": "ann@example.com"' in shown.out
    assert "x-request-id: req-1" in shown.out
    whole = json.loads((await program("dlq", "show", str(letter["id"]), "--json")).out)
    assert whole[0]["value"]["data"]["email"] == "ann@example.com"


async def test_a_letter_steers_no_terminal_and_one_without_a_value_is_not_replayed(
    program: Program, owner: asyncpg.Connection
) -> None:
    id_ = new_link_id()
    await owner.execute(
        'INSERT INTO magiclink.dead_letters (id, topic, partition, "offset", key, value, headers, reason)'
        " VALUES ($1, 't', 0, 1, NULL, NULL, $2, $3)",
        id_,
        json.dumps({"evil": "\x1b[2J"}),
        "\x1b]0;x",
    )
    for shown in (await program("dlq", "show", str(id_)), await program("dlq", "list", "--topic", "t")):
        assert (shown.status, "\x1b" in shown.out) == (0, False)
    refused = await program("dlq", "replay", str(id_))
    assert (refused.status, "has no value" in refused.err) == (1, True)
    row = await one_row(owner, "SELECT replayed_at FROM magiclink.dead_letters WHERE id = $1", id_)
    assert row["replayed_at"] is None


async def test_mistakes_are_told_with_what_to_do(program: Program) -> None:
    unknown = str(uuid4())
    for arguments, status, words in (
        (("replay",), 2, "give ids, or --all"),
        (("replay", unknown, "--all"), 2, "give ids, or --all"),
        (("drop", unknown, "--topic", "x", "--yes"), 2, "give ids, or --all"),
        (("replay", unknown), 1, "`magiclink dlq list` shows them"),
        (("show", unknown), 1, "`magiclink dlq list` shows them"),
        (("drop", unknown, "--yes"), 1, "there is no such dead letter"),
        (("drop", unknown), 2, "say --yes"),
        (("list", "--since", "yesterday"), 2, "neither a time ago such as 30m"),
        (("show", "x"), 2, "not a valid UUID"),
    ):
        ended = await program("dlq", *arguments)
        assert (ended.status, words in ended.err) == (status, True), (arguments, ended)
