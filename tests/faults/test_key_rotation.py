"""The drill of operations: both kinds of keys are rotated on a cluster under load, and no login is refused."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
import pytest

from services.dev.key_material import ensure_key_material
from services.dev.plan import Plan
from services.dev.service import Service
from tests.clusters import House, running_house
from tests.faults.lasting_logins import LastingLogins
from tests.programs import Program

SERVICES = ("issuer", "verifier", "notifier")


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    plan = Plan(workers={"issuer": 2, "verifier": 2, "notifier": 1})
    async with running_house(tmp_path_factory.mktemp("rotation"), plan) as house:
        yield house


@pytest.fixture
def program(house: House) -> Program:
    return Program(MAGICLINK_DATABASE_URL=house.cluster.backends.database_url)


async def call_again_once(ask: Callable[[], Awaitable[Any]]) -> Any:
    """What a good client does when a connection is lost: the same request, with the same key, once more."""
    try:
        return await ask()
    except aiohttp.ClientConnectionError:
        await asyncio.sleep(0.05)  # until it has noticed which of its other connections are gone
        return await ask()


class Load:
    """People who sign in all the time, by API and by page. Keeps every refusal, and the kid of every link."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.refusals: list[str] = []
        self.kids: list[str] = []
        self.jwts: list[str] = []
        self._over = False

    async def sign_in(self, *, by_page: bool) -> None:
        key = uuid4().hex
        body = {"email": f"{key}@example.com", "redirect_url": "/signed-in"}
        url = f"{self.house.issuer_url}/v1/links"
        status, made, _ = await call_again_once(lambda: self.house.call("POST", url, body, key=key))
        if status != 201:
            self.refusals.append(f"issue: {status} {made}")
            return
        token = made["link"]["token"]
        self.kids.append(token[0])
        await self.redeem(token, by_page=by_page)

    async def redeem(self, token: str, *, by_page: bool) -> None:
        if by_page:
            await self._by_page(token)
            return
        url = f"{self.house.verifier_url}/v1/links/verify"
        status, body, _ = await call_again_once(
            lambda: self.house.call("POST", url, {"token": token}, key=f"redeem-{token[:20]}")
        )
        if status == 200:
            self.jwts.append(body["jwt"])
        else:
            self.refusals.append(f"verify: {status} {body}")

    async def _by_page(self, token: str) -> None:
        url = f"{self.house.verifier_url}/l/{token}"

        async def ask(method: str, cookies: dict[str, str]) -> tuple[int, dict[str, str]]:
            # A cookie jar of one's own: each of these people has a browser.
            async with self.house.session.request(
                method, url, cookies=cookies, allow_redirects=False
            ) as response:
                return response.status, {name: cookie.value for name, cookie in response.cookies.items()}

        status, cookies = await call_again_once(lambda: ask("GET", {}))
        if status == 200:
            status, _ = await call_again_once(lambda: ask("POST", cookies))
        if status != 303:
            self.refusals.append(f"page: {status}")

    async def _run(self, *, by_page: bool) -> None:
        while not self._over:
            await self.sign_in(by_page=by_page)
            # Somebody signs in at every moment, and the processes that start beside them get their share of the processors.
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        people = [asyncio.create_task(self._run(by_page=number % 2 == 0)) for number in range(6)]
        try:
            yield
            await asyncio.sleep(0.5)
        finally:
            self._over = True
            await asyncio.gather(*people)


async def roll_out(house: House) -> None:
    """Derive every service's ring anew and replace all workers, as an operator would."""
    ensure_key_material(house.cluster.secrets_dir)
    logs = {name: house.cluster.logs_dir / f"{name}.log" for name in SERVICES}
    before = {name: log.read_text().count('"workers_replaced"') for name, log in logs.items()}
    for name in SERVICES:
        part = house.cluster.part(name)
        assert isinstance(part, Service)
        os.kill(part.pid, signal.SIGHUP)
    async with asyncio.timeout(90):
        for name, log in logs.items():
            while log.read_text().count('"workers_replaced"') == before[name]:
                await asyncio.sleep(0.05)


async def published(house: House) -> jwt.PyJWKSet:
    async with house.session.get(f"{house.verifier_url}/.well-known/jwks.json") as response:
        return jwt.PyJWKSet.from_dict(await response.json())


def verify_with(jwks: jwt.PyJWKSet, token: str) -> None:
    key = jwks[jwt.get_unverified_header(token)["kid"]]
    jwt.decode(token, key, options={"verify_aud": False})


async def run(program: Program, *arguments: str) -> None:
    ended = await program("keys", *arguments)
    assert ended.status == 0, ended.err


async def test_keys_are_rotated_under_load_and_no_login_is_refused(house: House, program: Program) -> None:
    master, signing = (str(house.cluster.secrets_dir / name) for name in ("master.keys", "signing_keys.json"))
    old_links = [link["token"] for link in await house.make_links(30)]
    lasting = await LastingLogins.make(house)
    load = Load(house)
    async with load.running():
        await asyncio.sleep(0.5)
        await run(program, "rotate", "--stage", master)
        await run(program, "signing", "rotate", "--stage", signing)
        await roll_out(house)
        assert set(load.kids) == {"1"}, "a staged key signs"
        fetched_before = await published(house)
        await run(program, "rotate", "--activate", master)
        # Products of this test have fetched the set just now: there is nobody to wait for.
        await run(program, "signing", "rotate", "--activate", "--force", signing)
        await roll_out(house)
        for number, token in enumerate(old_links[:20]):
            await load.redeem(token, by_page=number % 2 == 0)

    assert load.refusals == []
    assert {token[0] for token in old_links} == {"1"}
    assert load.kids[-1] == "2", "new links carry the new key's id"
    fetched_after = await published(house)
    kids = {jwt.get_unverified_header(token)["kid"] for token in load.jwts}
    assert len(kids) == 2, "JWTs were signed by the old key and by the new one"
    for token in load.jwts:
        verify_with(fetched_before, token)
        verify_with(fetched_after, token)

    await lasting.use_challenge()
    await lasting.use()
    # Ten of the old links live, and one that is waited for; and what was made of sign-ins: their key stays.
    refused = await program("keys", "drop", "1", master)
    needed = (
        "needed for good",
        "11 live links",
        " 1 sessions",
        "1 trusted devices",
        "1 second factors",
        "1 webhooks",
    )
    assert (refused.status, [words for words in needed if words not in refused.err]) == (1, []), refused
    still_about = await program("keys", "signing", "drop", "--retired", signing)
    assert still_about.out == ""
    assert len((await published(house)).keys) == 6


async def test_dropping_a_leaked_key_by_force_ends_its_links_and_no_others(
    house: House, program: Program
) -> None:
    master = house.cluster.secrets_dir / "master.keys"
    (old,) = [link["token"] for link in await house.make_links(1)]
    kid = old[0]
    # Nobody signs in meanwhile: one roll-out for both steps.
    for step in ("--stage", "--activate"):
        await run(program, "rotate", step, str(master))
    await roll_out(house)
    (new,) = [link["token"] for link in await house.make_links(1)]
    await run(program, "drop", kid, "--force", str(master))
    await roll_out(house)
    assert (await house.verify(old))[0] == 404
    assert (await house.verify(new))[0] == 200


async def test_all_services_lived_through_this(house: House) -> None:
    for name in SERVICES:
        log = (house.cluster.logs_dir / f"{name}.log").read_text()
        for bad in ("request_failed", "task_failed", "worker_ended", "workers_not_replaced", "Traceback"):
            assert bad not in log, f"{name}: {bad}"
