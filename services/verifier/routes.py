"""The verifier's table of routes."""

from dataclasses import dataclass

from services.verifier.answer import Answers
from services.verifier.api import VerifierApi
from services.verifier.api_pairing import PairingApi
from services.verifier.browser import BrowserCookie, PairingCookie
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.pages import PageReads, Pages
from services.verifier.pairing import PairingReads
from services.verifier.passcodes import Passcodes
from services.verifier.renewal import Renewal
from services.verifier.settings import VerifierSettings
from services.verifier.store import VerifierStore
from services.verifier.views import Views
from services.verifier.visits import Note
from shared.http.openapi import with_document
from shared.http.routes import Route


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What the handlers need."""

    store: VerifierStore
    consume: Consume
    passcodes: Passcodes
    exchange: Exchange
    renewal: Renewal
    pairing: PairingReads
    note: Note
    settings: VerifierSettings


def verifier_routes(parts: RouteParts) -> list[Route]:
    """Return every route of the verifier."""
    settings = parts.settings
    ring, public_url, views = settings.ring, settings.public_url, Views()
    pairings = PairingCookie(public_url)
    reads = PageReads(parts.store.look, ring, BrowserCookie(public_url), pairings, views, parts.note)
    pages = Pages(reads, parts.consume, parts.renewal, public_url)
    pairing = PairingApi(parts.pairing, ring, pairings, views, public_url, settings.is_dev)
    answers = Answers(settings.signing, settings.public_url)
    api = VerifierApi(parts.consume, parts.passcodes, parts.exchange, answers, settings.ring)
    return with_document("verifier", [*pages.routes(), *pairing.routes(), *api.routes()])
