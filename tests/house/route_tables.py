"""The route tables of every service, made of the real objects. Nothing connects: pools and caches are absent."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from services.issuer.routes import IssuingParts, TenancyParts, issuer_routes
from services.notifier.main import notifier_routes
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.pairing import PairingReads
from services.verifier.passcodes import Passcodes
from services.verifier.renewal import Renewal
from services.verifier.routes import RouteParts, verifier_routes
from services.verifier.signing_keys import SigningKeys, generate_signing_keys
from services.verifier.store import VerifierStore
from services.verifier.visits import note_nothing
from shared.http.routes import Route
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master

NOTHING: Any = None


def _ring(service: str) -> KeyRing:
    return KeyRing.parse(derive_ring(new_master(), service), SERVICE_PURPOSES[service])


def _issuer() -> list[Route]:
    ring = _ring("issuer")
    issuing = IssuingParts(
        issue=NOTHING,
        apps=NOTHING,
        lanes=NOTHING,
        ring=ring,
        public_url="https://login.example",
        queue_lease_seconds=60,
    )
    tenancy = TenancyParts(
        pool=NOTHING, cache=NOTHING, bell=NOTHING, ring=ring, allow_http=False, forget=lambda: None
    )
    return issuer_routes(issuing, tenancy)


def _verifier() -> list[Route]:
    store = VerifierStore(NOTHING)
    settings: Any = SimpleNamespace(
        ring=_ring("verifier"),
        public_url="https://login.example",
        is_dev=False,
        signing=SigningKeys.parse(generate_signing_keys()),
    )
    consume = Consume(store, NOTHING, NOTHING)
    parts = RouteParts(
        store=store,
        consume=consume,
        passcodes=Passcodes(store, consume, settings.ring, NOTHING),
        exchange=Exchange(store, NOTHING),
        renewal=Renewal(NOTHING, NOTHING, NOTHING),
        pairing=PairingReads(NOTHING, NOTHING),
        note=note_nothing,
        settings=settings,
    )
    return verifier_routes(parts)


def _notifier() -> list[Route]:
    settings: Any = SimpleNamespace(twilio_auth_token=SecretStr("x"), callback_url="https://notifier.example")
    return notifier_routes(settings, NOTHING, NOTHING)


TABLES: dict[str, Callable[[], list[Route]]] = {
    "issuer": _issuer,
    "verifier": _verifier,
    "notifier": _notifier,
}


@cache
def all_routes() -> tuple[tuple[str, Route], ...]:
    """Return every route with its service."""
    return tuple((service, route) for service, table in TABLES.items() for route in table())
