"""Wires the verifier. The only place where its parts meet."""

from services.verifier.answer import Answers
from services.verifier.challenges import Challenges
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.login import Login
from services.verifier.login_policy import LoginPolicy
from services.verifier.page_rows import PageRows
from services.verifier.pairing import PairingReads
from services.verifier.passcode_store import SQL as PASSCODES_SQL
from services.verifier.passcode_store import PasscodeStore
from services.verifier.passcodes import Passcodes, Watch
from services.verifier.refresh import Refresh
from services.verifier.refusals import Refusals
from services.verifier.renewal import SQL as PAGES_SQL
from services.verifier.renewal import Renewal
from services.verifier.routes import RouteParts, verifier_routes
from services.verifier.second_factors import SQL as SECOND_FACTORS_SQL
from services.verifier.second_factors import SecondFactors
from services.verifier.second_step import SecondStep
from services.verifier.session_tokens import SessionTokens
from services.verifier.sessions import SQL as SESSIONS_SQL
from services.verifier.sessions import Sessions
from services.verifier.settings import VerifierSettings
from services.verifier.store import SQL, VerifierStore
from services.verifier.trusted_devices import TrustedDevices
from services.verifier.visits import Visits
from shared.api_keys import SQL as API_KEYS_SQL
from shared.api_keys import ApiKeys
from shared.changes import forget_on_change
from shared.database import Pool
from shared.guesses import GuessLimits
from shared.http.edge import make_edge
from shared.http.ops import Health
from shared.lifecycle import Service, run_service
from shared.outbox import OutboxBell
from shared.settings import load_settings
from shared.stores import open_stores


def main() -> int:
    """Run the verifier until it is told to stop."""
    settings = load_settings(VerifierSettings)
    return run_service("verifier", settings, lambda service: start(service, settings))


async def start(service: Service, settings: VerifierSettings) -> None:
    """Start in order: stores, transitions, then the listeners."""
    blocks = [SQL, PASSCODES_SQL, PAGES_SQL, SESSIONS_SQL, SECOND_FACTORS_SQL, API_KEYS_SQL]
    stores = await open_stores(service, settings, blocks, generic_plans=True)
    pool, cache, bell = stores.pool, stores.cache, stores.bell
    store = VerifierStore(pool)
    visits = Visits(store)
    service.on_stop(visits.flush)
    service.run_task(visits.run(), "visits")
    page_rows = PageRows(pool)
    service.on_stop(page_rows.drain)
    consume = Consume(store, cache, bell, visits.note)
    service.on_stop(consume.drain)
    refusals = Refusals(PasscodeStore(pool), bell)
    service.on_stop(refusals.flush)
    service.run_task(refusals.run(), "refusals")
    watch = Watch(visits.note, refusals, GuessLimits(cache))
    passcodes = Passcodes(PasscodeStore(pool), consume, settings.ring, watch)
    exchange = Exchange(store, bell)
    service.on_stop(exchange.drain)
    api_keys = ApiKeys(pool)
    service.run_task(forget_on_change(cache, api_keys.forget), "forget-on-change")

    devices = TrustedDevices(pool, settings.ring)
    challenges = Challenges(pool, settings.ring, devices)
    login = _login(pool, bell, settings, LoginPolicy(challenges, devices))
    routes = verifier_routes(
        RouteParts(
            store,
            consume,
            passcodes,
            exchange,
            login,
            Refresh(pool, login.sessions, bell),
            SecondFactors(pool, settings.ring),
            SecondStep(challenges, devices, store, login),
            Renewal(pool, cache, bell),
            PairingReads(pool, cache),
            page_rows,
            visits.note,
            settings,
        )
    )
    # Without Redis links are verified all the same, slower: no reason to take the replica out (G8).
    health = Health(
        {"postgresql": lambda: pool.fetchval("SELECT 1"), "redis": cache.ping}, optional=frozenset({"redis"})
    )
    await service.serve(make_edge(settings, cache, api_keys).application(routes), health)


def _login(pool: Pool, bell: OutboxBell, settings: VerifierSettings, policy: LoginPolicy) -> Login:
    tokens = SessionTokens(settings.ring, settings.signing)
    return Login(policy, Sessions(pool, tokens, bell), Answers(settings.signing, settings.public_url, tokens))
