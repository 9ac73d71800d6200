"""`/l/{token}`: who may look, who may press, and where it leads."""

import base64
import hashlib
import re
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from shared.tokens import read_grant
from tests.integration.verifier.verifier_client import COOKIE, Answer, RunningVerifier
from tests.seeds import BASE_URL, PUBLIC_URL, RINGS, SeededApp, Seeds, one_row

COOKIE_A, COOKIE_B = "A" * 32, "B" * 32


async def test_looking_never_changes_a_link(
    verifier: RunningVerifier,
    app: SeededApp,
    seeds: Seeds,
    owner: asyncpg.Connection,
    redis_client: redis.asyncio.Redis,
) -> None:
    """G5: scanners, previews and prefetchers, by every method that only looks, with or without a cookie."""
    link = await seeds.link(app)
    before = await _everything(owner, redis_client)
    for method in ("GET", "HEAD", "OPTIONS"):
        for cookie in (None, COOKIE_A):
            for purpose in ({}, {"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Site": "same-origin"}):
                headers = {**purpose, **({"Cookie": f"{COOKIE}={cookie}"} if cookie else {})}
                answer = await verifier.ask(method, f"/l/{link.token}", headers=headers)
                assert answer.status in (200, 204)
    assert (await verifier.ask("PUT", f"/l/{link.token}")).status == 405
    assert (await verifier.ask("DELETE", f"/l/{link.token}")).status == 405
    assert await _everything(owner, redis_client) == before
    assert (await verifier.press(link.token)).status == 303


async def test_the_confirm_page_says_what_the_button_will_do(
    verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app(name="<b>Acme & Co</b>")
    link = await seeds.link(app)
    page = await verifier.get(link.token)
    assert page.status == 200
    assert "<h1>Sign in to <bdi>&lt;b&gt;Acme &amp; Co&lt;/b&gt;</bdi></h1>" in page.text
    assert "a•••@example.com" in page.text
    assert "ann@example.com" not in page.text
    row = await one_row(owner, "SELECT expires_at FROM magiclink.links WHERE id = $1", link.id)
    assert f'<time datetime="{row["expires_at"].isoformat()}">' in page.text
    assert page.text.count('<form method="post">') == page.text.count("<button>") == 1
    assert page.text.count("<h1>") == 1
    assert '<html lang="en" dir="ltr">' in page.text


async def test_a_page_has_nothing_that_could_carry_the_token_away(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, redirect_url="http://product.example:8443/in?x=1")
    pressed_elsewhere = await verifier.press(link.token, **{"Sec-Fetch-Site": "cross-site"})
    for answer in (await verifier.get(link.token), pressed_elsewhere, await verifier.get("nonsense")):
        _assert_private(answer)
        assert "<script" not in answer.text
        assert not re.search(r'(src|href)="[^"]', answer.text)
        assert link.token not in answer.text
    policy = (await verifier.get(link.token)).headers["Content-Security-Policy"]
    assert "form-action 'self' http://product.example:8443;" in policy
    redirect = await verifier.press(link.token)
    assert redirect.status == 303
    _assert_private(redirect)


async def test_the_styles_of_the_page_are_those_its_policy_allows_and_no_script_is(
    verifier: RunningVerifier, seeds: Seeds
) -> None:
    app = await seeds.app(branding='{"colour": "#ffd400"}')
    page = await verifier.get((await seeds.link(app)).token)
    styles = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in styles]
    policy = page.headers["Content-Security-Policy"]
    assert f"style-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in policy
    assert "#ffd400" in styles[1]
    assert "script-src" not in policy
    assert "unsafe" not in policy


async def test_the_button_leads_to_the_product_with_a_code_and_the_state(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for state, sent in (
        ('"as it is & +1"', "as it is & +1"),
        ('{"a": [1, 2.5]}', '{"a":[1,2.5]}'),
        (None, None),
    ):
        link = await seeds.link(app, redirect_url=f"{BASE_URL}/in?next=%2Fa%20b&x=1", state=state)
        answer = await verifier.press(link.token, COOKIE_A)
        assert answer.status == 303
        assert answer.headers["Location"].startswith(f"{BASE_URL}/in?next=%2Fa%20b&x=1&code=")
        assert read_grant(RINGS["verifier"], answer.grant) == link.ref
        assert answer.query.get("state", [None]) == [sent]
        assert link.token not in answer.headers["Location"]


async def test_a_link_that_leads_nowhere_ends_on_a_page_without_a_code(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, redirect_url=None)
    answer = await verifier.press(link.token, COOKIE_A)
    assert answer.status == 200
    assert "You can close this window" in answer.text
    assert not re.search(r"\b[0-9A-Za-z]{39}\b", answer.text)


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC_URL},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": PUBLIC_URL.replace("http:", "https:")},
    {"Origin": PUBLIC_URL + "0"},
    {"Origin": ""},
]
OWN = [
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "none", "Origin": "https://evil.example"},
    {"Origin": PUBLIC_URL},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_post_of_another_site_burns_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, headers: dict[str, str]
) -> None:
    link = await seeds.link(app)
    answer = await verifier.ask("POST", f"/l/{link.token}", headers=headers)
    assert answer.status == 403
    assert answer.headers["Content-Type"].startswith("text/html")
    assert (await verifier.press(link.token)).status == 303


@pytest.mark.parametrize("headers", OWN, ids=str)
async def test_a_post_of_our_own_page_or_of_no_browser_is_taken(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, headers: dict[str, str]
) -> None:
    link = await seeds.link(app)
    assert (await verifier.ask("POST", f"/l/{link.token}", headers=headers)).status == 303


async def test_the_same_browser_may_press_again_and_no_other_may(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    first = await verifier.press(link.token, COOKIE_A)
    again = await second_verifier.press(link.token, COOKIE_A)
    assert (first.status, again.status) == (303, 303)
    assert first.headers["Location"] == again.headers["Location"]
    for cookie in (COOKIE_B, None):
        answer = await verifier.press(link.token, cookie)
        assert answer.status == 409
        assert "used already" in answer.text
    page = await verifier.get(link.token, COOKIE_A)
    assert page.status == 200
    assert "Continue" in page.text
    assert (await verifier.get(link.token, COOKIE_B)).status == 409


async def test_the_same_browser_is_not_let_in_longer_than_the_code_lives(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    assert (await verifier.press(link.token, COOKIE_A)).status == 303
    await owner.execute(
        "UPDATE magiclink.links SET consumed_at = consumed_at - interval '61 seconds' WHERE id = $1", link.id
    )
    for answer in (await verifier.press(link.token, COOKIE_A), await verifier.get(link.token, COOKIE_A)):
        assert answer.status == 409
        assert "used already" in answer.text


async def test_the_cookie_is_given_once_and_only_where_it_is_missing_or_strange(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    given = (await verifier.get(link.token)).headers["Set-Cookie"]
    value = re.fullmatch(rf"{COOKIE}=([\w-]{{32}}); HttpOnly; Max-Age=86400; Path=/; SameSite=Lax", given)
    assert value is not None
    assert (await verifier.get(link.token)).headers["Set-Cookie"] != given
    assert "Set-Cookie" not in (await verifier.get(link.token, value[1])).headers
    assert "Set-Cookie" in (await verifier.get(link.token, "short")).headers
    assert "Set-Cookie" not in (await verifier.get("nonsense")).headers


async def test_a_strange_cookie_names_no_attempt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    """An empty or guessable cookie must not let two browsers be one."""
    link = await seeds.link(app)
    assert (await verifier.press(link.token, "short")).status == 303
    assert (await verifier.press(link.token, "short")).status == 409


async def test_refusals_are_pages_with_the_right_status(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    late, early = await seeds.link(app, lives_seconds=-1), await seeds.link(app, starts_in_seconds=60)
    for link, status, words in ((late, 410, "has expired"), (early, 409, "not valid yet")):
        for answer in (await verifier.get(link.token), await verifier.press(link.token)):
            assert answer.status == status
            assert words in answer.text
            _assert_private(answer)


async def test_a_revoked_link_says_so_and_the_code_of_its_redirect_dies(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    await owner.execute("UPDATE magiclink.links SET revoked_at = now() WHERE id = $1", link.id)
    for answer in (await verifier.get(link.token), await verifier.press(link.token)):
        assert answer.status == 410
        assert "withdrawn" in answer.text


async def test_a_form_too_large_burns_nothing(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    answer = await verifier.ask("POST", f"/l/{link.token}", data=b"x" * 5000)
    assert answer.status == 413
    assert (await verifier.press(link.token)).status == 303


async def test_the_page_never_stands_in_a_log(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, capfd: pytest.CaptureFixture[str]
) -> None:
    link = await seeds.link(app)
    await verifier.get(link.token)
    pressed = await verifier.press(link.token, COOKIE_A)
    said = capfd.readouterr()
    assert "/l/{token}" in said.out
    for secret in (link.token, pressed.grant, COOKIE_A):
        assert secret not in said.out + said.err


def _assert_private(answer: Answer) -> None:
    headers = answer.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
        assert part in policy


async def _everything(owner: asyncpg.Connection, client: redis.asyncio.Redis) -> tuple[Any, ...]:
    """All rows that a visit could touch, with the transaction that wrote them, and all claims."""
    links = await owner.fetch("SELECT l.xmin, l.ctid, l.* FROM magiclink.links l ORDER BY id")
    outbox = await owner.fetchval("SELECT count(*) FROM magiclink.outbox")
    keys = sorted([key async for key in client.scan_iter(match="ml:{*") if b"limit" not in key])
    return links, outbox, keys
