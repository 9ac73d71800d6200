"""What a product on `passage-identity` 3 does, unmodified but for where its servers are. Runs in the SDK's own environment."""

import os
from functools import cache
from typing import Any

import jwt
from passageidentity import Passage  # type: ignore[import-not-found]
from passageidentity.models.magic_link_args import (  # type: ignore[import-not-found]
    MagicLinkWithEmailArgs,
    MagicLinkWithPhoneArgs,
    MagicLinkWithUserArgs,
)
from passageidentity.models.magic_link_options import MagicLinkOptions  # type: ignore[import-not-found]
from passageidentity.openapi_client.configuration import Configuration  # type: ignore[import-not-found]
from passageidentity.openapi_client.models import CreateUserArgs, UpdateUserArgs  # type: ignore[import-not-found]

BASE_URL = os.environ["PASSAGE_BASE_URL"]
APP_ID = os.environ["PASSAGE_APP_ID"]

Configuration.set_default(Configuration(host=f"{BASE_URL}/v1"))


Told = dict[str, Any]


@cache
def client(api_key: str | None = None, app_id: str = APP_ID) -> Any:
    passage = Passage(app_id, api_key or os.environ["PASSAGE_API_KEY"])
    passage.auth.jwks = jwt.PyJWKClient(f"{BASE_URL}/v1/apps/{app_id}/.well-known/jwks.json")
    return passage


def create_magic_link(
    by: Told,
    kind: str = "login",
    *,
    send: bool = False,
    options: Told | None = None,
    api_key: str | None = None,
) -> Told:
    classes = {
        "email": MagicLinkWithEmailArgs,
        "phone": MagicLinkWithPhoneArgs,
        "user_id": MagicLinkWithUserArgs,
    }
    args = classes[next(iter(by))](**by, link_type=kind, send=send)
    return plain(client(api_key).auth.create_magic_link(args, MagicLinkOptions(**(options or {}))))


def validate_jwt(token: str, app_id: str = APP_ID) -> str:
    return str(client(None, app_id).auth.validate_jwt(token))


def create_user(api_key: str | None = None, **values: Any) -> Told:
    return plain(client(api_key).user.create(CreateUserArgs(**values)))


def get_user(user_id: str, api_key: str | None = None) -> Told:
    return plain(client(api_key).user.get(user_id))


def get_by_identifier(identifier: str) -> Told:
    return plain(client().user.get_by_identifier(identifier))


def update_user(user_id: str, **values: Any) -> Told:
    return plain(client().user.update(user_id, UpdateUserArgs(**values)))


def activate_user(user_id: str) -> Told:
    return plain(client().user.activate(user_id))


def deactivate_user(user_id: str) -> Told:
    return plain(client().user.deactivate(user_id))


def delete_user(user_id: str) -> None:
    client().user.delete(user_id)


def list_devices(user_id: str) -> list[Any]:
    return list(client().user.list_devices(user_id))


def revoke_device(user_id: str, device_id: str) -> None:
    client().user.revoke_device(user_id, device_id)


def revoke_refresh_tokens(user_id: str, api_key: str | None = None) -> None:
    client(api_key).user.revoke_refresh_tokens(user_id)


def plain(model: Any) -> Told:
    found: Told = model.to_dict()
    return found


def audiences(token: str) -> list[str]:
    """Return for whom a JWT is, its signature checked by the app's own keys."""
    key = client().auth.jwks.get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    return list(claims["aud"])
