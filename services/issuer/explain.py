"""Why a link request would be refused, and what would come of it: nothing is made, nothing is taken from any limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from services.issuer.explain_delivery import DeliveryOptions, chosen_template, delivery_problems
from services.issuer.lanes import Lanes
from services.issuer.policy import (
    App,
    Asked,
    broken_rules,
    lives_from_acceptance,
    resolve_redirect,
    slot_of,
    ttl_of,
    user_key,
)
from services.issuer.reach import FoundUser, reach_problem
from services.issuer.store import SQL
from services.issuer.tenancy import SQL as TENANCY_SQL
from services.issuer.text_limits import TEXT_CHANNELS, TextLimits
from shared.database import Pool
from shared.errors import FieldProblem, Invalid
from shared.http.routes import Caller, validate
from shared.limits import Level
from shared.link_urls import link_url
from shared.links import LinkRequest
from shared.recipients import mask
from shared.redirects import RedirectRefused, explain_refusal

_NAMES: Final = ("user_id", "email", "phone")
# Stands for a user whom the request does not name, so that the other fields can still be judged.
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ReadBody:
    """A body as far as it can be read: fields with problems are left out of the request."""

    request: LinkRequest
    names_user: bool
    problems: list[FieldProblem]


@dataclass(frozen=True, slots=True)
class Explain:
    """Explains requests of one app's callers."""

    pool: Pool
    lanes: Lanes
    texts: TextLimits
    public_url: str

    async def explain(self, app: App, caller: Caller, body: Any) -> dict[str, Any]:
        """Return what `POST /v1/links` would do with this body. Raises `Invalid` when it is not an object."""
        read = read_body_partly(body)
        asked = Asked(read.request, "interactive", caller.limits)
        problems = read.problems + [precisely(problem, app, asked) for problem in broken_rules(app, asked)]
        user, exists = await self._user(app, caller, read)
        if read.names_user and (user is not None or exists is False):
            kind = user_key(app, read.request).kind
            reach = reach_problem(read.request.channel, kind, user, caller.limits)
            problems += [reach] if reach else []
        recipient = user.recipient(read.request.channel) if user else None
        options = await self._options()
        problems += delivery_problems(options, app, read.request)
        limits = await self._limits(app, asked, recipient)
        problems += [_used_up(limit) for limit in limits if limit["would_refuse"]]
        return {
            "would_issue": not problems,
            "problems": [{"field": p.field, "rule": p.rule, "message": p.message} for p in problems],
            "link": link_facts(app, asked, self.public_url),
            "user": None if exists is None else {"exists": exists},
            "message": _message_facts(app, read.request, recipient, options),
            "limits": limits,
        }

    async def _user(self, app: App, caller: Caller, read: ReadBody) -> tuple[FoundUser | None, bool | None]:
        """Return the user as issuing would find or make them, and whether they exist: None, for a key that may not know."""
        request = read.request
        named = FoundUser(_NOBODY, request.email, request.phone)
        if not read.names_user:
            return None, None
        if not caller.may("users:read"):
            # Else explain would tell anybody who has an account, and with which address.
            reachable = request.channel == "none" or named.recipient(request.channel) is not None
            return (named if reachable and request.user_id is None else None), None
        row = await self.pool.fetchrow(
            TENANCY_SQL.find_named_user, app.id, request.user_id, request.email, request.phone
        )
        found = None if row is None else FoundUser(row["id"], row["email"], row["phone"])
        if found is None and request.user_id is None:
            return named, False
        return found, found is not None

    async def _options(self) -> DeliveryOptions | None:
        row = await self.pool.fetchrow(SQL.read_delivery_options)
        return None if row is None else DeliveryOptions(frozenset(row["channels"]), row["templates"])

    async def _limits(self, app: App, asked: Asked, recipient: str | None) -> list[dict[str, Any]]:
        channel, limits = asked.request.channel, []
        if channel != "none" and asked.lane == "interactive":
            # Past it a message is bulk, not refused.
            level = await self.lanes.peek(app)
            limits.append(_limit("interactive_per_minute", "minute", level, refuses=False))
        if channel in TEXT_CHANNELS:
            levels = await self.texts.peek(app, recipient)
            limits += [_limit(name, "hour", level, refuses=True) for name, level in levels.items()]
        return limits


def read_body_partly(body: Any) -> ReadBody:
    """Return what is right in a body, with every problem of shape. Raises `Invalid` for what is no object."""
    if not isinstance(body, dict):
        validate(LinkRequest, body)
    try:
        return ReadBody(validate(LinkRequest, body), names_user=True, problems=[])
    except Invalid as invalid:
        problems = invalid.problems
    wrong = {problem.field.partition(".")[0] for problem in problems}
    right = {name: value for name, value in body.items() if name not in wrong}
    if "send_at_needs_channel" in {problem.rule for problem in problems} or "channel" in wrong:
        right.pop("send_at", None)
    names_user = sum(right.get(name) is not None for name in _NAMES) == 1
    if not names_user:
        right = {name: value for name, value in right.items() if name not in _NAMES}
        right["user_id"] = str(_NOBODY)
    return ReadBody(validate(LinkRequest, right), names_user, problems)


def precisely(problem: FieldProblem, app: App, asked: Asked) -> FieldProblem:
    """Return a problem of a redirect with the entries that there are, and what the nearest one misses."""
    wanted = asked.request.redirect_url or app.default_redirect_url or ""
    if problem.rule == "redirect_not_allowed":
        base = [f"{app.redirects.base_url.rstrip('/')}/*"] if app.redirects.base_url else []
        words = explain_refusal([*base, *app.redirects.entries], wanted)
    elif problem.rule == "redirect_not_allowed_for_key":
        words = explain_refusal(asked.limits.redirect_urls or (), app.redirects.resolve(wanted))
    else:
        return problem
    return FieldProblem(problem.field, problem.rule, f"{problem.message} ({words})")


def link_facts(app: App, asked: Asked, public_url: str) -> dict[str, Any]:
    """Return the link as it would be."""
    request, ttl_seconds = asked.request, ttl_of(app, asked)
    try:
        redirect_url = resolve_redirect(app, asked)
    except RedirectRefused:
        redirect_url = None
    expires_at = None
    begins = "its issue" if request.send_at is None else "send_at"
    if lives_from_acceptance(app, request):
        most = max(ttl_seconds, app.acceptance_cap_seconds)
        rule = f"{ttl_seconds} seconds after a provider accepts its message, at most {most} seconds after {begins}"
    else:
        rule = f"{ttl_seconds} seconds after {begins}"
        expires_at = request.send_at and request.send_at + timedelta(seconds=ttl_seconds)
    return {
        "type": request.type,
        "redirect_url": redirect_url,
        "ttl_seconds": ttl_seconds,
        "expires_at": expires_at,
        "expiry_rule": rule,
        "lane": asked.lane,
        "slot": slot_of(app, asked),
        "locale": request.locale or app.locale,
        "binding": request.binding,
        "url_form": request.url_template or link_url(public_url, app.landing_url, "<token>"),
    }


def _message_facts(
    app: App, request: LinkRequest, recipient: str | None, options: DeliveryOptions | None
) -> dict[str, Any] | None:
    if request.channel == "none":
        return None
    chosen = chosen_template(options, app, request)
    return {
        "channel": request.channel,
        "recipient": None if recipient is None else mask(recipient),
        "template": chosen.name,
        "locale": chosen.locale,
        "known": "unknown: no notifier has reported" if options is None else "as the notifiers reported",
        "sender": app.sender if request.channel == "email" else None,
    }


def _limit(name: str, per: str, level: Level | None, *, refuses: bool) -> dict[str, Any]:
    # A limit that fails closed refuses when nobody can say how much is left.
    is_used_up = level is None or level.wait_seconds > 0
    return {
        "name": name,
        "per": per,
        "left": None if level is None else level.left,
        "would_refuse": refuses and is_used_up,
        "retry_after_seconds": None if level is None else level.wait_seconds,
    }


def _used_up(limit: Mapping[str, Any]) -> FieldProblem:
    seconds = limit["retry_after_seconds"]
    if seconds is None:
        return FieldProblem("channel", "unavailable", f"{limit['name']} cannot be checked now")
    return FieldProblem("channel", "rate_limited", f"{limit['name']} is used up for {seconds:.0f} seconds")
