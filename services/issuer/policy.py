"""What an app allows: turns a link request into a draft, or refuses it with every rule that it breaks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import orjson

from services.issuer.key_limits import within_key
from services.issuer.url_rules import template_problems
from shared.clock import Clock, wall
from shared.database import Pool, Row
from shared.errors import FieldProblem, Invalid, NotFound
from shared.fresh import FreshCache
from shared.http.routes import NO_LIMITS, KeyLimits
from shared.links import MAX_TTL_SECONDS, LinkRequest
from shared.redirects import RedirectPolicy, RedirectRefused
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

_CACHE_SECONDS = 5.0
# A scheduled link must be over before its partition may be dropped (DESIGN §6).
MAX_AHEAD_SECONDS = 60 * 86400


Doors = Literal["both", "passcode"]


@dataclass(frozen=True, slots=True)
class App:
    """The settings of an app that issuing needs."""

    id: UUID
    name: str
    redirects: RedirectPolicy
    default_redirect_url: str | None
    landing_url: str | None
    ttl_seconds: int
    max_ttl_seconds: int
    grant_ttl_seconds: int
    passcode_format: str
    passcode_standalone: bool
    user_id_format: str
    locale: str
    sender: str | None
    intake: bool
    interactive_per_minute: int
    latest_only: frozenset[str]
    ttl_from: str
    acceptance_cap_seconds: int
    texts_per_hour: int
    texts_per_recipient_per_hour: int

    @classmethod
    def from_row(cls, row: Row, *, allow_http: bool) -> "App":
        return cls(
            id=row["id"],
            name=row["name"],
            redirects=RedirectPolicy(
                row["base_url"], tuple(row["redirect_urls"]), allow_http, exact=row["redirects_exact"]
            ),
            default_redirect_url=row["default_redirect_url"],
            landing_url=row["landing_url"],
            ttl_seconds=row["ttl_seconds"],
            max_ttl_seconds=row["max_ttl_seconds"],
            grant_ttl_seconds=row["grant_ttl_seconds"],
            passcode_format=f"{row['passcode_strategy']}:{row['passcode_length']}",
            passcode_standalone=row["passcode_standalone"],
            user_id_format=row["user_id_format"],
            locale=row["locale"],
            sender=row["sender"],
            intake=row["intake"],
            interactive_per_minute=row["interactive_per_minute"],
            latest_only=frozenset(row["latest_only"]),
            ttl_from=row["ttl_from"],
            acceptance_cap_seconds=row["acceptance_cap_seconds"],
            texts_per_hour=row["texts_per_hour"],
            texts_per_recipient_per_hour=row["texts_per_recipient_per_hour"],
        )


class Apps:
    """Looks apps up; what it learned is a few seconds old at most, or until `forget`."""

    def __init__(self, pool: Pool, sql: SqlBlocks, *, allow_http: bool) -> None:
        self._pool = pool
        self._sql = sql
        self._allow_http = allow_http
        self._apps: FreshCache[UUID, App | None] = FreshCache(self._load, ttl_seconds=_CACHE_SECONDS)

    async def get(self, app_id: UUID) -> App:
        """Return the app. Raises `NotFound`."""
        app = await self._apps.get(app_id)
        if app is None:
            raise NotFound("no such app")
        return app

    def forget(self) -> None:
        self._apps.clear()

    async def _load(self, app_id: UUID) -> App | None:
        row = await self._pool.fetchrow(self._sql.find_app, app_id)
        return App.from_row(row, allow_http=self._allow_http) if row else None


class UserKey(NamedTuple):
    """How a request names its user: `kind` is `user_id`, `email` or `phone`."""

    app_id: UUID
    kind: str
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What links may have in common: all that their request, app and key say, except the user.

    Compared by identity: links of requests that were judged together share one, and are written and told together.
    `life_seconds` is how long a link lives past its beginning at most: `ttl_seconds`, or the app's cap until a provider has accepted it.
    `doors`: `passcode` for a passcode as a flow of its own, which has no URL. Of `request` the user says nothing, see `Draft.user`.
    """

    app: App
    lane: str
    slot: str | None
    redirect_url: str | None
    ttl_seconds: int
    life_seconds: int
    ttl_from_acceptance: bool
    state: str | None
    request: LinkRequest
    limits: KeyLimits = NO_LIMITS
    renewed_from: UUID | None = None
    doors: Doors = "both"


class Draft(NamedTuple):
    """A link that its app and key allow, with the id it will have. Only its user is not known yet."""

    link_id: UUID
    user: UserKey
    form: Form


@dataclass(frozen=True, slots=True)
class Asked:
    """A link request with what stands around it: whose key asks, and the lane it takes if it names none."""

    request: LinkRequest
    default_lane: str
    limits: KeyLimits = NO_LIMITS
    doors: Doors = "both"

    @property
    def lane(self) -> str:
        return self.request.lane or self.default_lane


def draft_link(
    app: App, request: LinkRequest, default_lane: str, limits: KeyLimits = NO_LIMITS, clock: Clock = wall
) -> Draft:
    """Return the draft of an allowed link. Raises `Invalid` with every rule of the app and of the key that the request breaks."""
    return draft_asked(app, Asked(request, default_lane, limits), clock)


def draft_asked(app: App, asked: Asked, clock: Clock = wall) -> Draft:
    """Return the draft of an allowed link or passcode. Raises `Invalid`, as `draft_link` does."""
    problems = broken_rules(app, asked, clock)
    if problems:
        raise Invalid(problems)
    return _draft(app, asked)


def broken_rules(app: App, asked: Asked, clock: Clock = wall) -> list[FieldProblem]:
    """Return every rule of the app and of the key that a request breaks."""
    request, problems = asked.request, []
    if request.ttl_seconds is not None and request.ttl_seconds > app.max_ttl_seconds:
        most = f"is more than the app's max_ttl_seconds, {app.max_ttl_seconds}"
        problems.append(FieldProblem("ttl_seconds", "ttl_too_long", most))
    try:
        redirect_url = resolve_redirect(app, asked)
    except RedirectRefused as refused:
        redirect_url = None
        problems.append(FieldProblem("redirect_url", refused.rule, str(refused)))
    if request.send_at is not None:
        ahead_seconds = (request.send_at - datetime.fromtimestamp(clock(), UTC)).total_seconds()
        if ahead_seconds > MAX_AHEAD_SECONDS - MAX_TTL_SECONDS:
            problems.append(FieldProblem("send_at", "send_at_too_far", "is more than 30 days ahead"))
    problems += template_problems(app.redirects, asked.limits, request.url_template)
    if request.binding == "require" and (app.landing_url or request.url_template) is not None:
        # The app's own page cannot show the pairing, and would redeem the link without it.
        words = "cannot be `require` for links that lead to the app's own landing_url or url_template"
        problems.append(FieldProblem("binding", "binding_needs_our_page", words))
    key = within_key(asked.limits, request, redirect_url, allow_http=app.redirects.allow_http)
    return problems + key


def resolve_redirect(app: App, asked: Asked) -> str | None:
    """Return where the link will lead; None: it is redeemed through the API, or on the app's own page. Raises `RedirectRefused`."""
    wanted = None if asked.doors == "passcode" else asked.request.redirect_url or app.default_redirect_url
    return None if wanted is None else app.redirects.resolve(wanted)


def slot_of(app: App, asked: Asked) -> str | None:
    """Return the slot in which only the newest link lives; None: the link has no rivals.

    Scheduled and bulk links have none unless they name one: a reminder of Monday does not kill the link somebody waits for.
    """
    request = asked.request
    if request.slot is not None:
        return request.slot
    is_awaited = asked.lane == "interactive" and request.send_at is None
    return "default" if is_awaited and request.type in app.latest_only else None


def ttl_of(app: App, asked: Asked) -> int:
    """Return the link's life in seconds; one that was not asked for is cut to what the key may ask for."""
    ttl_seconds = asked.request.ttl_seconds or app.ttl_seconds
    most = asked.limits.max_ttl_seconds
    return ttl_seconds if asked.request.ttl_seconds or most is None else min(ttl_seconds, most)


def lives_from_acceptance(app: App, request: LinkRequest) -> bool:
    """Say whether the link's life begins when a provider accepts its first message."""
    return app.ttl_from == "acceptance" and request.channel != "none"


def _draft(app: App, asked: Asked) -> Draft:
    request, ttl_seconds = asked.request, ttl_of(app, asked)
    from_acceptance = lives_from_acceptance(app, request)
    form = Form(
        app=app,
        lane=asked.lane,
        slot=slot_of(app, asked),
        redirect_url=resolve_redirect(app, asked),
        ttl_seconds=ttl_seconds,
        life_seconds=max(ttl_seconds, app.acceptance_cap_seconds) if from_acceptance else ttl_seconds,
        ttl_from_acceptance=from_acceptance,
        state=None if request.state is None else orjson.dumps(request.state).decode(),
        request=request,
        limits=asked.limits,
        doors=asked.doors,
    )
    return Draft(new_link_id(), user_key(app, request), form)


def user_key(app: App, request: LinkRequest) -> UserKey:
    """Return how a request names its user."""
    if request.email is not None:
        return UserKey(app.id, "email", request.email)
    if request.phone is not None:
        return UserKey(app.id, "phone", request.phone)
    return UserKey(app.id, "user_id", str(request.user_id))
