"""The API for product services: verify a link, exchange a grant, and the public keys of the JWTs."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.verifier import shapes
from services.verifier.attempt import Attempt
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange, GrantAttempt
from services.verifier.login import Login
from services.verifier.login_requests import LoginRequests, RedeemRequest
from services.verifier.passcode_store import Holder
from services.verifier.passcodes import Passcodes, TypedPasscode
from services.verifier.proof import Asked, LoginWanted
from services.verifier.signing_keys import JWKS_SECONDS
from services.verifier.verdict import Redeemed
from shared.errors import GrantInvalid, LinkInProgress, LinkInvalid, PasscodeInvalid, SessionInvalid
from shared.http.routes import ApiKey, Call, Described, Public, Route, json_response
from shared.keys import KeyRing
from shared.links import Email, Phone
from shared.tokens import LinkRef, attempt_id, read_grant, read_token

_KEYS_ARE_PUBLIC = Public("public keys, the same for everybody")


class VerifyRequest(RedeemRequest):
    """The body of `POST /v1/links/verify`."""

    token: str
    user_id: Annotated[UUID, Field(strict=False)] | None = None
    """Whose link it must be: another user's is refused as unknown, and burns nothing."""


class PasscodeRequest(RedeemRequest):
    """The body of `POST /v1/passcodes/verify`: a passcode, and whose it is."""

    passcode: Annotated[str, Field(min_length=1, max_length=128)]
    link_id: Annotated[UUID, Field(strict=False)] | None = None
    """The link; or name its user by `user_id`, `email` or `phone`, one of the four: then it is their newest live link with a passcode.
    None of them in an app whose passcodes stand alone."""

    user_id: Annotated[UUID, Field(strict=False)] | None = None
    email: Email | None = None
    phone: Phone | None = None
    channel: Literal["email", "sms", "whatsapp", "phone"] | None = None
    """Only links that were sent by it, `phone` being SMS or WhatsApp; goes with a user."""

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        names = ("link_id", "user_id", "email", "phone")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise PydanticCustomError(
                "one_holder",
                "give at most one of link_id, user_id, email, phone (given: {given})",
                {"given": ", ".join(given)},
            )
        if self.channel is not None and given in ([], ["link_id"]):
            raise PydanticCustomError("channel_needs_user", "channel goes with one of user_id, email, phone")
        return self

    @property
    def holder(self) -> Holder:
        return Holder(self.link_id, self.email, self.phone, self.user_id, self.channel)


class ExchangeRequest(RedeemRequest):
    """The body of `POST /v1/grants/exchange`."""

    code: str


@dataclass(frozen=True, slots=True)
class VerifierApi:
    """The handlers, and what they need.

    Clients always send an `Idempotency-Key`: it names the attempt. After a 503, or when an answer got lost, the same key gets
    the answer of that attempt. Without one every call is an attempt of its own, so the outcome of a lost call cannot be asked
    for again: the link may then be consumed by a call whose answer nobody has. `shared/client` sends one with every POST.
    """

    consume: Consume
    passcodes: Passcodes
    exchange: Exchange
    login: Login
    requests: LoginRequests
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/links/verify",
                self.verify,
                ApiKey("links:verify"),
                described=Described(
                    body=VerifyRequest,
                    answers={200: shapes.Redeemed},
                    refusals=(*shapes.LINK_REFUSALS, *shapes.LOGIN_REFUSALS),
                ),
            ),
            Route(
                "POST",
                "/v1/passcodes/verify",
                self.verify_passcode,
                ApiKey("links:verify"),
                described=Described(
                    body=PasscodeRequest,
                    answers={200: shapes.Redeemed},
                    refusals=(PasscodeInvalid, LinkInProgress, *shapes.LOGIN_REFUSALS),
                ),
            ),
            Route(
                "POST",
                "/v1/grants/exchange",
                self.exchange_grant,
                ApiKey("links:verify"),
                described=Described(
                    body=ExchangeRequest,
                    answers={200: shapes.Redeemed},
                    refusals=(GrantInvalid, *shapes.LOGIN_REFUSALS),
                ),
            ),
            Route(
                "GET",
                "/.well-known/jwks.json",
                self.jwks,
                _KEYS_ARE_PUBLIC,
                described=Described(answers={200: shapes.PublicKeys}),
            ),
        ]

    async def verify(self, call: Call) -> web.Response:
        """Consume a link for the caller's app."""
        request = await call.body(VerifyRequest)
        # Garbage and guesses end here, before any I/O on the link.
        link = read_token(self.ring, request.token)
        if link is None:
            raise LinkInvalid
        app_id = call.caller.app_id
        wanted = await self.requests.wanted(app_id, request)
        terms = await self.requests.terms(app_id, request, wanted)
        if request.user_id is not None:
            if terms.user_id not in (None, request.user_id):
                raise SessionInvalid
            terms = replace(terms, user_id=request.user_id)
        named = self._attempt_id(call, link, "api")
        attempt = Attempt(link, named, app_id, "api", call.request_id, terms=terms)
        try:
            redeemed = await self.consume.consume(attempt)
        except SessionInvalid:
            # Not the link of the session that is to be extended, or else not the link of the user that was named.
            if wanted.session is not None and wanted.session.extends is not None:
                raise
            raise LinkInvalid from None
        return await self._answer(call, redeemed, wanted)

    async def verify_passcode(self, call: Call) -> web.Response:
        """Consume a link by its passcode for the caller's app."""
        request = await call.body(PasscodeRequest)
        app_id = call.caller.app_id
        wanted = await self.requests.wanted(app_id, request)
        terms = await self.requests.terms(app_id, request, wanted)
        ip = None if request.client is None else request.client.ip
        typed = TypedPasscode(
            request.passcode, request.holder, app_id, call.idempotency_key, call.request_id, terms, ip
        )
        return await self._answer(call, await self.passcodes.redeem(typed), wanted)

    async def exchange_grant(self, call: Call) -> web.Response:
        """Exchange the grant of a redirect for the caller's app."""
        request = await call.body(ExchangeRequest)
        link = read_grant(self.ring, request.code)
        if link is None:
            raise GrantInvalid
        app_id = call.caller.app_id
        wanted = await self.requests.wanted(app_id, request)
        terms = await self.requests.terms(app_id, request, wanted)
        attempt = GrantAttempt(link, self._attempt_id(call, link, "exchange"), app_id, call.request_id, terms)
        return await self._answer(call, await self.exchange.exchange(attempt), wanted)

    async def jwks(self, _call: Call) -> web.Response:
        """Answer the public keys (RFC 7517)."""
        headers = {"Cache-Control": f"public, max-age={JWKS_SECONDS}"}
        return json_response(self.login.answers.signing.jwks, headers=headers)

    def _attempt_id(self, call: Call, link: LinkRef, scope: str) -> UUID:
        key = call.idempotency_key
        return uuid4() if key is None else attempt_id(self.ring, link, f"{scope}:{call.caller.app_id}:{key}")

    async def _answer(self, call: Call, redeemed: Redeemed, wanted: LoginWanted) -> web.Response:
        headers = {"Idempotency-Replayed": "true"} if redeemed.replayed else {}
        asked = Asked(redeemed.row["consumed_by"], call.request_id)
        return json_response(await self.login.complete(redeemed, wanted, asked), headers=headers)
