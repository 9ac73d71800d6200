"""`POST /v1/sessions/refresh`: rotation, reuse, and who hears what."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import asyncpg

from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import SeededApp, Seeds


async def begin(verifier: RunningVerifier, app: SeededApp, seeds: Seeds, **wanted: Any) -> dict[str, Any]:
    body = {"user_id": str(await seeds.user(app)), "refresh": True, **wanted}
    answer = await verifier.post(app, "/v1/sessions", body)
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


async def refresh(
    verifier: RunningVerifier,
    app: SeededApp,
    token: str,
    key: str | None = None,
    *,
    rotate: bool = True,
    **more: Any,
) -> Answer:
    body = {"refresh_token": token, "rotate": rotate, **more}
    return await verifier.post(app, "/v1/sessions/refresh", body, key)


async def alive(verifier: RunningVerifier, app: SeededApp, begun: dict[str, Any]) -> bool:
    answer = await verifier.post(app, "/v1/sessions/authenticate", {"session_token": begun["session_token"]})
    return answer.status == 200


async def test_without_rotation_the_token_works_again_and_again(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds)
    for _ in range(3):
        answer = await refresh(verifier, app, begun["refresh_token"], rotate=False)
        assert answer.status == 200, answer.text
        assert answer.json["refresh_token"] == begun["refresh_token"]
        assert answer.json["session"]["id"] == begun["session"]["id"]
        assert answer.json["user"]["id"] == begun["session"]["user_id"]
        assert "session_token" not in answer.json


async def test_each_rotation_gives_the_next_token(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds)
    tokens = [begun["refresh_token"]]
    for _ in range(4):
        tokens.append((await refresh(verifier, app, tokens[-1])).json["refresh_token"])
    assert len(set(tokens)) == 5
    assert await alive(verifier, app, begun)


async def test_an_old_token_shown_again_ends_the_session_and_says_so(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    for rotate in (True, False):
        begun = await begin(verifier, app, seeds)
        new = (await refresh(verifier, app, begun["refresh_token"])).json["refresh_token"]
        reused = await refresh(verifier, app, begun["refresh_token"], rotate=rotate)
        assert (reused.status, reused.code) == (400, "refresh_token_invalid")
        assert not await alive(verifier, app, begun)
        assert (await refresh(verifier, app, new)).code == "refresh_token_invalid"
        # By the user: what other tests left there need not be JSON.
        values = await owner.fetch(
            "SELECT value FROM magiclink.outbox WHERE key = $1", begun["session"]["user_id"]
        )
        events = {event["id"]: event for event in (json.loads(row["value"]) for row in values)}
        told = events[f"{begun['session']['id']}.revoked"]["data"]["reason"]
        assert told == "refresh_token_reused"


async def test_the_same_attempt_gets_the_same_token_until_somebody_rotates_after_it(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds)
    replicas = [verifier, second_verifier] * 8
    answers = await asyncio.gather(*(refresh(one, app, begun["refresh_token"], "key") for one in replicas))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    await refresh(verifier, app, answers[0].json["refresh_token"])
    assert (await refresh(verifier, app, begun["refresh_token"], "key")).code == "refresh_token_invalid"


async def test_of_many_who_rotate_one_token_none_keeps_a_live_session(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds)
    replicas = [verifier, second_verifier] * 10
    answers = await asyncio.gather(*(refresh(one, app, begun["refresh_token"]) for one in replicas))
    assert sum(answer.status == 200 for answer in answers) == 1
    assert not await alive(verifier, app, begun)


async def test_what_is_no_refresh_token_of_the_app_changes_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds)
    token = begun["refresh_token"]
    other = await seeds.app()
    assert (await refresh(verifier, other, token)).code == "refresh_token_invalid"
    garbage = (begun["session_token"], "x", token[:-1] + "1", token[:-6] + "00000z", "0" * 45, token[:39])
    for text in garbage:
        assert (await refresh(verifier, app, text)).code == "refresh_token_invalid", text
    # A session token is no refresh token, and a refresh token no session token.
    used = await verifier.post(app, "/v1/sessions/authenticate", {"session_token": token})
    assert used.code == "session_invalid"
    assert (await refresh(verifier, app, token)).status == 200


async def test_a_session_without_refresh_token_is_not_refreshed(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    begun = await begin(verifier, app, seeds, refresh=False)
    assert begun["refresh_token"] is None


async def test_a_revoked_session_and_a_barred_user_are_not_refreshed(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    begun = await begin(verifier, app, seeds)
    user_id = begun["session"]["user_id"]
    await owner.execute("UPDATE magiclink.users SET status = 'locked' WHERE id = $1::uuid", user_id)
    assert (await refresh(verifier, app, begun["refresh_token"])).code == "user_locked"
    await owner.execute("UPDATE magiclink.users SET status = 'active' WHERE id = $1::uuid", user_id)
    # Nothing was spent by that.
    new = (await refresh(verifier, app, begun["refresh_token"])).json["refresh_token"]
    await verifier.post(app, "/v1/sessions/revoke", {"refresh_token": new})
    assert (await refresh(verifier, app, new)).code == "refresh_token_invalid"


async def test_a_token_of_one_application_is_none_of_another(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    shop = uuid4()
    await owner.execute(
        "INSERT INTO magiclink.applications (id, app_id, name) VALUES ($1, $2, 'Shop')", shop, app.id
    )
    begun = await begin(verifier, app, seeds, application_id=str(shop))
    refused = await refresh(verifier, app, begun["refresh_token"], application_id=str(uuid4()))
    assert refused.code == "refresh_token_invalid"
    answer = await refresh(verifier, app, begun["refresh_token"], application_id=str(shop))
    assert answer.json["registration"] is None
    assert answer.json["session"]["application_id"] == str(shop)
