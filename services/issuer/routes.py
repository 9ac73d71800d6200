"""The issuer's table of routes."""

from collections.abc import Callable
from dataclasses import dataclass

from services.issuer.announce import Announcer
from services.issuer.api_apps import AppsApi
from services.issuer.api_explain import ExplainApi
from services.issuer.api_keys import KeyRegister
from services.issuer.api_links import LinksApi
from services.issuer.api_reading import ReadingApi
from services.issuer.api_sending import SendingApi
from services.issuer.api_users import UsersApi
from services.issuer.apps import AppRegister
from services.issuer.explain import Explain
from services.issuer.idempotency import Once
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.resend import Resend
from services.issuer.revoke import Revoke
from services.issuer.send import Send
from services.issuer.sending import Post
from services.issuer.text_limits import TextLimits
from services.issuer.users import Users
from shared.cache import Cache
from shared.database import Pool
from shared.http.openapi import with_document
from shared.http.routes import Route
from shared.keys import KeyRing
from shared.outbox import OutboxBell


@dataclass(frozen=True, slots=True)
class TenancyParts:
    """What the routes of apps, keys, users, and of links after they were made need.

    `forget` clears this process's caches of apps and keys; `allow_http` is for dev.
    """

    pool: Pool
    cache: Cache
    bell: OutboxBell
    ring: KeyRing
    allow_http: bool
    forget: Callable[[], object]


@dataclass(frozen=True, slots=True)
class IssuingParts:
    """What the routes that make links need."""

    issue: Issue
    apps: Apps
    lanes: Lanes
    ring: KeyRing
    public_url: str
    queue_lease_seconds: float


def issuer_routes(issuing: IssuingParts, tenancy: TenancyParts) -> list[Route]:
    """Return every route of the issuer."""
    links = LinksApi(issuing.issue, issuing.apps, issuing.lanes, issuing.ring, issuing.public_url)
    texts = TextLimits(tenancy.cache)
    explain = Explain(tenancy.pool, issuing.lanes, texts, issuing.public_url)
    explained = ExplainApi(issuing.apps, explain)
    post = Post(Once(tenancy.pool), tenancy.bell, issuing.lanes, texts, issuing.queue_lease_seconds)
    sending = SendingApi(Send(post), Resend(post), links)
    return with_document(
        "issuer", [*links.routes(), *explained.routes(), *sending.routes(), *tenancy_routes(tenancy)]
    )


def tenancy_routes(parts: TenancyParts) -> list[Route]:
    """Return the routes of apps, keys, users, and of links and messages after they were made."""
    once = Once(parts.pool)
    announcer = Announcer(parts.cache, parts.forget)
    revoke = Revoke(once, parts.bell, parts.cache)
    apps = AppRegister(parts.pool, once, announcer, parts.allow_http)
    keys = KeyRegister(parts.pool, once, announcer)
    return [
        *AppsApi(apps, keys, parts.ring).routes(),
        *UsersApi(Users(parts.pool, once, revoke), parts.ring).routes(),
        *ReadingApi(parts.pool, revoke, parts.ring).routes(),
    ]
