"""Pairing: a ticket for the product's server, a visit of its user's browser, and a page that then presses its own button."""

import re
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.dev.postgres import Postgres
from shared.tokens import PairingTicket, make_pairing_ticket
from tests.integration.verifier.conftest import running_verifier, verifier_settings
from tests.integration.verifier.verifier_client import Answer, RunningVerifier
from tests.seeds import BASE_URL, PUBLIC_URL, RINGS, SeededApp, SeededLink, Seeds, one_row

RETURN = f"{BASE_URL}/sent"
FROM_THE_APP = {"Referer": f"{BASE_URL}/", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}


async def ask(
    verifier: RunningVerifier, app: SeededApp, link: SeededLink, return_url: str = RETURN
) -> Answer:
    body = {"return_url": return_url}
    return await verifier.ask("POST", f"/v1/links/{link.id}/pairing", json=body, headers=app.headers)


async def ticket_for(verifier: RunningVerifier, app: SeededApp, link: SeededLink) -> str:
    answer = await ask(verifier, app, link)
    assert answer.status == 201, answer.text
    return str(answer.json["pairing_url"]).removeprefix(PUBLIC_URL)


async def visit(verifier: RunningVerifier, path: str, cookie: str = "", **headers: str) -> Answer:
    sent = {**FROM_THE_APP, **headers, **({"Cookie": cookie} if cookie else {})}
    return await verifier.ask("GET", path, headers={name: value for name, value in sent.items() if value})


async def paired(verifier: RunningVerifier, app: SeededApp, link: SeededLink, cookie: str = "") -> str:
    """Pair a browser; return its `Cookie` header."""
    answer = await visit(verifier, await ticket_for(verifier, app, link), cookie)
    assert answer.status == 303
    return f"mlp={answer.cookies['mlp'].value}"


async def open_page(verifier: RunningVerifier, link: SeededLink, cookie: str, **headers: str) -> Answer:
    return await verifier.ask("GET", f"/l/{link.token}", headers={"Cookie": cookie, **headers})


async def test_a_ticket_lives_for_a_minute_and_leads_back_to_the_app(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    answer = await ask(verifier, app, link)
    assert answer.status == 201
    assert set(answer.json) == {"pairing_url", "expires_at"}
    now = await owner.fetchval("SELECT now()")
    assert 58 <= (datetime.fromisoformat(answer.json["expires_at"]) - now).total_seconds() <= 60
    back = await visit(verifier, answer.json["pairing_url"].removeprefix(PUBLIC_URL))
    assert (back.status, back.headers["Location"]) == (303, RETURN)
    given = back.headers["Set-Cookie"]
    form = r"mlp=[\w-]{22}; HttpOnly; Max-Age=(\d+); Path=/; SameSite=Lax"
    found = re.fullmatch(form, given)
    assert found is not None
    assert 890 <= int(found[1]) <= 900  # the link's own life
    for name in ("Cache-Control", "Referrer-Policy"):
        assert name in back.headers


async def test_the_paired_browser_is_let_in_without_a_click_and_any_other_sees_the_button(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    for binding in ("prefer", "require"):
        link = await seeds.link(app, binding=binding)
        cookie = await paired(verifier, app, link)
        page = await open_page(verifier, link, cookie)
        assert page.status == 200
        assert "<script>document.forms[0].requestSubmit();</script>" in page.text
        assert page.text.count("<button>") == 1
        headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        assert (await verifier.ask("POST", f"/l/{link.token}", headers=headers)).status == 303
    link = await seeds.link(app)
    other = await verifier.get(link.token)
    assert "<script" not in other.text
    assert (await verifier.press(link.token)).status == 303


async def test_a_link_bound_to_its_browser_is_refused_anywhere_else_and_not_burned(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app, binding="require", passcode_format="digits:6")
    other = await paired(verifier, app, await seeds.link(app))
    for answer in (
        await verifier.get(link.token),
        await verifier.press(link.token),
        await open_page(verifier, link, other),
    ):
        assert answer.status == 403
        assert "Open this link where you asked for it" in answer.text
        assert "enter the code" in answer.text
        assert "<button" not in answer.text
    cookie = await paired(verifier, app, link)
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    assert (await verifier.ask("POST", f"/l/{link.token}", headers=headers)).status == 303


async def test_a_page_fetched_ahead_or_come_back_to_does_not_press_itself(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    cookie = await paired(verifier, app, link)
    ahead = await open_page(verifier, link, cookie, **{"Sec-Purpose": "prefetch;prerender"})
    assert "<script" not in ahead.text
    both = f"{cookie}; ml={'A' * 32}"
    headers = {"Cookie": both, "Sec-Fetch-Site": "same-origin"}
    assert (await verifier.ask("POST", f"/l/{link.token}", headers=headers)).status == 303
    again = await open_page(verifier, link, both)
    assert "Continue" in again.text
    assert "<script" not in again.text


async def test_looking_by_ticket_changes_no_link(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    sql = "SELECT l.xmin, l.* FROM magiclink.links l WHERE id = $1"
    before = await one_row(owner, sql, link.id)
    await paired(verifier, app, link)
    assert await one_row(owner, sql, link.id) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": ""},
        {"Referer": "https://evil.example/"},
        {"Referer": PUBLIC_URL + "/"},
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "no-cors"},
    ],
    ids=str,
)
async def test_a_visit_that_the_app_did_not_begin_pairs_nobody_and_leaves_the_ticket_good(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, headers: dict[str, str]
) -> None:
    """Login CSRF: an attacker sends a victim through a ticket of the attacker's own link."""
    path = await ticket_for(verifier, app, await seeds.link(app))
    foreign = await visit(verifier, path, **headers)
    assert (foreign.status, foreign.headers["Location"]) == (303, RETURN)
    assert "Set-Cookie" not in foreign.headers
    assert "Set-Cookie" in (await visit(verifier, path)).headers


async def test_a_ticket_pairs_once_on_whatever_replica(
    verifier: RunningVerifier, second_verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    path = await ticket_for(verifier, app, await seeds.link(app))
    first, second = await visit(verifier, path), await visit(second_verifier, path)
    assert (first.status, second.status) == (303, 303)
    assert "Set-Cookie" in first.headers
    assert "Set-Cookie" not in second.headers


async def test_a_late_ticket_pairs_nobody(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(app)
    now = int((await owner.fetchval("SELECT now()")).timestamp())
    for expires_at, pairs in ((now - 1, False), (now + 30, True)):
        ticket = make_pairing_ticket(RINGS["verifier"], PairingTicket(link.ref, expires_at, RETURN))
        answer = await visit(verifier, f"/pair/{ticket}")
        assert answer.status == 303
        assert ("Set-Cookie" in answer.headers) == pairs


async def test_garbage_is_a_page_and_leads_nowhere(verifier: RunningVerifier) -> None:
    for text in ("x", "1" * 90, "%0d%0aSet-Cookie:x", "https:%2f%2fevil.example"):
        answer = await visit(verifier, f"/pair/{text}")
        assert answer.status == 404
        assert "Location" not in answer.headers
        assert "This link is not valid" in answer.text


async def test_without_redis_nobody_is_paired_and_the_way_back_stays(
    database_server: Postgres, seeds: Seeds, app: SeededApp
) -> None:
    """A ticket that may have been used is used: the link still has its button."""
    settings = verifier_settings(database_server, "redis://127.0.0.1:1/0", redis_budget_ms=50)
    async with running_verifier(settings) as alone:
        link = await seeds.link(app)
        answer = await visit(alone, await ticket_for(alone, app, link))
        assert (answer.status, answer.headers["Location"]) == (303, RETURN)
        assert "Set-Cookie" not in answer.headers
        assert (await alone.press(link.token)).status == 303


async def test_a_link_that_is_over_or_not_to_be_paired_or_foreign_gets_no_ticket(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    unbound = await ask(verifier, app, await seeds.link(app, binding="none"), "https://evil.example/")
    assert unbound.status == 422
    assert {problem["rule"] for problem in unbound.json["errors"]} == {"binding_none", "redirect_not_allowed"}
    late = await seeds.link(app, lives_seconds=-1)
    used = await seeds.link(app)
    assert (await verifier.press(used.token)).status == 303
    without_key = await seeds.link(app, kid="Z")
    for link in (late, used, without_key):
        answer = await ask(verifier, app, link)
        assert (answer.status, answer.code) == (409, "link_over")
    foreign = await ask(verifier, await seeds.app(), await seeds.link(app))
    assert (foreign.status, foreign.code) == (404, "not_found")
    nobody = await verifier.ask(
        "POST", f"/v1/links/{uuid4()}/pairing", json={"return_url": RETURN}, headers=app.headers
    )
    assert (nobody.status, nobody.code) == (404, "not_found")
    reader = await seeds.app(scopes=("links:verify",))
    assert (await ask(verifier, reader, await seeds.link(reader))).status == 403


@pytest.mark.parametrize("body", [{}, {"return_url": ""}, {"return_url": 1}, {"return_url": "/x", "more": 1}])
async def test_a_request_for_a_ticket_names_what_is_wrong_with_it(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, body: dict[str, Any]
) -> None:
    link = await seeds.link(app)
    answer = await verifier.ask("POST", f"/v1/links/{link.id}/pairing", json=body, headers=app.headers)
    assert answer.status == 422
    assert answer.json["errors"]


async def test_a_path_under_the_apps_base_url_is_a_way_back_too(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    answer = await ask(verifier, app, await seeds.link(app), "/welcome?x=1")
    back = await visit(verifier, answer.json["pairing_url"].removeprefix(PUBLIC_URL))
    assert back.headers["Location"] == f"{BASE_URL}/welcome?x=1"


async def test_a_browser_may_be_paired_with_several_links(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    links = [await seeds.link(app) for _ in range(6)]
    cookie = ""
    for link in links:
        cookie = await paired(verifier, app, link, cookie)
    pages = [(await open_page(verifier, link, cookie)).text for link in links]
    assert ["<script>" in page for page in pages] == [False, True, True, True, True, True]


async def test_a_ticket_never_stands_in_a_log(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, capfd: pytest.CaptureFixture[str]
) -> None:
    path = await ticket_for(verifier, app, await seeds.link(app))
    answer = await visit(verifier, path)
    said = capfd.readouterr()
    assert "/pair/{ticket}" in said.out
    for secret in (path.removeprefix("/pair/"), answer.cookies["mlp"].value):
        assert secret not in said.out + said.err
