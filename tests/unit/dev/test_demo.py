"""The demo with a stand-in for issuer and inbox, and a reminder job whose messages arrive at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from examples import reminder_job
from services.dev import demo
from services.dev.problems import DevProblem

URL = "http://127.0.0.1:8002/l/1secretToken"
KEY = "mlk_secret_key"


@dataclass
class World:
    """What the issuer makes is in the inbox right away, unless `delivers` is off."""

    url: str = ""
    delivers: bool = True
    refuses: bool = False
    caught: list[dict[str, Any]] = field(default_factory=list)
    runs: list[reminder_job.Job] = field(default_factory=list)

    async def create_link(self, request: web.Request) -> web.Response:
        if self.refuses:
            return web.json_response({"code": "unauthorized", "title": "No."}, status=401)
        body = await request.json()
        if self.delivers:
            self.catch(body["channel"], body["email"], [URL])
        link = {"id": "l", "app_id": "a", "user_id": "u", "type": "login", "status": "issued", "url": URL}
        return web.json_response({"link": link, "message": None}, status=201)

    async def messages(self, _request: web.Request) -> web.Response:
        return web.json_response(self.caught)

    def catch(self, channel: str, to: str, links: list[str]) -> None:
        self.caught.append({"id": str(len(self.caught)), "channel": channel, "to": to, "links": links})

    async def publish(self, job: reminder_job.Job) -> list[reminder_job.Reminder]:
        self.runs.append(job)
        requests = reminder_job.reminders(job)
        self.catch("email", "somebody@else.example", [])
        for request in requests[: None if self.delivers else 7]:
            self.catch(request.channel, request.recipient, ["http://127.0.0.1:8002/l/other"])
        return requests

    def dev(self) -> dict[str, Any]:
        urls = dict.fromkeys(("issuer_url", "verifier_url", "inbox_url"), self.url)
        kafka = {"kafka_bootstrap": "127.0.0.1:9", "kafka_idempotence": False}
        return {**urls, **kafka, "app_id": "a", "api_key": KEY}


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    world = World()
    app = web.Application()
    app.router.add_post("/v1/links", world.create_link)
    app.router.add_get("/api/messages", world.messages)
    monkeypatch.setattr(reminder_job, "publish", world.publish)
    monkeypatch.setattr(demo, "WAIT_SECONDS", 0.2)
    async with TestServer(app) as server:
        world.url = str(server.make_url("")).rstrip("/")
        yield world


async def test_the_demo_says_what_arrived_and_shows_no_secret(world: World) -> None:
    said: list[str] = []
    async with asyncio.timeout(5):
        await demo.run(world.dev(), said.append)
    text = "\n".join(said)
    assert "ada@example.com" in text
    assert "10 e-mail, 5 SMS, 5 WhatsApp" in text
    assert "secret" not in text


async def test_a_second_demo_asks_for_new_links_and_counts_its_own_messages_only(world: World) -> None:
    await demo.run(world.dev(), lambda _line: None)
    world.delivers = False
    world.catch("email", "ada@example.com", [URL])
    with pytest.raises(DevProblem, match="the reminders: 7 of 20"):
        await demo.run(world.dev(), lambda _line: None)
    assert len({run.run for run in world.runs}) == 2


async def test_an_e_mail_that_does_not_arrive_is_named(world: World) -> None:
    world.delivers = False
    with pytest.raises(DevProblem, match=r"the e-mail to ada@example\.com: 0 of 1"):
        await demo.run(world.dev(), lambda _line: None)


async def test_a_refusal_and_an_inbox_that_is_gone_are_problems_in_words(world: World) -> None:
    world.refuses = True
    with pytest.raises(DevProblem, match="no link was made: 401 unauthorized"):
        await demo.run(world.dev(), lambda _line: None)
    world.refuses = False
    with pytest.raises(DevProblem, match="does not answer"):
        await demo.run({**world.dev(), "inbox_url": "http://127.0.0.1:9"}, lambda _line: None)
