"""Passcodes as a flow of their own, and the secrets of links that were made already: routes as methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypedDict, Unpack

from .calling import Calling, segment
from .shapes import IssuedLink, Link, Message, read, read_issued


class PasscodeRequest(TypedDict, total=False):
    """The body of `POST /v1/passcodes`: exactly one of `user_id`, `email`, `phone`; all else is optional."""

    user_id: str
    email: str
    phone: str
    channel: Literal["none", "email", "sms", "whatsapp"]
    ttl_seconds: int
    locale: str
    template: str
    template_data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    client: Mapping[str, str]
    create_user: bool
    new_user_status: Literal["active", "pending"]
    verify_address: bool
    code_challenge: str


class PasscodeSendRequest(TypedDict, total=False):
    """How the link of a passcode is sent."""

    template: str
    locale: str
    client: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IssuedPasscode:
    """A passcode without a link beside it. `id` is what `verify_passcode` takes as `link_id`; `code` needs `links:reveal`."""

    id: str
    user_id: str
    channel: str
    expires_at: datetime
    created_at: datetime
    user_created: bool
    message: Message | None
    code: str | None = field(default=None, repr=False)


class Passcodes(Calling):
    """The issuer's routes for passcodes, and for what of a link is secret."""

    async def create_passcode(
        self, *, idempotency_key: str | None = None, **request: Unpack[PasscodeRequest]
    ) -> IssuedPasscode:
        """Asks for a passcode without a link beside it, and for its message unless `channel` is "none"."""
        answer = await self._issuer("POST", "/v1/passcodes", request, key=idempotency_key)
        passcode, message = answer["passcode"], answer.get("message")
        return IssuedPasscode(
            id=passcode["id"],
            user_id=passcode["user_id"],
            channel=passcode["channel"],
            expires_at=datetime.fromisoformat(passcode["expires_at"]),
            created_at=datetime.fromisoformat(passcode["created_at"]),
            user_created=answer["user_created"],
            message=read(Message, message) if message else None,
            code=passcode.get("code"),
        )

    async def send_by_passcode(
        self,
        passcode: str,
        channel: Literal["email", "sms", "whatsapp"],
        *,
        idempotency_key: str | None = None,
        **request: Unpack[PasscodeSendRequest],
    ) -> IssuedLink:
        """Sends the link that a passcode stands for; ApiError `passcode_invalid` when there is none or it is over."""
        body = {**request, "passcode": passcode, "channel": channel}
        return read_issued(
            await self._issuer("POST", "/v1/passcodes/send", body, key=idempotency_key, secrets=(passcode,))
        )

    async def reveal_link(self, link_id: str) -> Link:
        """Reads the secrets of a live link; ApiError `link_over` of one that is not."""
        answer = await self._issuer("POST", f"/v1/links/{segment(link_id)}/reveal", {})
        return read(Link, answer["link"])
