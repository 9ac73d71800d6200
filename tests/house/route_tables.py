"""The route tables of every service, made of the real objects. Nothing connects: pools and caches are absent."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from services.compat.parts import CompatParts
from services.compat.routes import compat_routes
from services.issuer.routes import IssuingParts, TenancyParts, issuer_routes
from services.notifier.main import notifier_routes
from services.verifier.answer import Answers
from services.verifier.challenges import Challenges
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.login import Login
from services.verifier.login_policy import LoginPolicy
from services.verifier.page_rows import PageRows
from services.verifier.pairing import PairingReads
from services.verifier.passcodes import Passcodes
from services.verifier.refresh import Refresh
from services.verifier.renewal import Renewal
from services.verifier.routes import RouteParts, verifier_routes
from services.verifier.second_factors import SecondFactors
from services.verifier.second_step import SecondStep
from services.verifier.session_tokens import SessionTokens
from services.verifier.sessions import Sessions
from services.verifier.signing_keys import SigningKeys, generate_signing_keys
from services.verifier.store import VerifierStore
from services.verifier.trusted_devices import TrustedDevices
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
    devices = TrustedDevices(NOTHING, settings.ring)
    challenges = Challenges(NOTHING, settings.ring, devices)
    tokens = SessionTokens(settings.ring, settings.signing)
    login = Login(
        LoginPolicy(challenges, devices),
        Sessions(NOTHING, tokens, NOTHING),
        Answers(settings.signing, settings.public_url, tokens),
    )
    parts = RouteParts(
        store=store,
        consume=consume,
        passcodes=Passcodes(NOTHING, consume, settings.ring, NOTHING),
        exchange=Exchange(store, NOTHING),
        login=login,
        refresh=Refresh(NOTHING, login.sessions, NOTHING),
        second_factors=SecondFactors(NOTHING, settings.ring),
        second_step=SecondStep(challenges, devices, store, login),
        renewal=Renewal(NOTHING, NOTHING, NOTHING),
        pairing=PairingReads(NOTHING, NOTHING),
        page_rows=PageRows(NOTHING),
        note=note_nothing,
        settings=settings,
    )
    return verifier_routes(parts)


def _notifier() -> list[Route]:
    settings: Any = SimpleNamespace(twilio_auth_token=SecretStr("x"), callback_url="https://notifier.example")
    return notifier_routes(settings, NOTHING, NOTHING)


def _compat() -> list[Route]:
    settings: Any = SimpleNamespace(compat_url="https://vendors.example", forwards=[], is_dev=False)
    return compat_routes(CompatParts(NOTHING, NOTHING, NOTHING, settings))


TABLES: dict[str, Callable[[], list[Route]]] = {
    "issuer": _issuer,
    "verifier": _verifier,
    "notifier": _notifier,
}
"""The native API, which is ours to describe."""


@cache
def all_routes() -> tuple[tuple[str, Route], ...]:
    """Return every route of the native API with its service."""
    return tuple((service, route) for service, table in TABLES.items() for route in table())


@cache
def vendor_routes() -> tuple[Route, ...]:
    """Return compat's routes. What they take and answer is the vendors' to say; their own SDKs hold it against that (tests/conformance)."""
    return tuple(_compat())
