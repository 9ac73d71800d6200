"""Passcodes as a flow of their own: a link that has one door only, the passcode, and no URL. And passcodes that name their link.

What is made, sent and redeemed is a link like all others: it wins once, is revoked, swept and told of as one.
"""

import hmac
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from services.issuer.idempotency import Answered, Work
from services.issuer.policy import App, Asked, Draft, draft_asked
from services.issuer.resend import Resend, ResendRequest
from services.issuer.send import Send, SendRequest
from services.issuer.sending import Asker, Post, SendingChannel, open_link, run_once
from services.issuer.standing import SQL
from services.issuer.tenancy import SQL as TENANCY_SQL
from shared.database import Connection, Row
from shared.errors import LinkOver, NotFound, PasscodeInvalid
from shared.guesses import GuessLimits
from shared.http.routes import KeyLimits
from shared.link_faults import check_whole, faults_of_whole, is_passcode_template
from shared.links import AskerInfo, Channel, Email, LinkRequest, Locale, NewUserStatus, Phone, SmallObject
from shared.tokens import LinkRef, make_passcode, passcode_lookups, plain_passcode

DEFAULT_TTL_SECONDS: Final = 600

Template = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class PasscodeCreate(BaseModel):
    """The body of `POST /v1/passcodes`: a passcode without a link beside it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    user_id: UUID | None = None
    """A user of the app; or name one by `email` or `phone`, exactly one of the three."""
    email: Email | None = None
    """The user with this address, made if there is none."""
    phone: Phone | None = None
    """The user with this number (E.164), made if there is none."""
    channel: Channel = "none"
    """What the passcode is sent by. `none`: it is not sent, the product hands it on."""
    ttl_seconds: Annotated[int, Field(strict=True, ge=60, le=3600)] | None = None
    """How long it lives. Default: 600, or the app's longest life if that is shorter."""
    locale: Locale | None = None
    """Language of the message (BCP 47). Default: the app's."""
    template: Template | None = None
    """Another template than `passcode`; its name begins with `passcode`."""
    template_data: SmallObject = Field(default_factory=dict)
    """Values for the template, at most 4 KB as JSON."""
    metadata: SmallObject = Field(default_factory=dict)
    """Any JSON object up to 4 KB; kept, and told when it is redeemed."""
    client: AskerInfo | None = None
    """Who asked, as the product saw it."""
    create_user: Annotated[bool, Field(strict=True)] = True
    """Make the user of an unknown address. `false`: such a request is refused (`user_unknown`)."""
    new_user_status: NewUserStatus | None = None
    """Status of a user whom this request makes. Default: `active`."""
    verify_address: Annotated[bool, Field(strict=True)] = False
    """Its use marks the address that it was sent to as verified; needs a channel."""
    code_challenge: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")] | None = None
    """PKCE (RFC 7636, S256): redeeming then needs the verifier."""

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, value: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        return check_whole(cls.__name__, value, check, _faults)


class PasscodeSend(BaseModel):
    """The body of `POST /v1/passcodes/send`: a passcode of an app where they stand alone, and how its link is sent."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    passcode: Annotated[str, Field(min_length=1, max_length=128)]
    """It names the link."""
    channel: SendingChannel
    """What the link is sent by."""
    template: Template | None = None
    """Another template than that of the type."""
    locale: Locale | None = None
    """Language of message and pages (BCP 47). Default: the link's."""
    client: AskerInfo | None = None
    """Who asked, as the product saw it: tries are limited by `ip`."""


def _faults(value: dict[str, Any]) -> list[InitErrorDetails]:
    found = faults_of_whole({**value, "passcode": True})
    name = value.get("template")
    if isinstance(name, str) and not is_passcode_template(name):
        words = "is for messages with a link: the name of one without begins with passcode"
        fault = PydanticCustomError("template_needs_link", words)
        found.append(InitErrorDetails(type=fault, loc=("template",), input=None))
    return found


def draft_passcode(app: App, wanted: PasscodeCreate, limits: KeyLimits) -> Draft:
    """Return the draft of a link that is a passcode only. Raises `Invalid` with every rule that is broken."""
    most = (DEFAULT_TTL_SECONDS, app.max_ttl_seconds, limits.max_ttl_seconds or DEFAULT_TTL_SECONDS)
    # Checked already, field by field.
    fields = {name: getattr(wanted, name) for name in PasscodeCreate.model_fields}
    request = LinkRequest.model_construct(
        **{
            **fields,
            "passcode": True,
            "binding": "none",
            "ttl_seconds": wanted.ttl_seconds or min(most),
            "template": wanted.template or "passcode",
        }
    )
    return draft_asked(app, Asked(request, "interactive", limits, doors="passcode"))


@dataclass(frozen=True, slots=True)
class SendByPasscode:
    """Sends the links that passcodes stand for."""

    post: Post
    guesses: GuessLimits

    async def one(self, asker: Asker, wanted: PasscodeSend) -> Answered:
        """Send a link for the first time, or again by the rules of `resend`; its passcode stays the one that named it.

        `asker.link_id` says nothing here. Raises `PasscodeInvalid` for whatever is wrong with the passcode, `RateLimited`,
        `Unavailable` or `Invalid`.
        """
        ip = None if wanted.client is None else wanted.client.ip

        async def do(connection: Connection) -> dict[str, Any]:
            await self.guesses.take(asker.app.id, ip, wanted.passcode)
            link = await self._open(connection, asker, wanted.passcode)
            await self.guesses.give_back(asker.app.id, ip, wanted.passcode)
            return {"id": await self._send(connection, replace(asker, link_id=link["id"]), link, wanted)}

        return await run_once(self.post, asker, Work(do))

    async def _open(self, connection: Connection, asker: Asker, passcode: str) -> Row:
        lookups = passcode_lookups(self.post.ring, asker.app.id, passcode)
        rows = await connection.fetch(SQL.find_standing_link, asker.app.id, lookups)
        if len(rows) != 1:
            raise PasscodeInvalid
        try:
            link = await open_link(connection, replace(asker, link_id=rows[0]["id"]))
        except (LinkOver, NotFound) as over:
            raise PasscodeInvalid from over
        # Under the lock: a resend may have given the link another passcode meanwhile.
        ref = LinkRef(link["kid"], link["id"])
        expected = make_passcode(
            self.post.ring, ref, link["passcode_epoch"], link["passcode_format"] or "digits:6"
        )
        if not hmac.compare_digest(plain_passcode(passcode).encode(), plain_passcode(expected).encode()):
            raise PasscodeInvalid
        return link

    async def _send(self, connection: Connection, asker: Asker, link: Row, wanted: PasscodeSend) -> UUID:
        last = await connection.fetchrow(TENANCY_SQL.read_last_message, asker.app.id, link["id"])
        if last is None:
            request = SendRequest(channel=wanted.channel, template=wanted.template, locale=wanted.locale)
            return await Send(self.post).first(connection, asker, link, request)
        again = ResendRequest(channel=wanted.channel, locale=wanted.locale)
        return await Resend(self.post).another(connection, asker, (link, last), again, keeps_passcode=True)
