"""The demo of `magiclink dev`: one link asked for over HTTP, and a job that asks for twenty by way of Kafka."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from services.dev.problems import DevProblem
from shared.client import MagicLinkClient, MagicLinkError

RECIPIENT = "ada@example.com"
REMINDERS = 20
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.1
_WORDS = {"email": "e-mail", "sms": "SMS", "whatsapp": "WhatsApp"}

Caught = dict[str, Any]
Say = Callable[[str], None]


async def run(dev: dict[str, Any], say: Say) -> None:
    """Show the main job at work on the cluster that `dev` (dev.json) describes; `say` prints a line.

    The first link stays unused: it is for the person at the screen. No line holds a token. Raises `DevProblem` when
    something does not arrive.
    """
    async with _inbox(dev["inbox_url"]) as inbox:
        await _one_link(dev, inbox, say)
        await _reminders(dev, inbox, say)


async def _one_link(dev: Mapping[str, Any], inbox: "_Inbox", say: Say) -> None:
    started = time.monotonic()
    try:
        async with MagicLinkClient(dev["issuer_url"], dev["verifier_url"], dev["api_key"]) as client:
            issued = await client.create_link(email=RECIPIENT, channel="email")
    except MagicLinkError as error:
        raise DevProblem(f"no link was made: {error}") from error
    made = time.monotonic()
    url = issued.link.url
    await inbox.wait_for(
        f"the e-mail to {RECIPIENT}", lambda caught: [m for m in caught if url in m["links"]], 1
    )
    say(
        f"one link over HTTP: made in {_milliseconds(made - started)}, its e-mail to {RECIPIENT} in the inbox "
        f"{_milliseconds(time.monotonic() - made)} later; it is unused: open it there"
    )


async def _reminders(dev: Mapping[str, Any], inbox: "_Inbox", say: Say) -> None:
    try:
        from examples import reminder_job  # noqa: PLC0415 - a wheel has no examples
    except ModuleNotFoundError:
        say("no reminder job: this installation has no examples/")
        return
    week = reminder_job.current_week()
    # A run of its own at each start: the cluster keeps its data and would rightly ignore a run that it has seen.
    job = reminder_job.Job(
        bootstrap=dev["kafka_bootstrap"],
        app_id=dev["app_id"],
        week=week,
        run=f"{week}-demo-{time.time_ns()}",
        count=REMINDERS,
        idempotence=dev["kafka_idempotence"],
    )
    seen_before = {message["id"] for message in await inbox.messages()}
    started = time.monotonic()
    try:
        requests = await reminder_job.publish(job)
    except reminder_job.JobError as error:
        raise DevProblem(f"the reminder job failed: {error}") from error
    published = time.monotonic()
    wanted = {(request.channel, request.recipient) for request in requests}
    arrived = await inbox.wait_for(
        "the reminders", lambda caught: _of(caught, wanted, seen_before), len(wanted)
    )
    say(
        f"examples/reminder_job.py: {len(requests)} requests on Kafka in {_milliseconds(published - started)}, "
        f"{_mix(arrived)} in the inbox {_milliseconds(time.monotonic() - published)} later"
    )


def _of(
    caught: list[Caught], wanted: Collection[tuple[str, str]], seen_before: Collection[str]
) -> list[Caught]:
    return [
        message
        for message in caught
        if message["id"] not in seen_before and (message["channel"], message["to"]) in wanted
    ]


class _Inbox:
    """The JSON API of the dev inbox."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def messages(self) -> list[Caught]:
        try:
            async with self._session.get(f"{self._url}/api/messages") as response:
                response.raise_for_status()
                caught: list[Caught] = await response.json()
                return caught
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DevProblem(f"the inbox at {self._url} does not answer: {type(error).__name__}") from error

    async def wait_for(
        self, what: str, choose: Callable[[list[Caught]], list[Caught]], count: int
    ) -> list[Caught]:
        """Wait until `choose` finds `count` messages. Raises `DevProblem` after WAIT_SECONDS."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            chosen = choose(await self.messages())
            if len(chosen) >= count:
                return chosen
            if time.monotonic() > deadline:
                raise DevProblem(
                    f"waited {WAIT_SECONDS:.0f} s for {what}: {len(chosen)} of {count} arrived in the inbox; "
                    "the logs of issuer and notifier say why"
                )
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _inbox(url: str) -> AsyncIterator[_Inbox]:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield _Inbox(url, session)


def _mix(messages: list[Caught]) -> str:
    counts = Counter(message["channel"] for message in messages)
    return ", ".join(f"{counts[channel]} {word}" for channel, word in _WORDS.items() if counts[channel])


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
