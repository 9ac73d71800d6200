"""The API for product services: verify a link, exchange a grant, and the public keys of the JWTs."""

from dataclasses import dataclass
from typing import Annotated, Self
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.verifier import shapes
from services.verifier.answer import Answers
from services.verifier.attempt import Attempt
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange, GrantAttempt, challenge_of
from services.verifier.passcodes import Passcodes, TypedPasscode
from services.verifier.signing_keys import JWKS_SECONDS
from services.verifier.store import Holder
from services.verifier.verdict import Redeemed
from shared.errors import GrantInvalid, LinkInProgress, LinkInvalid, PasscodeInvalid
from shared.http.routes import ApiKey, Call, Described, Public, Route, json_response
from shared.keys import KeyRing
from shared.links import Email, Phone
from shared.tokens import LinkRef, attempt_id, read_grant, read_token

_KEYS_ARE_PUBLIC = Public("public keys, the same for everybody")


class VerifyRequest(BaseModel):
    """The body of `POST /v1/links/verify`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: str
    jwt: bool = True


class PasscodeRequest(BaseModel):
    """The body of `POST /v1/passcodes/verify`: a passcode, and whose it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    passcode: Annotated[str, Field(min_length=1, max_length=128)]
    link_id: Annotated[UUID, Field(strict=False)] | None = None
    """The link; or name its user by `email` or `phone`, exactly one of the three: then it is their newest live link with a passcode."""

    email: Email | None = None
    phone: Phone | None = None
    jwt: bool = True

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        given = [name for name in ("link_id", "email", "phone") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "one_holder",
                "give exactly one of link_id, email, phone (given: {given})",
                {"given": ", ".join(given) or "none"},
            )
        return self


class ExchangeRequest(BaseModel):
    """The body of `POST /v1/grants/exchange`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: str
    code_verifier: Annotated[str, Field(max_length=1024)] | None = None


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
    answers: Answers
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/links/verify",
                self.verify,
                ApiKey("links:verify"),
                described=Described(
                    body=VerifyRequest, answers={200: shapes.Redeemed}, refusals=shapes.LINK_REFUSALS
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
                    refusals=(PasscodeInvalid, LinkInProgress),
                ),
            ),
            Route(
                "POST",
                "/v1/grants/exchange",
                self.exchange_grant,
                ApiKey("links:verify"),
                described=Described(
                    body=ExchangeRequest, answers={200: shapes.Redeemed}, refusals=(GrantInvalid,)
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
        attempt = Attempt(link, self._attempt_id(call, link, "api"), app_id, "api", call.request_id)
        redeemed = await self.consume.consume(attempt)
        return self._answer(redeemed, with_jwt=request.jwt)

    async def verify_passcode(self, call: Call) -> web.Response:
        """Consume a link by its passcode for the caller's app."""
        request = await call.body(PasscodeRequest)
        holder = Holder(request.link_id, request.email, request.phone)
        app_id = call.caller.app_id
        typed = TypedPasscode(request.passcode, holder, app_id, call.idempotency_key, call.request_id)
        return self._answer(await self.passcodes.redeem(typed), with_jwt=request.jwt)

    async def exchange_grant(self, call: Call) -> web.Response:
        """Exchange the grant of a redirect for the caller's app."""
        request = await call.body(ExchangeRequest)
        link = read_grant(self.ring, request.code)
        if link is None:
            raise GrantInvalid
        attempt = GrantAttempt(
            link,
            self._attempt_id(call, link, "exchange"),
            call.caller.app_id,
            None if request.code_verifier is None else challenge_of(request.code_verifier),
            call.request_id,
        )
        return self._answer(await self.exchange.exchange(attempt), with_jwt=True)

    async def jwks(self, _call: Call) -> web.Response:
        """Answer the public keys (RFC 7517)."""
        headers = {"Cache-Control": f"public, max-age={JWKS_SECONDS}"}
        return json_response(self.answers.signing.jwks, headers=headers)

    def _attempt_id(self, call: Call, link: LinkRef, scope: str) -> UUID:
        key = call.idempotency_key
        return uuid4() if key is None else attempt_id(self.ring, link, f"{scope}:{call.caller.app_id}:{key}")

    def _answer(self, redeemed: Redeemed, *, with_jwt: bool) -> web.Response:
        headers = {"Idempotency-Replayed": "true"} if redeemed.replayed else {}
        return json_response(self.answers.body(redeemed, with_jwt=with_jwt), headers=headers)
