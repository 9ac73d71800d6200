"""WorkOS's part of compat: passwordless sessions, SSO, Magic Auth, users (VENDORS §2). `/sso/authorize` is left to hosted login."""

from typing import Final

from services.compat.parts import CompatParts
from services.compat.workos.authenticate import Authenticate
from services.compat.workos.connections import Connections
from services.compat.workos.errors import oauth_refusal_view, refusal_view
from services.compat.workos.listing import UserLists
from services.compat.workos.magic_auth import MagicAuth
from services.compat.workos.passwordless import Passwordless
from services.compat.workos.sso import SingleSignOn
from services.compat.workos.users import Users
from services.compat.workos.webhooks import Webhooks
from shared.http.routes import Delegated, Handler, Public, Route

_KEY: Final = Delegated("an API key in the Authorization header, checked by the native API")
_CLIENT: Final = Delegated("the client's secret in the body, which is an API key, checked by the native API")
_TOKEN: Final = Delegated("the access token of a native session, checked by the native API")
_PUBLIC_KEYS: Final = Public("public keys, the same for everybody")
_SIGNED: Final = Public("the signature of the native webhook, checked before anything is read")


def workos_routes(parts: CompatParts) -> list[Route]:
    """Return the routes."""
    sso, authenticate = SingleSignOn(parts), Authenticate(parts)
    return [
        Route("POST", "/sso/token", sso.token, _CLIENT, refusal_view=oauth_refusal_view),
        Route("GET", "/sso/profile", sso.profile, _TOKEN, refusal_view=refusal_view),
        Route("GET", "/sso/jwks/{client_id}", sso.jwks, _PUBLIC_KEYS, refusal_view=refusal_view),
        Route(
            "POST",
            "/user_management/authenticate",
            authenticate.authenticate,
            _CLIENT,
            refusal_view=oauth_refusal_view,
        ),
        Route(
            "POST",
            "/webhooks/workos/{client_id}",
            Webhooks(parts).forward,
            _SIGNED,
            refusal_view=refusal_view,
        ),
        *(
            Route(method, path, handler, _KEY, refusal_view=refusal_view)
            for method, path, handler in _keyed(parts)
        ),
    ]


def _keyed(parts: CompatParts) -> list[tuple[str, str, Handler]]:
    passwordless, magic_auth, users = Passwordless(parts), MagicAuth(parts), Users(parts)
    connections = Connections(parts)
    return [
        ("POST", "/passwordless/sessions", passwordless.create),
        ("POST", "/passwordless/sessions/{id}/send", passwordless.send),
        ("GET", "/connections", connections.list),
        ("GET", "/connections/{id}", connections.get),
        ("POST", "/user_management/magic_auth", magic_auth.create),
        ("GET", "/user_management/magic_auth/{id}", magic_auth.get),
        ("POST", "/user_management/sessions/revoke", Authenticate(parts).revoke),
        ("GET", "/user_management/users", UserLists(parts).list),
        ("POST", "/user_management/users", users.create),
        ("GET", "/user_management/users/external_id/{external_id}", users.get_by_external_id),
        ("GET", "/user_management/users/{id}", users.get),
        ("PUT", "/user_management/users/{id}", users.update),
        ("DELETE", "/user_management/users/{id}", users.delete),
    ]
