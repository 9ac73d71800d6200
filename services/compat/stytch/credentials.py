"""HTTP's Basic credentials (RFC 7617), as Stytch's SDKs send the project's id and secret."""

import base64
import binascii
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A project's id and secret, as they were sent. It has no representation that shows the secret."""

    project_id: str
    secret: str


def read_credentials(request: web.Request) -> Credentials | None:
    """Return the credentials of a request, None when there are none that can be read."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    project_id, colon, secret = text.partition(":")
    return Credentials(project_id, secret) if colon else None
