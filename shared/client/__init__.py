"""The client that product services use to ask for links and to verify them (DESIGN §8).

It needs aiohttp and nothing else of this project, so a product service may copy this folder.
"""

from .calls import ApiError, MagicLinkError, UnreachableError, request_id
from .native import MagicLinkClient
from .shapes import (
    ApiKey,
    Explanation,
    IssuedLink,
    Link,
    LinkHistory,
    LinkRequest,
    Message,
    User,
    UserFields,
    Verification,
)

__all__ = [
    "ApiError",
    "ApiKey",
    "Explanation",
    "IssuedLink",
    "Link",
    "LinkHistory",
    "LinkRequest",
    "MagicLinkClient",
    "MagicLinkError",
    "Message",
    "UnreachableError",
    "User",
    "UserFields",
    "Verification",
    "request_id",
]
