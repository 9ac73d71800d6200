"""`/failures`: choose from a short list what shall go wrong, for whom and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from services.dev.inbox.failures import KINDS, MAX_RULES, Failures, RuleSet, Standing
from services.dev.inbox.mailbox import CHANNELS
from services.dev.inbox.problem import field_errors
from services.dev.inbox.rendering import CHANNEL_NAMES, Renderer
from services.dev.inbox.simulator import SIMULATED


@dataclass(frozen=True, slots=True)
class Preset:
    """One line of the list; `rule` is the part of a rule that it stands for."""

    group: str
    says: str
    rule: Mapping[str, Any]


def _smtp(says: str, at: str, code: int, enhanced_code: str) -> Preset:
    rule = {"kind": "smtp_reply", "at": at, "code": code, "enhanced_code": enhanced_code}
    return Preset("E-mail", says, rule)


def _http(says: str, status: int, **more: Any) -> Preset:
    return Preset("SMS and WhatsApp", says, {"kind": "http_error", "status": status, **more})


def _report(says: str, status: str, code: int) -> Preset:
    return Preset("Status callbacks", says, {"kind": "callback", "status": status, "error_code": code})


PRESETS: Mapping[str, Preset] = {
    "mail-unknown": _smtp("550 5.1.1 at RCPT TO: no such user", "rcpt", 550, "5.1.1"),
    "mail-greylisted": _smtp("451 4.7.1 at RCPT TO: try again later", "rcpt", 451, "4.7.1"),
    "mail-full": _smtp("452 4.2.2 after DATA: mailbox full", "data", 452, "4.2.2"),
    "mail-spam": _smtp("554 5.7.1 after DATA: refused as spam", "data", 554, "5.7.1"),
    "mail-bounce": Preset("E-mail", "Taken, then bounces", {"kind": "bounce"}),
    "mail-drop": Preset("E-mail", "Taken, connection dropped: outcome unknown", {"kind": "drop", "channel": "email"}),
    "http-429": _http("429, Retry-After 5 seconds", 429, retry_after_seconds=5),
    "http-503": _http("503: Twilio is down", 503),
    "http-invalid": _http("400, 21211: not a valid number", 400, error_code=21211),
    "http-opted-out": _http("400, 21610: recipient opted out", 400, error_code=21610),
    "http-window": _http("400, 63016: WhatsApp wants a template", 400, error_code=63016),
    "sms-drop": Preset("SMS and WhatsApp", "SMS taken, no answer: outcome unknown", {"kind": "drop", "channel": "sms"}),
    "whatsapp-drop": Preset(
        "SMS and WhatsApp", "WhatsApp taken, no answer: outcome unknown", {"kind": "drop", "channel": "whatsapp"}
    ),
    "callback-undelivered": _report("undelivered, 30003: handset unreachable", "undelivered", 30003),
    "callback-filtered": _report("undelivered, 30007: filtered by the carrier", "undelivered", 30007),
    "callback-failed": _report("failed, 30008: unknown error", "failed", 30008),
    "delay-5": Preset("Any channel", "Answer after 5 seconds", {"kind": "delay", "seconds": 5}),
    "delay-30": Preset("Any channel", "Answer after 30 seconds", {"kind": "delay", "seconds": 30}),
}  # fmt: skip


_NOTHING = {"what": "", "to": "", "times": ""}


class FailuresPage:
    """Handlers of the page and its forms."""

    def __init__(self, failures: Failures, renderer: Renderer) -> None:
        self._failures = failures
        self._renderer = renderer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/failures", self.show),
            web.post("/failures", self.add),
            web.post("/failures/clear", self.clear),
            web.post("/failures/{id}/remove", self.remove),
        ]

    async def show(self, _request: web.Request) -> web.Response:
        return self._page()

    async def add(self, request: web.Request) -> web.Response:
        form = {name: str(value).strip() for name, value in (await request.post()).items()}
        preset = PRESETS.get(form.get("what", ""))
        if preset is None:
            return self._page(422, form, {"what": "choose what shall go wrong"})
        asked = {name: form[name] for name in ("to", "times") if form.get(name)}
        try:
            (rule,) = RuleSet.model_validate({"rules": [{**preset.rule, **asked}]}).rules
        except ValidationError as error:
            problems = {e["field"].rpartition(".")[2]: e["message"] for e in field_errors(error, KINDS)}
            return self._page(422, form, problems)
        if not self._failures.add(rule):
            return self._page(422, form, {"what": f"at most {MAX_RULES} at a time"})
        raise web.HTTPSeeOther("/failures")

    async def clear(self, _request: web.Request) -> web.Response:
        self._failures.replace([])
        raise web.HTTPSeeOther("/failures")

    async def remove(self, request: web.Request) -> web.Response:
        self._failures.remove(request.match_info["id"])
        raise web.HTTPSeeOther("/failures")

    def _page(
        self,
        status: int = 200,
        form: Mapping[str, str] | None = None,
        problems: Mapping[str, str] | None = None,
    ) -> web.Response:
        groups: dict[str, dict[str, str]] = {}
        for name, preset in PRESETS.items():
            groups.setdefault(preset.group, {})[name] = preset.says
        return self._renderer.page(
            "failures.html",
            status=status,
            rules=[(standing, says_of(standing)) for standing in self._failures.standing],
            groups=groups,
            form=_NOTHING | dict(form or {}),
            problems=_NOTHING | dict(problems or {}),
            simulated=SIMULATED,
            active="failures",
        )


def says_of(standing: Standing) -> str:
    """Say what a rule does, in one line."""
    facts = standing.rule.model_dump(exclude={"to", "times"}, exclude_none=True)
    chosen = [CHANNEL_NAMES[channel] for channel in CHANNELS if channel in standing.rule.channels]
    channels = "Any channel" if len(chosen) == len(CHANNELS) else " and ".join(chosen)
    facts.pop("channel", None)
    kind = str(facts.pop("kind")).replace("_", " ")
    parts = [f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if name != "text"]
    return f"{channels}: {', '.join([kind, *parts])}"
