"""The client that product services use to ask for links and to verify them (DESIGN §8).

It needs aiohttp and nothing else of this project, so a product service may copy this folder.
"""

from .calls import ApiError, MagicLinkError, UnreachableError, request_id
from .native import MagicLinkClient
from .passcodes import IssuedPasscode
from .requests import LinkRequest, NewUser, UserFields
from .second_factors import Challenge, NewSecondFactor, SecondFactor, SecondFactorPassed
from .sessions import Introspection, OpenSession, Polled
from .shapes import (
    ApiKey,
    Application,
    Connection,
    Explanation,
    FoundUsers,
    IssuedLink,
    Link,
    LinkHistory,
    Message,
    Registration,
    Session,
    User,
    Verification,
)
from .webhooks import Webhook

__all__ = [
    "ApiError",
    "ApiKey",
    "Application",
    "Challenge",
    "Connection",
    "Explanation",
    "FoundUsers",
    "Introspection",
    "IssuedLink",
    "IssuedPasscode",
    "Link",
    "LinkHistory",
    "LinkRequest",
    "MagicLinkClient",
    "MagicLinkError",
    "Message",
    "NewSecondFactor",
    "NewUser",
    "OpenSession",
    "Polled",
    "Registration",
    "SecondFactor",
    "SecondFactorPassed",
    "Session",
    "UnreachableError",
    "User",
    "UserFields",
    "Verification",
    "Webhook",
    "request_id",
]
