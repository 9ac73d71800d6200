"""`/v1/second-factors`: a challenge is opened or answered. Parse, one call, render."""

from dataclasses import dataclass, replace
from typing import Annotated

from aiohttp import web
from pydantic import Field

from services.verifier import shapes_second_factors as shapes
from services.verifier.api_second_factors import Code
from services.verifier.challenges import Opening, TypedCode
from services.verifier.login_requests import (
    Id,
    JwtClaims,
    LoginRequest,
    LoginRequests,
    SessionRequest,
    StrictModel,
)
from services.verifier.proof import LoginWanted
from services.verifier.second_step import SecondStep, Step
from services.verifier.shapes import LOGIN_REFUSALS
from shared.errors import ChallengeInvalid, SecondFactorInvalid
from shared.http.routes import ApiKey, Call, Described, Route, json_response
from shared.links import AskerInfo


class ChallengeRequest(StrictModel):
    """The body of `POST /v1/second-factors/challenge`: a first factor that the product has checked itself."""

    user_id: Id
    application_id: Id | None = None
    """The application of the app that the user signs in to."""


class AnswerRequest(StrictModel):
    """The body of `POST /v1/second-factors/verify`. What is absent was said when the link was redeemed."""

    challenge: Annotated[str, Field(min_length=1, max_length=256)]
    """From the refusal `second_factor_required`, or of `POST /v1/second-factors/challenge`."""
    code: Code
    trust_device: bool = False
    """Answer a `trust_token` too, with which this device needs no second factor for the app's `trust_seconds`."""
    jwt: bool = True
    jwt_claims: JwtClaims = Field(default_factory=dict)
    application_id: Id | None = None
    client: Annotated[AskerInfo, Field(strict=False)] | None = None
    session: SessionRequest | None = None


_ANEW = frozenset({"jwt", "jwt_claims", "application_id", "client", "session"})


@dataclass(frozen=True, slots=True)
class ChallengesApi:
    """The handlers, and what they need."""

    step: SecondStep
    requests: LoginRequests

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/second-factors/challenge",
                self.open,
                ApiKey("sessions:write"),
                described=Described(body=ChallengeRequest, answers={200: shapes.Challenge}),
            ),
            Route(
                "POST",
                "/v1/second-factors/verify",
                self.verify,
                ApiKey("links:verify"),
                described=Described(
                    body=AnswerRequest,
                    answers={200: shapes.SecondFactorPassed},
                    refusals=(ChallengeInvalid, SecondFactorInvalid, *LOGIN_REFUSALS),
                ),
            ),
        ]

    async def open(self, call: Call) -> web.Response:
        """Ask for a user's second factor after a first one that is not a link."""
        request = await call.body(ChallengeRequest)
        app_id = call.caller.app_id
        login = LoginRequest.model_construct(application_id=request.application_id)
        wanted = await self.requests.wanted(app_id, login)
        opening = Opening(app_id, request.user_id, wanted.stored(), None, call.idempotency_key)
        return json_response(await self.step.challenges.pose(opening))

    async def verify(self, call: Call) -> web.Response:
        """Answer a challenge with a code, and finish the sign-in that waits for it."""
        request = await call.body(AnswerRequest)
        app_id = call.caller.app_id
        given = {name: getattr(request, name) for name in _ANEW & request.model_fields_set}
        anew = await self.requests.wanted(app_id, LoginRequest.model_construct(**given))
        typed = TypedCode(request.challenge, request.code, app_id, call.idempotency_key)

        def carried_on(wanted: LoginWanted) -> LoginWanted:
            return replace(wanted, **{name: getattr(anew, name) for name in given})

        step = Step(typed, request.trust_device, carried_on, call.request_id)
        body, replayed = await self.step.take(step)
        return json_response(body, headers={"Idempotency-Replayed": "true"} if replayed else {})
