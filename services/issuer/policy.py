"""What an app allows: turns a link request into a draft, or refuses it with every rule that it breaks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import orjson

from shared.clock import Clock, wall
from shared.database import Pool, Row
from shared.errors import FieldProblem, Invalid, NotFound
from shared.fresh import FreshCache
from shared.links import MAX_TTL_SECONDS, LinkRequest
from shared.redirects import RedirectPolicy, RedirectRefused
from shared.sql_blocks import SqlBlocks
from shared.tokens import new_link_id

_CACHE_SECONDS = 5.0
# A scheduled link must be over before its partition may be dropped (DESIGN §6).
MAX_AHEAD_SECONDS = 60 * 86400


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
    locale: str
    intake: bool
    interactive_per_minute: int

    @classmethod
    def from_row(cls, row: Row, *, allow_http: bool) -> "App":
        return cls(
            id=row["id"],
            name=row["name"],
            redirects=RedirectPolicy(row["base_url"], tuple(row["redirect_urls"]), allow_http=allow_http),
            default_redirect_url=row["default_redirect_url"],
            landing_url=row["landing_url"],
            ttl_seconds=row["ttl_seconds"],
            max_ttl_seconds=row["max_ttl_seconds"],
            grant_ttl_seconds=row["grant_ttl_seconds"],
            passcode_format=f"{row['passcode_strategy']}:{row['passcode_length']}",
            locale=row["locale"],
            intake=row["intake"],
            interactive_per_minute=row["interactive_per_minute"],
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


@dataclass(frozen=True, slots=True)
class UserKey:
    """How a request names its user: `kind` is `user_id`, `email` or `phone`."""

    app_id: UUID
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A link that its app allows, with the id it will have. Only its user is not known yet."""

    link_id: UUID
    app: App
    user: UserKey
    lane: str
    redirect_url: str | None
    ttl_seconds: int
    state: str | None
    request: LinkRequest


def draft_link(app: App, request: LinkRequest, default_lane: str, clock: Clock = wall) -> Draft:
    """Return the draft of an allowed link. Raises `Invalid` with every rule of the app that the request breaks."""
    problems: list[FieldProblem] = []
    ttl_seconds = request.ttl_seconds or app.ttl_seconds
    if ttl_seconds > app.max_ttl_seconds:
        problems.append(
            FieldProblem(
                "ttl_seconds",
                "ttl_too_long",
                f"is more than the app's max_ttl_seconds, {app.max_ttl_seconds}",
            )
        )
    redirect_url = _resolve_redirect(app, request, problems)
    if request.send_at is not None:
        ahead_seconds = (request.send_at - datetime.fromtimestamp(clock(), UTC)).total_seconds()
        if ahead_seconds > MAX_AHEAD_SECONDS - MAX_TTL_SECONDS:
            problems.append(FieldProblem("send_at", "send_at_too_far", "is more than 30 days ahead"))
    if problems:
        raise Invalid(problems)
    return Draft(
        link_id=new_link_id(),
        app=app,
        user=_user_key(app, request),
        lane=request.lane or default_lane,
        redirect_url=redirect_url,
        ttl_seconds=ttl_seconds,
        state=None if request.state is None else orjson.dumps(request.state).decode(),
        request=request,
    )


def _resolve_redirect(app: App, request: LinkRequest, problems: list[FieldProblem]) -> str | None:
    wanted = request.redirect_url or app.default_redirect_url
    if wanted is None:
        return None  # redeemed through the API, or on the app's own page
    try:
        return app.redirects.resolve(wanted)
    except RedirectRefused as refused:
        problems.append(FieldProblem("redirect_url", refused.rule, str(refused)))
        return None


def _user_key(app: App, request: LinkRequest) -> UserKey:
    if request.email is not None:
        return UserKey(app.id, "email", request.email)
    if request.phone is not None:
        return UserKey(app.id, "phone", request.phone)
    return UserKey(app.id, "user_id", str(request.user_id))
