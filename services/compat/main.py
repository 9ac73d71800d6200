"""Wires compat. The only place where its parts meet."""

import aiohttp

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.native import Native, Urls
from services.compat.own_key import check_own_key
from services.compat.parts import CompatParts
from services.compat.routes import compat_routes, unmatched_view
from services.compat.settings import CompatSettings
from shared.cache import Cache
from shared.changes import forget_on_change
from shared.http.edge import make_edge
from shared.http.ops import Health
from shared.lifecycle import Service, run_service
from shared.settings import load_settings


def main() -> int:
    """Run compat until it is told to stop."""
    settings = load_settings(CompatSettings)
    return run_service("compat", settings, lambda service: start(service, settings))


async def start(service: Service, settings: CompatSettings) -> None:
    """Start in order: connections, then the listeners."""
    cache = Cache(settings.redis_url.get_secret_value(), budget_seconds=settings.redis_budget_ms / 1000)
    service.on_stop(cache.close)
    # No cookies: what one caller's answer sets must not go along with another's call.
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=200)
    )
    service.on_stop(session.close)
    urls = Urls(settings.issuer_url, settings.verifier_url)
    native = Native(session, urls, settings.compat_api_key.get_secret_value())
    accounts = Accounts(native)
    service.run_task(forget_on_change(cache, accounts.forget), "forget-on-change")
    parts = CompatParts(native, accounts, Attempts(), settings)
    # Redis holds limits that fail open and the news of changes: no reason to take the replica out (G8).
    health = Health(
        {"issuer": lambda: check_own_key(native), "redis": cache.ping}, optional=frozenset({"redis"})
    )
    edge = make_edge(settings, cache, api_keys=None)
    await service.serve(edge.application(compat_routes(parts), unmatched_view), health)
