"""`POST /v1/apps/{app_id}/magic-links`: a link for the product to hand on, or to be sent."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr

from services.compat.accounts import Account
from services.compat.passage import shapes
from services.compat.passage.callers import Callers, auth_origin
from services.compat.passage.errors import invalid_request, refusal_view
from services.compat.passage.magic_link_text import PARAMETER, TEMPLATE, MagicLinkText
from services.compat.passage.user_lookup import find_user
from shared.errors import Forbidden
from shared.http.routes import Call, Delegated, Route, json_response

_NAMES: Final = ("user_id", "email", "phone")
_CHANNELS: Final = {"email": "email", "phone": "sms"}
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MINUTE_SECONDS: Final = 60


class NewMagicLink(BaseModel):
    """What `create_magic_link` sends. An empty text is an absent one: the vendor's Go clients send them."""

    user_id: StrictStr | None = None
    email: StrictStr | None = None
    phone: StrictStr | None = None
    channel: Literal["email", "phone"] | None = None
    send: StrictBool | None = None
    type: Literal["login", "verify_identifier"] = "login"
    redirect_url: StrictStr | None = None
    magic_link_path: StrictStr | None = None
    ttl: Annotated[StrictInt, Field(ge=1)] | None = None
    language: StrictStr | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom the link signs in: the member of the native request that names them, and the identifier that is told."""

    member: dict[str, str]
    identifier: str
    channel: str


@dataclass(frozen=True, slots=True)
class MagicLinksApi:
    """The handler, and what it needs."""

    callers: Callers

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/apps/{app_id}/magic-links",
                self.create,
                Delegated("the app's API key, checked by the native API"),
                refusal_view=refusal_view,
            )
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a link, and its user when there is none."""
        account = await self.callers.of_key(call)
        asked = await call.body(NewMagicLink)
        recipient = await find_recipient(account, asked)
        made = await account.native.issuer("POST", "/v1/links", native_request(account, asked, recipient))
        link = made["link"]
        text = MagicLinkText.of_url(link.get("url") or "")
        if text is None:
            raise Forbidden("needs the scope links:reveal")
        told = {
            "identifier": recipient.identifier,
            "redirect_url": asked.redirect_url,
            "ttl": asked.ttl,
        }
        return json_response({"magic_link": shapes.magic_link(account.app, link, text, told)}, 201)


async def find_recipient(account: Account, asked: NewMagicLink) -> Recipient:
    """Return whom a request names. Raises the vendor's `invalid_request` or `user_not_found`."""
    given = [name for name in _NAMES if getattr(asked, name)]
    if len(given) != 1:
        raise invalid_request("give exactly one of user_id, email, phone")
    if asked.send and asked.channel is None:
        raise invalid_request("channel: must be `email` or `phone` when send is true")
    if asked.user_id:
        return await _known_recipient(account, asked)
    name = given[0]
    if asked.channel not in (None, name):
        raise invalid_request(f"channel: must be `{name}` for a link to {name}")
    address = str(getattr(asked, name))
    return Recipient({name: address}, address, name)


async def _known_recipient(account: Account, asked: NewMagicLink) -> Recipient:
    user = await find_user(account, asked.user_id or "")
    channel = asked.channel or ("email" if user["email"] else "phone")
    if asked.send and not user[channel]:
        raise invalid_request(f"channel: the user has no {channel}")
    identifier = user[channel] or user["email"] or user["phone"] or user["username"]
    return Recipient({"user_id": user["id"]}, identifier, channel)


def native_request(account: Account, asked: NewMagicLink, recipient: Recipient) -> dict[str, Any]:
    """Return the native request for a link. Raises the vendor's `invalid_request`."""
    request: dict[str, Any] = {
        **recipient.member,
        "type": asked.type,
        "url_template": url_template(account, asked.magic_link_path),
        "channel": _CHANNELS[recipient.channel] if asked.send else "none",
    }
    if asked.send:
        # Who opens what was sent to an address has it.
        request["verify_address"] = True
    if asked.redirect_url:
        # Told again as it was written: a product may route by the path.
        request |= {"redirect_url": asked.redirect_url, "metadata": {"redirect_url": asked.redirect_url}}
    if asked.ttl is not None:
        request["ttl_seconds"] = asked.ttl * _MINUTE_SECONDS
    if asked.language and _LANGUAGE.fullmatch(asked.language):
        request["locale"] = asked.language
    return request


def url_template(account: Account, magic_link_path: str | None) -> str:
    """Return the form of the link's URL. That it stays within the app's own pages is for the native API to check."""
    origin = auth_origin(account.app)
    if origin is None:
        raise invalid_request("the app has no base_url, which magic links lead to")
    path = magic_link_path or str(account.app.vendor_settings.get("login_url") or "/")
    path = path if path.startswith("/") else f"/{path}"
    return f"{origin}{path}{'&' if '?' in path else '?'}{PARAMETER}={TEMPLATE}"
