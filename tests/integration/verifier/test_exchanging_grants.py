"""`POST /v1/grants/exchange`: once, by the app it belongs to, while it lives."""

import asyncio

import asyncpg
import jwt
import orjson
import pytest

from services.verifier.exchange import challenge_of
from shared.tokens import make_grant
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import RINGS, SeededApp, SeededLink, Seeds, one_row

CODE_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CODE_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B


async def _pressed(verifier: RunningVerifier, seeds: Seeds, app: SeededApp, **columns: object) -> SeededLink:
    link = await seeds.link(app, **columns)  # type: ignore[arg-type]
    assert (await verifier.press(link.token)).status == 303
    return link


def _grant(link: SeededLink) -> str:
    return make_grant(RINGS["verifier"], link.ref)


async def test_a_grant_is_exchanged_once(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await _pressed(verifier, seeds, app, state='"s"', channel="sms")
    answer = await verifier.exchange(app, _grant(link))
    assert answer.status == 200
    assert (answer.json["link"]["id"], answer.json["state"]) == (str(link.id), "s")
    claims = jwt.decode(answer.json["jwt"], options={"verify_signature": False})
    assert claims["amr"] == ["link", "sms"]
    row = await one_row(owner, "SELECT * FROM magiclink.links WHERE id = $1", link.id)
    assert claims["exp"] == int(row["exchanged_at"].timestamp()) + 300
    assert claims["iat"] == int(row["consumed_at"].timestamp())
    assert (await verifier.exchange(app, _grant(link))).code == "grant_invalid"
    events = await owner.fetch(
        "SELECT value FROM magiclink.outbox WHERE key = $1 ORDER BY id", str(link.user_id)
    )
    exchanged = orjson.loads(events[-1]["value"])
    assert (exchanged["type"], exchanged["id"]) == ("magiclink.grant.exchanged.v1", f"{link.id}.3")
    assert _grant(link).encode() not in events[-1]["value"]


async def test_of_many_at_once_one_exchanges_the_grant(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await _pressed(verifier, seeds, app)
    answers = await asyncio.gather(
        *(
            side.exchange(app, _grant(link), f"k{n}")
            for n in range(15)
            for side in (verifier, second_verifier)
        )
    )
    assert sorted({answer.status for answer in answers}) == [200, 400]
    assert len({answer.json["jwt"] for answer in answers if answer.status == 200}) >= 1
    # The same key came to both verifiers: the winner's twin is the same attempt.
    assert sum(answer.status == 200 for answer in answers) == 2


async def test_the_same_attempt_gets_the_answer_again_for_a_minute(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await _pressed(verifier, seeds, app)
    first = await verifier.exchange(app, _grant(link), "key")
    again = await verifier.exchange(app, _grant(link), "key")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json["jwt_expires_at"] == first.json["jwt_expires_at"]
    assert again.json["link"] == first.json["link"]
    assert (await verifier.exchange(app, _grant(link), "another")).code == "grant_invalid"
    await owner.execute(
        "UPDATE magiclink.links SET exchanged_at = exchanged_at - interval '61 seconds' WHERE id = $1",
        link.id,
    )
    assert (await verifier.exchange(app, _grant(link), "key")).code == "grant_invalid"


async def test_pkce_is_needed_where_the_link_asks_for_it_and_a_wrong_verifier_uses_nothing_up(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    assert challenge_of(CODE_VERIFIER) == CODE_CHALLENGE
    link = await _pressed(verifier, seeds, app, code_challenge=CODE_CHALLENGE)
    for wrong in ({}, {"code_verifier": CODE_VERIFIER[:-1] + "x"}, {"code_verifier": CODE_CHALLENGE}):
        assert (await verifier.exchange(app, _grant(link), **wrong)).code == "grant_invalid"
    right = {"code_verifier": CODE_VERIFIER}
    assert (await verifier.exchange(app, _grant(link), "key", **right)).status == 200
    assert (await verifier.exchange(app, _grant(link), "key", **right)).status == 200
    assert (await verifier.exchange(app, _grant(link), "key")).code == "grant_invalid"


async def test_a_verifier_for_a_link_without_a_challenge_is_refused(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await _pressed(verifier, seeds, app)
    refused = await verifier.exchange(app, _grant(link), code_verifier=CODE_VERIFIER)
    assert refused.code == "grant_invalid"
    assert (await verifier.exchange(app, _grant(link))).status == 200


@pytest.mark.parametrize(
    "change",
    [
        "consumed_at = consumed_at - interval '61 seconds'",
        "revoked_at = now()",
        "consumed_at = NULL, consumed_by = NULL, consumed_via = NULL",
    ],
)
async def test_a_grant_that_is_late_revoked_or_never_given_is_worth_nothing(
    verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection, change: str
) -> None:
    app = await seeds.app()
    link = await _pressed(verifier, seeds, app)
    await owner.execute(f"UPDATE magiclink.links SET {change} WHERE id = $1", link.id)
    answer = await verifier.exchange(app, _grant(link))
    assert (answer.status, answer.code) == (400, "grant_invalid")


async def test_a_revoked_grant_gives_no_second_answer(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await _pressed(verifier, seeds, app)
    assert (await verifier.exchange(app, _grant(link), "key")).status == 200
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", link.id)
    assert (await verifier.exchange(app, _grant(link), "key")).code == "grant_invalid"


async def test_a_link_consumed_by_the_api_has_no_grant(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    assert (await verifier.verify(app, link.token)).status == 200
    assert (await verifier.exchange(app, _grant(link))).code == "grant_invalid"


async def test_a_foreign_app_cannot_exchange_or_use_up_a_grant(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    stranger = await seeds.app()
    link = await _pressed(verifier, seeds, app)
    assert (await verifier.exchange(stranger, _grant(link))).code == "grant_invalid"
    assert (await verifier.exchange(app, _grant(link))).status == 200


async def test_an_app_may_give_its_grants_more_time(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await _pressed(verifier, seeds, app, grant_ttl_seconds=600)
    await owner.execute(
        "UPDATE magiclink.links SET consumed_at = consumed_at - interval '599 seconds' WHERE id = $1", link.id
    )
    assert (await verifier.exchange(app, _grant(link))).status == 200
