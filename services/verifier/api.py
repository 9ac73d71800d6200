"""The API for product services: verify a link, exchange a grant, and the public keys of the JWTs."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID, uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.verifier.answer import Answers
from services.verifier.attempt import Attempt
from services.verifier.consume import Consume
from services.verifier.exchange import Exchange, GrantAttempt, challenge_of
from services.verifier.verdict import Redeemed
from shared.errors import GrantInvalid, LinkInvalid
from shared.http.routes import ApiKey, Call, Public, Route, json_response
from shared.keys import KeyRing
from shared.tokens import LinkRef, attempt_id, read_grant, read_token

_KEYS_ARE_PUBLIC = Public("public keys, the same for everybody")
_JWKS_FRESH_SECONDS = 300


class VerifyRequest(BaseModel):
    """The body of `POST /v1/links/verify`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: str
    jwt: bool = True


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
    exchange: Exchange
    answers: Answers
    ring: KeyRing

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v1/links/verify", self.verify, ApiKey("links:verify")),
            Route("POST", "/v1/grants/exchange", self.exchange_grant, ApiKey("links:verify")),
            Route("GET", "/.well-known/jwks.json", self.jwks, _KEYS_ARE_PUBLIC),
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
        headers = {"Cache-Control": f"public, max-age={_JWKS_FRESH_SECONDS}"}
        return json_response(self.answers.signing.jwks, headers=headers)

    def _attempt_id(self, call: Call, link: LinkRef, scope: str) -> UUID:
        key = call.idempotency_key
        return uuid4() if key is None else attempt_id(self.ring, link, f"{scope}:{call.caller.app_id}:{key}")

    def _answer(self, redeemed: Redeemed, *, with_jwt: bool) -> web.Response:
        headers = {"Idempotency-Replayed": "true"} if redeemed.replayed else {}
        return json_response(self.answers.body(redeemed, with_jwt=with_jwt), headers=headers)
