"""Wires the verifier. The only place where its parts meet."""

from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.pairing import PairingReads
from services.verifier.passcodes import Passcodes
from services.verifier.renewal import SQL as PAGES_SQL
from services.verifier.renewal import Renewal
from services.verifier.routes import RouteParts, verifier_routes
from services.verifier.settings import VerifierSettings
from services.verifier.store import SQL, VerifierStore
from services.verifier.visits import Visits
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
    stores = await open_stores(service, settings, [SQL, PAGES_SQL, API_KEYS_SQL], generic_plans=True)
    pool, cache, bell = stores.pool, stores.cache, stores.bell
    store = VerifierStore(pool)
    visits = Visits(store)
    service.on_stop(visits.flush)
    service.run_task(visits.run(), "visits")
    consume = Consume(store, cache, bell, visits.note)
    service.on_stop(consume.drain)
    passcodes = Passcodes(store, consume, settings.ring, visits.note)
    exchange = Exchange(store, bell)
    service.on_stop(exchange.drain)
    api_keys = ApiKeys(pool)
    service.run_task(forget_on_change(cache, api_keys.forget), "forget-on-change")

    routes = verifier_routes(
        RouteParts(
            store,
            consume,
            passcodes,
            exchange,
            Renewal(pool, cache, bell),
            PairingReads(pool, cache),
            visits.note,
            settings,
        )
    )
    # Without Redis links are verified all the same, slower: no reason to take the replica out (G8).
    health = Health(
        {"postgresql": lambda: pool.fetchval("SELECT 1"), "redis": cache.ping}, optional=frozenset({"redis"})
    )
    await service.serve(make_edge(settings, cache, api_keys).application(routes), health)
