"""`/api/failures`: the rules by which the inbox fails on purpose."""

import json

from aiohttp import web
from pydantic import ValidationError

from services.dev.inbox.failures import KINDS, Failures, RuleSet
from services.dev.inbox.problem import invalid, problem
from services.dev.inbox.simulator import SIMULATED


class FailuresApi:
    """Handlers of `GET`, `PUT` and `DELETE /api/failures`. Open to all on this machine, as everything in the inbox."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/failures", self.show),
            web.put("/api/failures", self.replace),
            web.delete("/api/failures", self.clear),
        ]

    async def show(self, _request: web.Request) -> web.Response:
        return self._shown()

    async def replace(self, request: web.Request) -> web.Response:
        """Set `{"rules": [...]}` in the place of what stood there; 422 names every field that is wrong."""
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            return problem(400, "malformed", "the body is not JSON")
        try:
            wanted = RuleSet.model_validate(body)
        except ValidationError as error:
            return invalid(error, KINDS)
        self._failures.replace(wanted.rules)
        return self._shown()

    async def clear(self, _request: web.Request) -> web.Response:
        self._failures.replace([])
        return web.Response(status=204)

    def _shown(self) -> web.Response:
        rules = [standing.as_json() for standing in self._failures.standing]
        simulator = [{"to": known.to, "says": known.says} for known in SIMULATED]
        return web.json_response({"rules": rules, "simulator": simulator})
