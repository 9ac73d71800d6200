"""The raw references that are programs with an end (bench/references): run one, and read the JSON that it prints."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.house import House
from bench.processes import run_module
from bench.row import Contender, Effort, Sample
from services.dev.ports import HOST, choose_unfixed
from services.dev.service import Service

_MOST_SECONDS = 600


async def run_program(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module of `bench.references` to its end. Raises `SystemExit` with what it wrote when it fails."""
    return await run_module(f"bench.references.{module}", *arguments, most_seconds=_MOST_SECONDS)


def rate(told: dict[str, Any]) -> Sample:
    """Return what a program told as things a second, and its CPU time a thing."""
    return Sample(told["count"] / told["seconds"], cpu_us=told["cpu_seconds"] / told["count"] * 1e6)


def raw(name: str, run: Callable[[Effort], Awaitable[dict[str, Any]]]) -> Contender:
    """Return a program as a contender."""

    async def measure(effort: Effort) -> Sample:
        return rate(await run(effort))

    return Contender(name, measure)


def kafka_arguments(house: House, topic: str) -> list[str]:
    """Return what the programs need to reach the cluster's broker."""
    idempotence = "--idempotence" if house.cluster.backends.kafka_idempotence else "--no-idempotence"
    return ["--bootstrap", house.cluster.backends.kafka_bootstrap, "--topic", topic, idempotence]


class Sink:
    """The mail server of the rows that deliver (bench/references/smtp.py), and the notifier turned to it."""

    def __init__(self, house: House, url: str, smtp_port: int) -> None:
        self._house = house
        self._url = url
        self.smtp_port = smtp_port

    @classmethod
    async def start(cls, house: House) -> "Sink":
        """Start the sink, and the notifier anew with it as its mail server."""
        smtp_port = choose_unfixed(["smtp"])["smtp"]
        service = await house.start_beside(
            "sink", ["bench.references.smtp", "sink", "--smtp-port", str(smtp_port)]
        )
        notifier = house.cluster.part("notifier")
        assert isinstance(notifier, Service)  # noqa: S101
        address = {"MAGICLINK_SMTP_HOST": HOST, "MAGICLINK_SMTP_PORT": str(smtp_port)}
        notifier.command = replace(notifier.command, environment={**notifier.command.environment, **address})
        await house.cluster.restart("notifier")
        return cls(house, service.ready_url.removesuffix("/readyz"), smtp_port)

    @property
    def environment(self) -> Mapping[str, str]:
        """The notifier's settings."""
        notifier = self._house.cluster.part("notifier")
        assert isinstance(notifier, Service)  # noqa: S101
        return notifier.command.environment

    async def forget(self) -> None:
        """Begin to count anew."""
        async with self._house.session.delete(f"{self._url}/taken"):
            pass

    async def taken(self) -> dict[str, Any]:
        """Return `{count, first_at, last_at}`; times as of `time.monotonic()`."""
        return await self._facts("taken")

    async def until(self, count: int, seconds: float) -> dict[str, Any]:
        """Wait until so many were taken. Raises `SystemExit` when they were not."""
        try:
            async with asyncio.timeout(seconds):
                return await self._facts(f"wait?count={count}")
        except TimeoutError:
            taken = await self.taken()
            raise SystemExit(f"{taken['count']} of {count} e-mails after {seconds:.0f} s") from None

    async def last(self, folder: Path) -> Path:
        """Write the last message into a file, to be sent again by a reference."""
        path = folder / "message.eml"
        async with self._house.session.get(f"{self._url}/last") as response:
            path.write_bytes(await response.read())
        return path

    async def _facts(self, path: str) -> dict[str, Any]:
        async with self._house.session.get(f"{self._url}/{path}") as response:
            told: dict[str, Any] = await response.json()
            return told
