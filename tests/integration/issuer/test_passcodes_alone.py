"""`POST /v1/passcodes`: a passcode without a link beside it; passcodes that stand alone in their app, and sending by them."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.issuer.housekeeping import Keeping
from services.issuer.sweep import Sweeper, SweepRules
from shared.cache import Cache
from shared.database import Pool
from shared.guesses import MISSES_PER_ADDRESS_PER_HOUR
from shared.outbox import OutboxBell
from shared.tokens import LinkRef, make_passcode, passcode_lookup, passcode_lookups
from tests.integration.issuer.conftest import RunningIssuer
from tests.seeds import RINGS, one_row

RING = RINGS["issuer"]
ANN = {"email": "ann@example.com"}


@pytest.fixture
async def standalone(start_issuer: Callable[..., Any]) -> RunningIssuer:
    running: RunningIssuer = await start_issuer(passcode_standalone=True)
    return running


async def passcode(issuer: RunningIssuer, *, key: str | None = None, **body: Any) -> dict[str, Any]:
    status, answer, _ = await issuer.post("/v1/passcodes", {**ANN, **body}, key=key)
    assert status == 201, answer
    made: dict[str, Any] = answer
    return made


async def link(issuer: RunningIssuer, **body: Any) -> dict[str, Any]:
    status, answer, _ = await issuer.post("/v1/links", {**ANN, "passcode": True, **body})
    assert status == 201, answer
    made: dict[str, Any] = answer["link"]
    return made


async def send(issuer: RunningIssuer, code: str, *, key: str | None = None, **body: Any) -> tuple[int, Any]:
    status, answer, _ = await issuer.post(
        "/v1/passcodes/send", {"passcode": code, "channel": "email", **body}, key=key
    )
    return status, answer


async def row_of(owner: asyncpg.Connection, link_id: str) -> asyncpg.Record:
    return await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", UUID(link_id))


async def age_messages(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE magiclink.messages SET created_at = created_at - interval '1 minute'")


async def test_a_passcode_is_a_link_with_one_door_and_no_url(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    made = await passcode(issuer, channel="email", metadata={"a": 1})
    row = await row_of(owner, made["passcode"]["id"])
    assert (row["doors"], row["type"], row["redirect_url"], row["binding"]) == (
        "passcode",
        "login",
        None,
        "none",
    )
    assert (row["ttl_seconds"], row["passcode_format"]) == (600, "digits:6")
    message = await one_row(owner, "SELECT * FROM magiclink.messages WHERE link_id = $1", row["id"])
    assert (message["template"], message["status"]) == ("passcode", "queued")
    assert made["user_created"] is True
    assert made["message"] == {"id": str(message["id"]), "channel": "email", "status": "queued"}
    assert made["passcode"].keys() == {"id", "user_id", "channel", "code", "expires_at", "created_at"}
    assert made["passcode"]["code"].isdigit()
    _, revealed, _ = await issuer.post(f"/v1/links/{made['passcode']['id']}/reveal", {})
    assert revealed["link"]["passcode"] == made["passcode"]["code"]
    assert not {"url", "token"} & set(revealed["link"])


async def test_a_passcodes_life_is_ten_minutes_or_what_the_app_allows(
    start_issuer: Callable[..., Any], owner: asyncpg.Connection
) -> None:
    short = await start_issuer(ttl_seconds=60, max_ttl_seconds=120)
    made = await passcode(short)
    assert (await row_of(owner, made["passcode"]["id"]))["ttl_seconds"] == 120
    status, body, _ = await short.post("/v1/passcodes", {**ANN, "ttl_seconds": 180})
    assert (status, body["errors"][0]["rule"]) == (422, "ttl_too_long")


async def test_one_key_makes_one_passcode_and_its_replays_tell_the_same_code(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    answers = await asyncio.gather(*(passcode(issuer, key="k", channel="email") for _ in range(20)))
    assert len({str(answer) for answer in answers}) == 1
    assert await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", issuer.app.id) == 1
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE app_id = $1", issuer.app.id) == 1
    )
    status, body, _ = await issuer.post("/v1/passcodes", {"email": "eve@example.com"}, key="k")
    assert (status, body["code"]) == (409, "idempotency_conflict")


async def test_a_key_that_sees_no_secrets_gets_no_code(start_issuer: Callable[..., Any]) -> None:
    issuer = await start_issuer(scopes=("links:create",))
    assert "code" not in (await passcode(issuer))["passcode"]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({"email": None}, "body", "one_recipient"),
        ({"phone": "+12025550100"}, "body", "one_recipient"),
        ({"verify_address": True}, "verify_address", "verify_address_needs_channel"),
        ({"template": "login"}, "template", "template_needs_link"),
        ({"ttl_seconds": 59}, "ttl_seconds", "greater_than_equal"),
        ({"ttl_seconds": 3601}, "ttl_seconds", "less_than_equal"),
        ({"create_user": False}, "email", "user_unknown"),
        ({"channel": "sms"}, "channel", "recipient_missing"),
        ({"redirect_url": "https://shop.example/"}, "redirect_url", "extra_forbidden"),
    ],
)
async def test_what_is_wrong_with_a_request_for_a_passcode_is_named(
    issuer: RunningIssuer, body: dict[str, Any], field: str, rule: str
) -> None:
    status, answer, _ = await issuer.post("/v1/passcodes", {**ANN, **body})
    assert status == 422, answer
    assert (field, rule) in [(error["field"], error["rule"]) for error in answer["errors"]]


async def test_a_template_without_a_passcode_to_show_is_refused(issuer: RunningIssuer) -> None:
    plain = await link(issuer, passcode=False)
    alone = (await passcode(issuer))["passcode"]["id"]
    for link_id, template, rule in (
        (plain["id"], "passcode", "template_needs_passcode"),
        (alone, "login", "template_needs_link"),
    ):
        status, body, _ = await issuer.post(
            f"/v1/links/{link_id}/send", {"channel": "email", "template": template}
        )
        assert (status, body["errors"][0]["rule"]) == (422, rule)


async def test_an_unsent_passcode_is_sent_in_its_own_template(
    issuer: RunningIssuer, owner: asyncpg.Connection
) -> None:
    made = await passcode(issuer)
    status, body, _ = await issuer.post(f"/v1/links/{made['passcode']['id']}/send", {"channel": "email"})
    assert status == 200, body
    assert body["link"]["passcode"] == made["passcode"]["code"]
    row = await one_row(
        owner, "SELECT template FROM magiclink.messages WHERE link_id = $1", UUID(body["link"]["id"])
    )
    assert row["template"] == "passcode"


async def test_where_passcodes_stand_alone_each_is_one_links(
    standalone: RunningIssuer, owner: asyncpg.Connection
) -> None:
    made = [await link(standalone), await link(standalone)]
    codes = [one["passcode"] for one in made]
    rows = await owner.fetch(
        "SELECT lookup, link_id FROM magiclink.passcode_lookups WHERE app_id = $1", standalone.app.id
    )
    wanted = {
        (passcode_lookup(RING, RING.newest["lookup"], standalone.app.id, code), one["id"])
        for code, one in zip(codes, made, strict=True)
    }
    assert {(bytes(row["lookup"]), str(row["link_id"])) for row in rows} == wanted


async def test_a_passcode_without_a_link_beside_it_never_stands_alone_not_even_when_it_is_sent_again(
    standalone: RunningIssuer, owner: asyncpg.Connection
) -> None:
    made = await passcode(standalone, channel="email")
    await age_messages(owner)
    status, body, _ = await standalone.post(f"/v1/links/{made['passcode']['id']}/resend", {})
    assert status == 200
    for code in (made["passcode"]["code"], body["link"]["passcode"]):
        assert (await send(standalone, code))[1]["code"] == "passcode_invalid"


async def test_other_apps_keep_no_lookups(issuer: RunningIssuer, owner: asyncpg.Connection) -> None:
    await link(issuer)
    found = "SELECT count(*) FROM magiclink.passcode_lookups WHERE app_id = $1"
    assert await owner.fetchval(found, issuer.app.id) == 0


async def test_a_passcode_that_another_link_has_is_not_given_out_twice(
    standalone: RunningIssuer, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if every link had the same passcodes: all but the first collide.
    monkeypatch.setattr(
        "services.issuer.standing.make_passcode", lambda _ring, _link, epoch, _format: str(epoch)
    )
    items = [{"email": f"user{number}@example.com", "passcode": True} for number in range(6)]
    status, body, _ = await standalone.post("/v1/links/batch", {"links": items})
    assert status == 200
    links = [result["link"] for result in body["results"]]
    rows = await owner.fetch(
        "SELECT id, passcode_epoch FROM magiclink.links WHERE app_id = $1", standalone.app.id
    )
    epochs = {str(row["id"]): row["passcode_epoch"] for row in rows}
    lookups = await owner.fetchval(
        "SELECT count(DISTINCT link_id) FROM magiclink.passcode_lookups WHERE app_id = $1", standalone.app.id
    )
    assert lookups == 6
    assert sorted(epochs.values()) == list(range(6))
    for link in links:
        ref = LinkRef(RINGS["issuer"].newest["passcode"], UUID(link["id"]))
        assert link["passcode"] == make_passcode(RINGS["issuer"], ref, epochs[link["id"]], "digits:6")
    _, told, _ = await standalone.post(f"/v1/links/{links[-1]['id']}/reveal", {})
    assert told["link"]["passcode"] == links[-1]["passcode"]


async def test_an_app_without_a_free_passcode_makes_no_link(
    standalone: RunningIssuer, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.issuer.standing.make_passcode", lambda *_: "1")
    await link(standalone)
    status, body, _ = await standalone.post("/v1/links", {"email": "eve@example.com", "passcode": True})
    assert (status, body["code"]) == (503, "unavailable")
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE app_id = $1", standalone.app.id) == 1
    )
    # Once it is over its passcode is free.
    await owner.execute("UPDATE magiclink.passcode_lookups SET expires_at = now() - interval '1 second'")
    await link(standalone)


async def test_two_replicas_at_once_give_no_passcode_twice(
    standalone: RunningIssuer, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.issuer.standing.make_passcode", lambda *given: make_passcode(*given)[:2])
    made = await asyncio.gather(
        *(
            standalone.post("/v1/links", {"email": f"user{number}@example.com", "passcode": True})
            for number in range(25)
        )
    )
    codes = [body["link"]["passcode"][:2] for status, body, _ in made if status == 201]
    assert len(codes) == len(set(codes))
    assert len(codes) >= 20


async def test_a_link_is_sent_by_its_passcode_and_again_with_the_same_passcode(
    standalone: RunningIssuer, owner: asyncpg.Connection
) -> None:
    unsent = await link(standalone)
    status, body = await send(standalone, unsent["passcode"])
    assert status == 200, body
    assert (body["link"]["id"], body["link"]["passcode"]) == (unsent["id"], unsent["passcode"])
    # By the rules of resend: not at once.
    status, body = await send(standalone, unsent["passcode"])
    assert (status, body["code"]) == (429, "rate_limited")
    await age_messages(owner)
    status, body = await send(standalone, f" {unsent['passcode'][:3]}-{unsent['passcode'][3:]}")
    assert status == 200
    assert body["link"]["passcode"] == unsent["passcode"]
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE link_id = $1", UUID(unsent["id"]))
        == 2
    )


async def test_one_key_sends_by_a_passcode_once(standalone: RunningIssuer, owner: asyncpg.Connection) -> None:
    unsent = await link(standalone)
    answers = await asyncio.gather(*(send(standalone, unsent["passcode"], key="s") for _ in range(8)))
    assert len({str(answer) for answer in answers}) == 1
    assert answers[0][0] == 200
    assert (
        await owner.fetchval("SELECT count(*) FROM magiclink.messages WHERE link_id = $1", UUID(unsent["id"]))
        == 1
    )


async def test_a_resent_link_has_a_new_passcode_that_stands_alone_and_the_old_one_is_void(
    standalone: RunningIssuer, owner: asyncpg.Connection
) -> None:
    first = await link(standalone, channel="email")
    await age_messages(owner)
    _, body, _ = await standalone.post(f"/v1/links/{first['id']}/resend", {})
    newer = body["link"]["passcode"]
    assert newer != first["passcode"]
    await age_messages(owner)
    assert (await send(standalone, first["passcode"]))[1]["code"] == "passcode_invalid"
    assert (await send(standalone, newer))[0] == 200


async def test_a_link_that_gets_its_passcode_when_it_is_sent_is_found_by_it(
    standalone: RunningIssuer,
) -> None:
    plain = await link(standalone, passcode=False)
    _, body, _ = await standalone.post(
        f"/v1/links/{plain['id']}/send", {"channel": "email", "passcode": True}
    )
    status, answer = await send(standalone, body["link"]["passcode"])
    # Found; only too soon for a second message.
    assert (status, answer["code"]) == (429, "rate_limited")


async def test_unknown_used_and_foreign_passcodes_get_one_answer(
    standalone: RunningIssuer,
    issuer: RunningIssuer,
    start_issuer: Callable[..., Any],
    owner: asyncpg.Connection,
) -> None:
    over, foreign = await link(standalone), await link(await start_issuer(passcode_standalone=True))
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", UUID(over["id"]))
    answers = [await send(standalone, code) for code in ("000000", over["passcode"], foreign["passcode"])]
    # An app whose passcodes do not stand alone has none to be found.
    answers.append(await send(issuer, (await link(issuer))["passcode"]))
    assert {(status, body["code"]) for status, body in answers} == {(400, "passcode_invalid")}
    assert len({body["title"] + body.get("detail", "") for _, body in answers}) == 1


async def test_whoever_guesses_passcodes_to_send_is_stopped_and_those_who_know_theirs_are_not(
    standalone: RunningIssuer,
) -> None:
    client = {"ip": "203.0.113.9"}
    known = await link(standalone)
    for number in range(MISSES_PER_ADDRESS_PER_HOUR):
        assert (await send(standalone, f"{number:06}", client=client))[0] == 400
    status, body = await send(standalone, known["passcode"], client=client)
    assert (status, body["code"]) == (429, "rate_limited")
    assert (await send(standalone, known["passcode"], client={"ip": "203.0.113.10"}))[0] == 200


async def test_without_redis_nobody_guesses(start_issuer: Callable[..., Any]) -> None:
    away = Cache("redis://127.0.0.1:1/0", budget_seconds=0.2)
    issuer = await start_issuer(with_cache=away, passcode_standalone=True)
    unsent = await link(issuer)
    status, body = await send(issuer, unsent["passcode"])
    assert (status, body["code"]) == (503, "unavailable")
    await away.close()


async def test_lookups_are_dropped_a_day_after_their_end(
    standalone: RunningIssuer, issuer_pool: Pool, owner: asyncpg.Connection
) -> None:
    old, young = await link(standalone), await link(standalone)
    await owner.execute(
        "UPDATE magiclink.passcode_lookups SET expires_at = now() - interval '25 hours' WHERE link_id = $1",
        UUID(old["id"]),
    )
    bell: Any = OutboxBell(issuer_pool)
    lag: Any = None
    await Sweeper(issuer_pool, lag, bell, SweepRules(60, 100, 60, 300, Keeping(100))).keep_house()
    kept = await owner.fetch(
        "SELECT link_id FROM magiclink.passcode_lookups WHERE app_id = $1", standalone.app.id
    )
    assert [str(row["link_id"]) for row in kept] == [young["id"]]
    await bell.close()


def test_a_lookup_is_found_by_every_key_and_by_every_spelling() -> None:
    app = UUID(int=7)
    mine = passcode_lookup(RING, RING.newest["lookup"], app, "AB-12")
    assert passcode_lookups(RING, app, " ab 12 ") == [mine]
    assert passcode_lookups(RING, UUID(int=8), "ab12") != [mine]
