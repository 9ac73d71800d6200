"""Stytch's consumer API (VENDORS §1): what its SDKs call for magic links, passcodes, sessions and users.

Each call is a project's, by its secret. It is put into native calls here, and their answers into Stytch's bodies; what may be done
and what is true is the native API's to say. Whatever else Stytch does (passwords, OAuth, passkeys, M2M) has no route.
"""

from services.compat.parts import CompatParts
from services.compat.stytch.authenticating import Authenticating
from services.compat.stytch.email_links import EmailLinks
from services.compat.stytch.magic_links import MagicLinks
from services.compat.stytch.otps import Otps
from services.compat.stytch.sessions import Sessions
from services.compat.stytch.users import Users
from shared.http.routes import Route


def stytch_routes(parts: CompatParts) -> list[Route]:
    """Return every route of Stytch's contract."""
    authenticating = Authenticating(parts.attempts)
    return [
        *MagicLinks(parts.accounts, authenticating).routes(),
        *EmailLinks(parts.accounts).routes(),
        *Otps(parts.accounts, authenticating).routes(),
        *Sessions(parts.accounts).routes(),
        *Users(parts.accounts).routes(),
    ]
