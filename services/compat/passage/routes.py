"""Passage's table of routes: the management API and the end-user API, which share their paths."""

from services.compat.parts import CompatParts
from services.compat.passage.activation import BrowserApi
from services.compat.passage.app_info import AppApi
from services.compat.passage.callers import Callers
from services.compat.passage.magic_links import MagicLinksApi
from services.compat.passage.users import UsersApi
from shared.http.routes import Route


def passage_routes(parts: CompatParts) -> list[Route]:
    """Return every route of Passage's contract."""
    callers = Callers(parts.accounts)
    return [
        *MagicLinksApi(callers).routes(),
        *UsersApi(callers).routes(),
        *BrowserApi(callers, parts.attempts).routes(),
        *AppApi(callers).routes(),
        *callers.routes(),
    ]
