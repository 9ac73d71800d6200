"""The one operations port of a service with workers: what each worker says, put together."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from shared.worker_process import WorkerProcess

Current = Callable[[], Sequence[WorkerProcess | None]]


class WorkersOps:
    """`/livez`, `/readyz` and `/metrics` for all workers. `current` gives the process of each slot, None before its start."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self.draining = False

    def application(self) -> web.Application:
        """Build the application of the operations port."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _livez(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Ready when every worker is: a connection goes to any of them."""
        answers = await self._ask("/readyz")
        ready_count = sum(answer is not None and answer[0] == 200 for answer in answers)
        ready = ready_count == len(answers) and not self.draining
        checks = merge_checks([orjson.loads(answer[1])["checks"] for answer in answers if answer])
        checks["workers"] = "ok" if ready_count == len(answers) else f"{ready_count} of {len(answers)} ready"
        if self.draining:
            checks["service"] = "draining"
        body = {"status": "ready" if ready else "not ready", "checks": checks}
        return web.json_response(body, status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        answers = await self._ask("/metrics")
        texts = {str(number): answer[1].decode() for number, answer in enumerate(answers, start=1) if answer}
        return web.Response(body=merge_metrics(texts), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _ask(self, path: str) -> list[tuple[int, bytes] | None]:
        async def ask(worker: WorkerProcess | None) -> tuple[int, bytes] | None:
            return await worker.ask(path) if worker is not None and worker.running else None

        return list(await asyncio.gather(*map(ask, self._current())))


def merge_checks(reports: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return a word for each dependency: `ok` when every worker says so, else what the first other one says."""
    words: dict[str, str] = {}
    for report in reports:
        for name, word in report.items():
            if words.get(name, "ok") == "ok":
                words[name] = word
    return words


def merge_metrics(texts: dict[str, str]) -> bytes:
    """Return the metrics of all workers as one text; the label `worker` tells them apart, so that counters may start anew."""
    families: dict[str, Metric] = {}
    for worker, text in texts.items():
        for family in text_string_to_metric_families(text):
            merged = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            merged.samples += [
                sample._replace(labels={**sample.labels, "worker": worker}) for sample in family.samples
            ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(families.values()))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, families: Iterable[Any]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
