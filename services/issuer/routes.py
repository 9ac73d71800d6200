"""The issuer's table of routes."""

from collections.abc import Callable
from dataclasses import dataclass

from services.issuer.announce import Announcer
from services.issuer.api_applications import ApplicationsApi
from services.issuer.api_apps import AppsApi
from services.issuer.api_connections import ConnectionsApi
from services.issuer.api_explain import ExplainApi
from services.issuer.api_keys import KeyRegister
from services.issuer.api_links import LinksApi
from services.issuer.api_passcodes import PasscodesApi
from services.issuer.api_reading import ReadingApi
from services.issuer.api_registrations import RegistrationsApi
from services.issuer.api_sending import SendingApi
from services.issuer.api_users import UsersApi
from services.issuer.api_webhooks import WebhooksApi
from services.issuer.applications import Applications
from services.issuer.apps import AppRegister
from services.issuer.connections import Connections
from services.issuer.explain import Explain
from services.issuer.idempotency import Once
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.passcodes import SendByPasscode
from services.issuer.policy import Apps
from services.issuer.registrations import Registrations
from services.issuer.resend import Resend
from services.issuer.reveal import Reveal
from services.issuer.revoke import Revoke
from services.issuer.send import Send
from services.issuer.sending import Post
from services.issuer.text_limits import TextLimits
from services.issuer.users import Users
from services.issuer.webhooks import Webhooks
from shared.cache import Cache
from shared.database import Pool
from shared.guesses import GuessLimits
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
    post = Post(
        Once(tenancy.pool), tenancy.bell, issuing.lanes, texts, issuing.queue_lease_seconds, issuing.ring
    )
    sending = SendingApi(Send(post), Resend(post), links)
    by_passcode = SendByPasscode(post, GuessLimits(tenancy.cache))
    passcodes = PasscodesApi(links, by_passcode, Reveal(tenancy.pool))
    made = [*links.routes(), *passcodes.routes(), *explained.routes(), *sending.routes()]
    return with_document("issuer", [*made, *tenancy_routes(tenancy)])


def tenancy_routes(parts: TenancyParts) -> list[Route]:
    """Return the routes of apps, keys, users, applications, connections, and of links and messages after they were made."""
    once = Once(parts.pool)
    announcer = Announcer(parts.cache, parts.forget)
    revoke = Revoke(once, parts.bell, parts.cache)
    apps = AppRegister(parts.pool, once, announcer, parts.allow_http)
    keys = KeyRegister(parts.pool, once, announcer)
    return [
        *AppsApi(apps, keys, parts.ring).routes(),
        *UsersApi(Users(parts.pool, once, revoke), parts.ring).routes(),
        *ApplicationsApi(Applications(parts.pool, once, parts.bell), parts.ring).routes(),
        *RegistrationsApi(Registrations(parts.pool, once, parts.bell), parts.ring).routes(),
        *ConnectionsApi(Connections(parts.pool)).routes(),
        *ReadingApi(parts.pool, revoke, parts.ring).routes(),
        *WebhooksApi(Webhooks(parts.pool, once, parts.bell, parts.ring), parts.allow_http).routes(),
    ]
