"""The verifier's table of routes."""

from dataclasses import dataclass

from services.verifier.answer import Answers
from services.verifier.api import VerifierApi
from services.verifier.browser import BrowserCookie
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange
from services.verifier.pages import PageReads, Pages
from services.verifier.settings import VerifierSettings
from services.verifier.store import VerifierStore
from services.verifier.views import Views
from shared.http.routes import Route


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What the handlers need."""

    store: VerifierStore
    consume: Consume
    exchange: Exchange
    settings: VerifierSettings


def verifier_routes(parts: RouteParts) -> list[Route]:
    """Return every route of the verifier."""
    settings = parts.settings
    reads = PageReads(parts.store.look, settings.ring, BrowserCookie(settings.public_url), Views())
    pages = Pages(reads, parts.consume, settings.public_url)
    answers = Answers(settings.signing, settings.public_url)
    api = VerifierApi(parts.consume, parts.exchange, answers, settings.ring)
    return [*pages.routes(), *api.routes()]
