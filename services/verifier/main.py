"""Wires the verifier. The only place where its parts meet."""

from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.routes import RouteParts, verifier_routes
from services.verifier.settings import VerifierSettings
from services.verifier.store import SQL, VerifierStore
from shared.api_keys import SQL as API_KEYS_SQL
from shared.api_keys import ApiKeys
from shared.changes import forget_on_change
from shared.http.edge import make_edge
from shared.http.ops import Health
from shared.lifecycle import Service, run_service
from shared.settings import load_settings
from shared.stores import open_stores


def main() -> int:
    """Run the verifier until it is told to stop."""
    settings = load_settings(VerifierSettings)
    return run_service("verifier", settings, lambda service: start(service, settings))


async def start(service: Service, settings: VerifierSettings) -> None:
    """Start in order: stores, transitions, then the listeners."""
    stores = await open_stores(service, settings, [SQL, API_KEYS_SQL], generic_plans=True)
    pool, cache, bell = stores.pool, stores.cache, stores.bell
    store = VerifierStore(pool)
    consume = Consume(store, cache, bell)
    service.on_stop(consume.drain)
    exchange = Exchange(store, bell)
    service.on_stop(exchange.drain)
    api_keys = ApiKeys(pool)
    service.run_task(forget_on_change(cache, api_keys.forget), "forget-on-change")

    routes = verifier_routes(RouteParts(store, consume, exchange, settings))
    # Without Redis links are verified all the same, slower: no reason to take the replica out (G8).
    health = Health(
        {"postgresql": lambda: pool.fetchval("SELECT 1"), "redis": cache.ping}, optional=frozenset({"redis"})
    )
    await service.serve(make_edge(settings, cache, api_keys).application(routes), health)
