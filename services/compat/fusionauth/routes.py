"""FusionAuth's table of routes."""

from services.compat.fusionauth.api_actions import ActionsApi
from services.compat.fusionauth.api_applications import ApplicationsApi
from services.compat.fusionauth.api_jwts import JwtsApi
from services.compat.fusionauth.api_passwordless import PasswordlessApi
from services.compat.fusionauth.api_registrations import RegistrationsApi
from services.compat.fusionauth.api_sign_out import SignOutApi
from services.compat.fusionauth.api_tenants import TenantsApi
from services.compat.fusionauth.api_two_factor import TwoFactorApi
from services.compat.fusionauth.api_users import UsersApi
from services.compat.fusionauth.pages import Pages
from services.compat.fusionauth.tenants import Tenants
from services.compat.fusionauth.views import Views
from services.compat.parts import CompatParts
from shared.http.browsers import BrowserCookie
from shared.http.routes import Route


def fusionauth_routes(parts: CompatParts) -> list[Route]:
    """Return every route of FusionAuth's API, and the page behind its links."""
    tenants = Tenants(parts.accounts)
    return [
        *PasswordlessApi(parts, tenants).routes(),
        *TwoFactorApi(parts, tenants).routes(),
        *RegistrationsApi(tenants).routes(),
        *ActionsApi(tenants).routes(),
        *UsersApi(tenants).routes(),
        *ApplicationsApi(tenants).routes(),
        *TenantsApi(parts.accounts, tenants).routes(),
        *JwtsApi(parts, tenants).routes(),
        *SignOutApi(parts, tenants).routes(),
        *Pages(parts, tenants, Views(), BrowserCookie(parts.public_url)).routes(),
    ]
