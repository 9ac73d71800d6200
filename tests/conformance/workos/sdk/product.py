"""A product on WorkOS's Python SDK, version 6 or 10: each function is one thing that it does. Runs in the SDK's environment."""

import os
from typing import Any

import jwt
from workos import WorkOSClient  # type: ignore[import-not-found]
from workos._base_client import VERSION  # type: ignore[import-not-found]
from workos.session import seal_session_from_auth_response  # type: ignore[import-not-found]

client = WorkOSClient(
    api_key=os.environ["API_KEY"], client_id=os.environ["CLIENT_ID"], base_url=os.environ["BASE_URL"]
)
COOKIE_PASSWORD = "qsH2uXnvKm8AVHDmKzb2xAyDPFfeUYqXnMBHRAbdjPI="


def strange(**changes: Any) -> Any:
    """Return a client with another key or client id."""
    given = {"api_key": os.environ["API_KEY"], "client_id": os.environ["CLIENT_ID"], **changes}
    return WorkOSClient(base_url=os.environ["BASE_URL"], **given)


def create_session(**asked: Any) -> Any:
    return client.passwordless.create_session(type="MagicLink", **asked).to_dict()


def create_session_with_key(api_key: Any, **asked: Any) -> Any:
    return strange(api_key=api_key).passwordless.create_session(type="MagicLink", **asked).to_dict()


def send_session(session_id: Any) -> Any:
    return client.passwordless.send_session(session_id)


def get_profile_and_token(code: Any) -> Any:
    return client.sso.get_profile_and_token(code=code).to_dict()


def get_profile_and_token_of(code: Any, **changes: Any) -> Any:
    return strange(**changes).sso.get_profile_and_token(code=code).to_dict()


def get_profile(access_token: Any) -> Any:
    return client.sso.get_profile(access_token=access_token).to_dict()


def list_connections(**asked: Any) -> Any:
    return [found.to_dict() for found in client.sso.list_connections(**asked).auto_paging_iter()]


def get_connection(connection_id: Any) -> Any:
    return client.sso.get_connection(connection_id).to_dict()


def create_magic_auth(email: Any) -> Any:
    return client.user_management.create_magic_auth(email=email).to_dict()


def get_magic_auth(magic_auth_id: Any) -> Any:
    return client.user_management.get_magic_auth(magic_auth_id).to_dict()


def authenticate(code: Any, email: Any, **seen: Any) -> Any:
    return client.user_management.authenticate_with_magic_auth(code=code, email=email, **seen).to_dict()


def refresh(refresh_token: Any) -> Any:
    return client.user_management.authenticate_with_refresh_token(refresh_token=refresh_token).to_dict()


def revoke_session(session_id: Any) -> Any:
    return client.user_management.revoke_session(session_id=session_id)


def read_cookie(answer: Any) -> Any:
    """Seal an authentication into a cookie and read it as the SDK does: the access token is checked against the JWKS."""
    sealed = seal_session_from_auth_response(
        access_token=answer["access_token"],
        refresh_token=answer["refresh_token"],
        user=answer["user"],
        cookie_password=COOKIE_PASSWORD,
    )
    session = client.user_management.load_sealed_session(session_data=sealed, cookie_password=COOKIE_PASSWORD)
    read = session.authenticate()
    return {"authenticated": read.authenticated, "session_id": getattr(read, "session_id", None)}


def own_client_id() -> Any:
    return {"client_id": os.environ["CLIENT_ID"]}


def get_jwks() -> Any:
    return client.user_management.get_jwks(os.environ["CLIENT_ID"]).to_dict()


def claims_of(access_token: Any) -> Any:
    return jwt.decode(access_token, options={"verify_signature": False})


def create_user(**asked: Any) -> Any:
    return client.user_management.create_user(**asked).to_dict()


def get_user(user_id: Any) -> Any:
    return client.user_management.get_user(user_id).to_dict()


def get_user_by_external_id(external_id: Any) -> Any:
    return client.user_management.get_user_by_external_id(external_id).to_dict()


def update_user(user_id: Any, **asked: Any) -> Any:
    return client.user_management.update_user(user_id, **asked).to_dict()


def list_users(**asked: Any) -> Any:
    """Return all users of all pages."""
    return [found.to_dict() for found in client.user_management.list_users(**asked).auto_paging_iter()]


def list_page(**asked: Any) -> Any:
    page = client.user_management.list_users(**asked)
    return {"ids": [found.id for found in page.data], "before": page.before, "after": page.after}


def delete_user(user_id: Any) -> Any:
    return client.user_management.delete_user(user_id)


def verify_event(body: Any, signature: Any, secret: Any) -> Any:
    event = client.webhooks.verify_event(event_body=body.encode(), event_signature=signature, secret=secret)
    return {"kind": type(event).__name__, **event.to_dict()}


def post_twice(path: Any, body: Any, key: Any) -> Any:
    """Send the same POST twice with one Idempotency-Key, as the SDK's own retry does; return both answers."""
    # Version 6 takes a path as a text, later ones as its segments.
    where = path if VERSION.startswith("6.") else path.split("/")
    options = {"idempotency_key": key}
    return [
        client.request_raw(method="post", path=where, body=body, request_options=options) for _ in range(2)
    ]


def authenticate_with_totp(code: Any, pending_authentication_token: Any) -> Any:
    return client.user_management.authenticate_with_totp(
        code=code,
        pending_authentication_token=pending_authentication_token,
        authentication_challenge_id="auth_challenge_1",
    ).to_dict()
