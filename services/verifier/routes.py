"""The verifier's table of routes."""

from dataclasses import dataclass

from services.verifier.api import VerifierApi
from services.verifier.api_challenges import ChallengesApi
from services.verifier.api_jwts import JwtsApi
from services.verifier.api_pairing import PairingApi
from services.verifier.api_second_factors import SecondFactorsApi
from services.verifier.api_sessions import SessionsApi
from services.verifier.browser import PairingCookie
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.jwts import Jwts
from services.verifier.login import Login
from services.verifier.login_requests import LoginRequests
from services.verifier.page_rows import PageRows
from services.verifier.pages import PageReads, Pages
from services.verifier.pairing import PairingReads
from services.verifier.passcodes import Passcodes
from services.verifier.poll import Poll
from services.verifier.refresh import Refresh
from services.verifier.renewal import Renewal
from services.verifier.second_factors import SecondFactors
from services.verifier.second_step import SecondStep
from services.verifier.settings import VerifierSettings
from services.verifier.store import VerifierStore
from services.verifier.views import Views
from services.verifier.visits import Note
from shared.http.browsers import BrowserCookie
from shared.http.openapi import with_document
from shared.http.routes import Route


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What the handlers need."""

    store: VerifierStore
    consume: Consume
    passcodes: Passcodes
    exchange: Exchange
    login: Login
    refresh: Refresh
    second_factors: SecondFactors
    second_step: SecondStep
    renewal: Renewal
    pairing: PairingReads
    page_rows: PageRows
    note: Note
    settings: VerifierSettings


def verifier_routes(parts: RouteParts) -> list[Route]:
    """Return every route of the verifier."""
    settings = parts.settings
    ring, public_url, views = settings.ring, settings.public_url, Views()
    pairings = PairingCookie(public_url)
    reads = PageReads(parts.page_rows.find, ring, BrowserCookie(public_url), pairings, views, parts.note)
    pages = Pages(reads, parts.consume, parts.renewal, public_url)
    pairing = PairingApi(parts.pairing, ring, pairings, views, public_url, settings.is_dev)
    requests = LoginRequests(parts.login.sessions)
    api = VerifierApi(parts.consume, parts.passcodes, parts.exchange, parts.login, requests, settings.ring)
    factors = [
        *SecondFactorsApi(parts.second_factors).routes(),
        *ChallengesApi(parts.second_step, requests).routes(),
    ]
    jwts = Jwts(parts.login.sessions, parts.login.answers)
    sessions = [
        *SessionsApi(parts.login, requests, parts.refresh).routes(),
        *JwtsApi(jwts, Poll(parts.store, parts.login), requests, settings.ring).routes(),
    ]
    own = [*pages.routes(), *pairing.routes(), *api.routes()]
    return with_document("verifier", [*own, *sessions, *factors])
