"""Only the newest link of a slot lives, whoever commits in which order; and whose life begins when."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.issuer.issue import Issue
from services.issuer.orders import Order
from services.issuer.policy import Apps, draft_link
from services.issuer.store import SQL, IssuerStore
from services.issuer.text_limits import TextLimits
from shared.cache import Cache
from shared.database import Pool
from shared.links import LinkRequest
from shared.outbox import OutboxBell
from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import RINGS, Seeds, one_row

ANN = {"email": "ann@example.com"}


@pytest.fixture
async def latest(start_issuer: Any) -> RunningIssuer:
    """An issuer whose app keeps the newest login only."""
    running: RunningIssuer = await start_issuer(latest_only=["login"])
    return running


async def make(issuer: RunningIssuer, key: str | None = None, **request: Any) -> dict[str, Any]:
    status, body, _ = await issuer.post("/v1/links", {**ANN, **request}, key=key)
    assert status == 201, body
    link: dict[str, Any] = body["link"]
    return link


async def status_of(owner: asyncpg.Connection, link: dict[str, Any]) -> str:
    sql = "SELECT magiclink.link_status(l) FROM magiclink.links l WHERE id = $1"
    return str(await owner.fetchval(sql, UUID(link["id"])))


async def test_a_newer_link_supersedes_the_older_one_of_its_user_and_type(
    latest: RunningIssuer, owner: asyncpg.Connection
) -> None:
    first, invite = await make(latest), await make(latest, type="invite")
    other = await make(latest, email="bob@example.com")
    second = await make(latest)
    statuses = [await status_of(owner, link) for link in (first, second, invite, other)]
    assert statuses == ["superseded", "issued", "issued", "issued"]
    assert second["status"] == "issued"


async def test_without_the_setting_links_have_no_rivals(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    links = [await make(issuer) for _ in range(2)]
    assert [await status_of(owner, link) for link in links] == ["issued", "issued"]


@pytest.mark.parametrize(
    "request_",
    [
        {"lane": "bulk"},
        {"channel": "email", "send_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
        {"slot": "desk"},
    ],
)
async def test_bulk_scheduled_and_named_slots_leave_the_awaited_link_alone(
    latest: RunningIssuer, owner: asyncpg.Connection, request_: dict[str, Any]
) -> None:
    awaited = await make(latest)
    await make(latest, **request_)
    assert await status_of(owner, awaited) == "issued"


async def test_a_slot_that_is_named_counts_for_bulk_and_scheduled_links_of_any_type(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    send_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    first = await make(issuer, slot="report", lane="bulk", channel="email", send_at=send_at)
    second = await make(issuer, slot="report", lane="bulk")
    assert [await status_of(owner, link) for link in (first, second)] == ["superseded", "issued"]


async def test_the_surplus_in_the_bulk_lane_still_takes_its_slot(
    start_issuer: Any, owner: asyncpg.Connection
) -> None:
    issuer = await start_issuer(latest_only=["login"], interactive_per_minute=1)
    links = [await make(issuer, channel="email") for _ in range(3)]
    lanes = await owner.fetch("SELECT lane FROM magiclink.links WHERE app_id = $1 ORDER BY id", issuer.app.id)
    assert [row["lane"] for row in lanes] == ["interactive", "bulk", "bulk"]
    assert [await status_of(owner, link) for link in links] == ["superseded", "superseded", "issued"]


async def test_the_last_item_of_a_batch_wins_and_the_others_say_so(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    items = [{**ANN, "slot": "a"}, {"email": "bob@example.com", "slot": "a"}, {**ANN, "slot": "a"}, ANN]
    _, body, _ = await issuer.post("/v1/links/batch", {"links": items})
    links = [result["link"] for result in body["results"]]
    expected = ["superseded", "issued", "issued", "issued"]
    assert [link["status"] for link in links] == expected
    assert [await status_of(owner, link) for link in links] == expected


async def test_a_replay_does_not_take_the_slot_back(latest: RunningIssuer, owner: asyncpg.Connection) -> None:
    first = await make(latest, key="first")
    second = await make(latest)
    replayed = await make(latest, key="first")
    assert (replayed["id"], replayed["status"]) == (first["id"], "superseded")
    assert await status_of(owner, second) == "issued"


async def test_many_at_once_on_two_replicas_leave_one_head_a_slot_without_a_deadlock(
    issuer_pool: Pool, cache: Cache, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app_id = (await seeds.app(latest_only=["login"])).id
    app = await Apps(issuer_pool, SQL, allow_http=True).get(app_id)
    bells = [OutboxBell(issuer_pool) for _ in range(2)]
    replicas = [
        Issue(IssuerStore(issuer_pool, 60), RINGS["issuer"], bell, TextLimits(cache)) for bell in bells
    ]

    def order(number: int) -> Order:
        # Every second batch names the same users in the opposite order.
        emails = [f"u{n}@example.com" for n in range(20)][:: 1 if number % 2 else -1]
        drafts = [draft_link(app, LinkRequest(email=email), "interactive") for email in emails]
        return Order(app.id, [*drafts], None, "api")

    receipts = await asyncio.gather(*(replicas[n % 2].one(order(n)) for n in range(40)))
    assert not [item for receipt in receipts for item in receipt.items if isinstance(item, Exception)]
    living = await owner.fetch(
        "SELECT user_id, count(*) FROM magiclink.links l WHERE app_id = $1 AND magiclink.link_status(l) = 'issued'"
        " GROUP BY user_id",
        app_id,
    )
    assert [row["count"] for row in living] == [1] * 20
    for bell in bells:
        await bell.close()


async def test_a_life_that_begins_with_acceptance_ends_at_the_cap_until_then(
    start_issuer: Any, owner: asyncpg.Connection
) -> None:
    issuer = await start_issuer(ttl_from="acceptance", acceptance_cap_seconds=7200, max_ttl_seconds=86400)
    send_at = datetime.now(UTC) + timedelta(days=1)
    requests: list[dict[str, Any]] = [
        {"channel": "email", "ttl_seconds": 600},
        {"channel": "email", "ttl_seconds": 600, "send_at": send_at.isoformat()},
        {"channel": "email", "ttl_seconds": 9000},
        {"channel": "none", "ttl_seconds": 600},
    ]
    rows = []
    for request in requests:
        link = await make(issuer, **request)
        rows.append(await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", UUID(link["id"])))
    lives = [(row["expires_at"] - row["not_before"]).total_seconds() for row in rows]
    assert lives == [7200, 7200, 9000, 600]
    assert [row["ttl_seconds"] for row in rows] == [600, 600, 9000, 600]
    assert [row["ttl_from_acceptance"] for row in rows] == [True, True, True, False]
    assert rows[1]["not_before"] == send_at


@pytest.mark.parametrize(
    ("request_", "verifies"),
    [
        ({"email": "v@example.com", "channel": "email"}, "email"),
        ({"phone": "+12025550123", "channel": "whatsapp"}, "phone"),
        ({"email": "v@example.com"}, "email"),
        ({"phone": "+12025550123"}, "phone"),
        ({"email": "v@example.com", "type": "login"}, None),
    ],
)
async def test_a_verification_marks_the_address_it_went_to(
    issuer: RunningIssuer, owner: asyncpg.Connection, request_: dict[str, Any], verifies: str | None
) -> None:
    status, body, _ = await issuer.post(
        "/v1/links", {"type": "verify_identifier", "binding": "none", **request_}
    )
    assert status == 201
    row = await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", UUID(body["link"]["id"]))
    assert (row["verifies"], row["binding"]) == (verifies, "none")


async def test_a_verification_of_a_whole_user_marks_the_email_address_first(
    issuer: RunningIssuer, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    user_id = await seeds.user(issuer.app)
    phone_only = issuer.app.id
    await owner.execute(
        "INSERT INTO magiclink.users (id, app_id, phone) VALUES ($1, $1, '+12025550199')", phone_only
    )
    found = []
    for named in (user_id, phone_only):
        _, body, _ = await issuer.post("/v1/links", {"type": "verify_identifier", "user_id": str(named)})
        row = await one_row(
            owner, "SELECT verifies FROM magiclink.links WHERE id = $1", UUID(body["link"]["id"])
        )
        found.append(row["verifies"])
    assert found == ["email", "phone"]


async def test_a_verification_by_text_marks_the_number_of_a_user_who_has_both(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    await owner.execute(
        "INSERT INTO magiclink.users (id, app_id, email, phone) VALUES ($1, $1, 'b@example.com', '+12025550198')",
        issuer.app.id,
    )
    request = {"type": "verify_identifier", "email": "b@example.com", "channel": "sms"}
    status, body, _ = await issuer.post("/v1/links", request)
    assert status == 201
    sql = "SELECT verifies FROM magiclink.links WHERE id = $1"
    assert await owner.fetchval(sql, UUID(body["link"]["id"])) == "phone"
