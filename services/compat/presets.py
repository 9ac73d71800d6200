"""What an app must be like to answer as a vendor's: names, lives and forms, as that vendor has them (its documents).

An operator's command and the development cluster make apps of it; compat itself never writes one.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shared.api_keys import SCOPES
from shared.public_ids import ulid
from shared.tokens import ALPHABET, new_link_id

VENDOR_SCOPES = tuple(scope for scope in SCOPES if not scope.startswith("apps:"))
"""What a vendor's key may do: everything within its app, nothing over apps."""

COMPAT_SCOPES = (*VENDOR_SCOPES, "apps:act")
"""What compat's own key may do, for apps that answer as a vendor's: what their calls without a key come to."""

_LONG_SECONDS = 604_800


@dataclass(frozen=True, slots=True)
class Place:
    """Where an app's product is, and where compat is as its SDK reaches it. `redirect_urls` is where links may lead."""

    base_url: str | None
    redirect_urls: tuple[str, ...]
    compat_url: str


@dataclass(frozen=True, slots=True)
class Preset:
    """`id_name` and `key_name`: how the SDK calls what it is given. The functions take the vendor's id of the app and its place."""

    id_name: str
    key_name: str
    new_id: Callable[[], str]
    settings: Mapping[str, Any]
    identity: Callable[[str, Place], Mapping[str, Any]]
    # Where the vendor's own page stands that links may lead to, under compat.
    page_path: str | None = None
    has_base_url: bool = True

    def app(self, vendor: str, vendor_id: str, place: Place) -> dict[str, Any]:
        """Return the settings of an app, for `POST /v1/apps`, without its name."""
        page = () if self.page_path is None else (f"{place.compat_url}{self.page_path}/*",)
        redirect_urls = [*place.redirect_urls, *page]
        return {
            "vendor": vendor,
            "vendor_id": vendor_id,
            # Every vendor's SDK checks RS256.
            "jwt_algorithm": "RS256",
            "base_url": place.base_url if self.has_base_url else None,
            "redirect_urls": redirect_urls,
            "default_redirect_url": place.redirect_urls[0] if place.redirect_urls else None,
            **self.settings,
            **self.identity(vendor_id, place),
        }


def _stytch_identity(project_id: str, _: Place) -> dict[str, Any]:
    environment = "live" if project_id.startswith("project-live-") else "test"
    return {
        "jwt_issuer": f"stytch.com/{project_id}",
        "jwt_audience": [project_id],
        "user_id_format": f"user-{environment}-{{uuid}}",
    }


def _passage_identity(app_id: str, place: Place) -> dict[str, Any]:
    # An older SDK checks for the app's origin, a newer one for its id.
    origin = [place.base_url] if place.base_url else []
    return {"jwt_audience": [app_id, *origin], "user_id_format": "{base62}"}


PRESETS: Mapping[str, Preset] = {
    "stytch": Preset(
        id_name="project_id",
        key_name="secret",
        new_id=lambda: f"project-live-{uuid4()}",
        settings={"ttl_seconds": 3600, "max_ttl_seconds": _LONG_SECONDS},
        identity=_stytch_identity,
    ),
    "workos": Preset(
        id_name="client_id",
        key_name="api_key",
        new_id=lambda: f"client_{ulid(new_link_id())}",
        # A redirect URI is registered whole, and a code lives ten minutes.
        settings={"redirects_exact": True, "ttl_seconds": 900, "grant_ttl_seconds": 600},
        identity=lambda client_id, _: {"jwt_audience": [client_id], "user_id_format": "user_{ulid}"},
        has_base_url=False,
    ),
    "passage": Preset(
        id_name="app_id",
        key_name="api_key",
        new_id=lambda: "".join(secrets.choice(ALPHABET) for _ in range(24)),
        settings={"ttl_seconds": 3600, "max_ttl_seconds": _LONG_SECONDS},
        identity=_passage_identity,
    ),
    "fusionauth": Preset(
        id_name="tenant_id",
        key_name="api_key",
        new_id=lambda: str(uuid4()),
        settings={
            "ttl_seconds": 180,
            "passcode_strategy": "bytes",
            "passcode_length": 32,
            "passcode_standalone": True,
            "latest_only": ["login"],
        },
        identity=lambda _, place: {"jwt_issuer": place.compat_url},
        page_path="/oauth2/passwordless",
    ),
}
