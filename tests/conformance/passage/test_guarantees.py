"""The guarantees hold through compat: one winner, and outages burn nothing (DESIGN §2). And TLS."""

import asyncio
from collections import Counter

import pytest

from tests.conformance.passage.conftest import PassageHouse, fresh_email

pytestmark = pytest.mark.conformance


async def test_of_fifty_activations_at_once_one_wins(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()})
    answers = await asyncio.gather(*(passage.activate(made["url"]) for _ in range(50)))
    statuses = Counter(status for status, _ in answers)
    assert statuses[200] == 1, statuses
    assert statuses.keys() <= {200, 401, 503}
    user = await passage.call("get_user", user_id=made["user_id"])
    assert user["login_count"] == 1


async def test_an_outage_of_the_verifier_burns_no_link(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()})
    await passage.house.cluster.stop_part("verifier")
    try:
        status, told = await passage.activate(made["url"])
        assert (status, told["code"]) == (503, "internal_server_error")
    finally:
        await passage.house.cluster.start_part("verifier")
    await passage.signed_in(made["url"])


async def test_an_outage_in_the_middle_of_an_activation_burns_no_link(passage: PassageHouse) -> None:
    links = [await passage.link({"email": fresh_email()}) for _ in range(20)]
    tries = [asyncio.create_task(passage.activate(made["url"])) for made in links]
    await asyncio.sleep(0.02)
    await passage.house.cluster.kill("verifier")
    first = await asyncio.gather(*tries)
    await passage.house.cluster.start_part("verifier")
    for made, (status, _) in zip(links, first, strict=True):
        if status != 200:
            await passage.signed_in(made["url"])


async def test_the_sdk_works_over_tls_with_a_private_authority(passage_over_tls: PassageHouse) -> None:
    passage = passage_over_tls
    made = await passage.link({"email": fresh_email()})
    result = await passage.signed_in(made["url"])
    # Also fetches the keys, through another HTTP client of the SDK.
    assert await passage.call("validate_jwt", token=result["auth_token"]) == made["user_id"]
    refusal = await passage.refused("get_user", user_id="nobody")
    assert refusal["error_code"] == "user_not_found"
