"""The page behind a FusionAuth link: GET shows, POST redeems."""

from typing import Any

import pytest

from tests.unit.compat.fusionauth.native_answers import APPLICATION, REDEEMED, Answers, compat, refused

PATH = "/oauth2/passwordless/c0de?postMethod=true"
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
VERIFY = "POST /v1/passcodes/verify"


async def test_a_get_asks_the_native_api_nothing_about_the_code() -> None:
    answers = Answers()
    async with compat(answers) as client:
        for method in ("GET", "HEAD", "GET"):
            async with client.request(method, PATH) as response:
                assert response.status == 200
    assert answers.asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 200),
        ({}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://compat.test"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://compat.test"}, 200),
    ],
)
async def test_another_site_s_post_redeems_nothing(headers: dict[str, str], status: int) -> None:
    answers = Answers()
    async with compat(answers) as client, client.post(PATH, headers=headers) as response:
        assert response.status == status
    assert bool(answers.asked) is (status == 200)


async def test_a_press_redeems_for_the_application_that_the_link_says() -> None:
    answers = Answers()
    async with compat(answers) as client, client.post(PATH, headers=OWN) as response:
        assert response.status == 200
        assert response.cookies["access_token"].value == "eyJ.x.y"
    first, second = answers.bodies(VERIFY)
    assert "session" not in first
    assert (second["application_id"], second["session"]["refresh"]) == (APPLICATION, True)
    keys = {asked.key for asked in answers.asked if asked.what == VERIFY}
    assert len(keys) == 1


@pytest.mark.parametrize("said", ["../users/x", "garbage", 7, None])
async def test_an_application_that_a_link_names_by_no_id_is_no_application(said: Any) -> None:
    answers = Answers()
    link = {"redirect_url": None, "metadata": {"application_id": said}}
    answers.by_call[VERIFY] = {**REDEEMED, "link": link}
    async with compat(answers) as client, client.post(PATH, headers=OWN) as response:
        assert response.status == 200
    assert not [asked.what for asked in answers.asked if "/v1/applications" in asked.what]
    assert answers.bodies(VERIFY)[1]["application_id"] is None


@pytest.mark.parametrize(
    ("state", "location"),
    [
        ({"state": "a&b"}, "http://shop.test/callback?x=1&state=a%26b"),
        ({"state": {"not": "a text"}}, "http://shop.test/callback?x=1"),
        (None, "http://shop.test/callback?x=1"),
    ],
)
async def test_a_press_leads_to_where_the_link_leads(state: Any, location: str) -> None:
    answers = Answers()
    link = {"redirect_url": "http://shop.test/callback?x=1", "metadata": {"leads_on": True}}
    answers.by_call[VERIFY] = {**REDEEMED, "link": link, "state": state}
    async with (
        compat(answers) as client,
        client.post(PATH, headers=OWN, allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["Location"]) == (303, location)


async def test_a_link_whose_redirect_was_not_the_product_s_wish_leads_nowhere() -> None:
    answers = Answers()
    link = {"redirect_url": "http://shop.test/", "metadata": {}}
    answers.by_call[VERIFY] = {**REDEEMED, "link": link}
    async with (
        compat(answers) as client,
        client.post(PATH, headers=OWN, allow_redirects=False) as response,
    ):
        assert response.status == 200
        assert "You are signed in" in await response.text()


@pytest.mark.parametrize(
    ("native", "status"),
    [
        (refused("passcode_invalid", 400), 404),
        (refused("user_locked", 403), 423),
        (refused("second_factor_required", 403, challenge="0", methods=[]), 403),
        (refused("unavailable", 503), 503),
        (refused("rate_limited", 429), 429),
    ],
)
async def test_a_refusal_is_a_page_of_its_own_that_keeps_to_itself(native: Exception, status: int) -> None:
    answers = Answers()
    answers.by_call[VERIFY] = native
    async with compat(answers) as client, client.post(PATH, headers=OWN) as response:
        assert response.status == status
        assert response.content_type == "text/html"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert not response.cookies
