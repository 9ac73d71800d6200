"""The guarantees hold through FusionAuth's API: outages burn nothing (DESIGN §2). And TLS."""

import asyncio

import pytest

from tests.certificates import Certificates
from tests.conformance.fusionauth.conftest import SDK
from tests.conformance.fusionauth.fusion import Fusion
from tests.conformance.sdks import running_sdk

pytestmark = pytest.mark.conformance


async def test_an_outage_of_the_verifier_burns_no_code(fusion: Fusion) -> None:
    code = await fusion.start(await fusion.new_user())
    await fusion.house.cluster.stop_part("verifier")
    try:
        answer = await fusion.login(code)
    finally:
        await fusion.house.cluster.start_part("verifier")
    assert answer["status"] == 503
    assert (await fusion.login(code))["status"] == 200


async def test_an_outage_in_the_middle_of_a_login_burns_no_code(fusion: Fusion) -> None:
    codes = [await fusion.start(await fusion.new_user()) for _ in range(20)]
    logins = [asyncio.create_task(fusion.login(code)) for code in codes]
    await asyncio.sleep(0.02)
    await fusion.house.cluster.kill("verifier")
    try:
        first = await asyncio.gather(*logins)
    finally:
        await fusion.house.cluster.start_part("verifier")
    assert {answer["status"] for answer in first} <= {200, 503}
    for code, answer in zip(codes, first, strict=True):
        again = (await fusion.login(code))["status"]
        assert again == (404 if answer["status"] == 200 else 200)


async def test_somebody_signs_in_over_tls(fusion: Fusion, tls_url: str, local_ca: Certificates) -> None:
    environment = {
        "FUSIONAUTH_KEY": fusion.given["api_key"],
        "FUSIONAUTH_URL": tls_url,
        **local_ca.environment,
    }
    async with running_sdk("fusionauth", SDK, environment) as sdk:
        over_tls = Fusion(fusion.house, sdk, fusion.given)
        user = await over_tls.new_user()
        body = await over_tls.signed_in(user)
        assert body["user"]["id"] == user["id"]
        assert (await over_tls.login("garbage"))["status"] == 404
