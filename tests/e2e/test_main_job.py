"""The main job as a user sees it: a link is asked for, arrives, is looked at, consumed once, exchanged once."""

import re
from typing import Any

import jwt
from yarl import URL

from tests.clusters import REDIRECT, House, code_of
from tests.e2e.browsing import press


async def ask(house: House, email: str, **fields: Any) -> dict[str, Any]:
    return await house.ask(email=email, channel="email", **fields)


async def test_a_link_asked_for_arrives_and_signs_its_user_in_once(house: House) -> None:  # noqa: PLR0915
    link = await ask(
        house, "first@example.com", state={"return_to": "/inbox", "n": [1, 2.5]}, metadata={"plan": "pro"}
    )
    (mail,) = await house.until_caught(1, to="first@example.com")
    url = link["url"]
    assert url in mail["links"]
    assert f"\n{url}\n" in mail["text"].replace("\r\n", "\n")

    # Looking changes nothing: scanners, previews and prefetchers look.
    cookies = []
    for method in ("GET", "GET", "HEAD", "OPTIONS"):
        async with house.session.request(method, url) as response:
            assert response.status in (200, 204, 405)
            cookies.append(response.cookies)
            if method == "GET":
                page = await response.text()
                assert page.count("<button") == 1
                assert "first@example.com" not in page
                assert response.headers["Cache-Control"] == "no-store"
                assert response.headers["Referrer-Policy"] == "no-referrer"
                assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    status, answer, _ = await house.call("GET", f"{house.issuer_url}/v1/links/{link['id']}")
    assert (status, answer["link"]["status"]) == (200, "issued")

    # Another site cannot press the button for its visitor.
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert (await press(house, url, **foreign))[0] == 403
    async with house.session.post(
        url, headers={"Origin": "https://evil.example"}, allow_redirects=False
    ) as response:
        assert response.status == 403
    assert (await house.call("GET", f"{house.issuer_url}/v1/links/{link['id']}"))[1]["link"][
        "status"
    ] == "issued"

    # The button.
    (cookie,) = [morsel for found in cookies[:1] for morsel in found.values()]
    mine = {"Cookie": f"{cookie.key}={cookie.value}"}
    status, location, _ = await press(house, url, **mine)
    assert status == 303
    assert location is not None
    assert location.startswith(f"{house.cluster.site_url}{REDIRECT}?")
    assert URL(location).query["state"] == '{"return_to":"/inbox","n":[1,2.5]}'

    # A double click leads to the same place; another client is refused, at once and at the other replica.
    assert await press(house, url, **mine) == (303, location, "")
    other = str(URL(url).with_port(URL(house.cluster.verifier_urls[1]).port))
    for again in (url, other):
        status, nowhere, page = await press(house, again)
        assert (status, nowhere) == (409, None)
        assert "used" in page.lower()

    # The product's server exchanges the code, once.
    code = code_of(location)
    status, answer, _ = await house.call(
        "POST", f"{house.verifier_url}/v1/grants/exchange", {"code": code}, key="x1"
    )
    assert status == 200
    assert answer["user"]["email"] == "first@example.com"
    assert answer["state"] == {"return_to": "/inbox", "n": [1, 2.5]}
    assert answer["metadata"] == {"plan": "pro"}
    again_status, again_answer, _ = await house.call(
        "POST", f"{house.verifier_url}/v1/grants/exchange", {"code": code}, key="x1"
    )
    assert (again_status, again_answer["user"]) == (200, answer["user"])
    status, refused, _ = await house.call(
        "POST", f"{house.verifier_url}/v1/grants/exchange", {"code": code}, key="x2"
    )
    assert (status, refused["code"]) == (400, "grant_invalid")

    # The JWT verifies against the JWKS.
    keys = jwt.PyJWKClient(f"{house.verifier_url}/.well-known/jwks.json")
    async with house.session.get(f"{house.verifier_url}/.well-known/jwks.json") as response:
        keyset = jwt.PyJWKSet.from_dict(await response.json())
    kid = jwt.get_unverified_header(answer["jwt"])["kid"]
    claims = jwt.decode(
        answer["jwt"], keyset[kid].key, algorithms=["EdDSA"], audience=house.app_id, issuer=house.verifier_url
    )
    assert (claims["sub"], claims["jti"]) == (answer["user"]["id"], link["id"])
    assert claims["exp"] > claims["iat"]
    assert keys.uri.endswith("jwks.json")

    # And the whole story is there to read.
    _, told, _ = await house.call("GET", f"{house.issuer_url}/v1/links/{link['id']}")
    events = [entry["event"] for entry in told["timeline"]]
    assert [
        event for event in ("issued", "queued", "accepted", "consumed", "exchanged") if event not in events
    ] == []
    assert link["token"] not in str(told)


async def test_the_api_redeems_once_and_the_same_attempt_gets_its_answer(house: House) -> None:
    link = await ask(house, "api@example.com")
    first = await house.verify(link["token"], key="a")
    assert first[0] == 200
    assert (await house.verify(link["token"], replica=1, key="a"))[0] == 200
    status, body = await house.verify(link["token"], replica=1, key="b")
    assert (status, body["code"]) == (409, "link_consumed")


async def test_a_revoked_link_is_refused_everywhere(house: House) -> None:
    link = await ask(house, "revoked@example.com")
    for _ in range(2):
        status, body, _ = await house.call("POST", f"{house.issuer_url}/v1/links/{link['id']}/revoke")
        assert (status, body["link"]["status"]) == (200, "revoked")
    for replica in (0, 1):
        status, body = await house.verify(link["token"], replica=replica)
        assert (status, body["code"]) == (410, "link_revoked")
    assert (await press(house, link["url"]))[0] == 410


async def test_garbage_and_guesses_get_one_uniform_answer(house: House) -> None:
    token = (await ask(house, "guess@example.com"))["token"]
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    answers = set()
    for guess in (flipped, "x" * 39, "", "a" * 5000, token + "1", "é" * 39):
        status, body = await house.verify(guess)
        answers.add((status, body["code"]))
    assert answers == {(404, "link_invalid")}


async def test_the_passcode_in_the_message_is_the_one_in_the_answer(house: House) -> None:
    link = await ask(house, "code@example.com", passcode=True)
    (mail,) = await house.until_caught(1, to="code@example.com")
    assert link["passcode"] in re.sub(r"[\s ]", "", mail["text"])
