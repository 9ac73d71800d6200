"""`/v1/users/{id}/second-factors`: parse, one call, render. Signing in with them is in api_challenges."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.verifier import shapes_second_factors as shapes
from services.verifier import totp
from services.verifier.second_factors import FactorWanted, SecondFactors, factor_view
from shared.errors import IdempotencyConflict, NotFound, SecondFactorInvalid
from shared.http.routes import ApiKey, Call, Described, Route, json_response

Code = Annotated[str, Field(min_length=1, max_length=32)]


class SecondFactorRequest(BaseModel):
    """The body of `POST /v1/users/{id}/second-factors`. `secret`: one that an authenticator app has already, in base32."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["totp"]
    secret: Annotated[str, Field(min_length=16, max_length=128)] | None = None
    code: Code | None = None
    """A code of `secret`, which confirms the factor at once."""

    @field_validator("secret")
    @classmethod
    def _base32(cls, value: str | None) -> str | None:
        try:
            return None if value is None else totp.secret_text(totp.read_secret(value))
        except totp.SecretInvalid as invalid:
            raise PydanticCustomError("secret_format", "{words}", {"words": str(invalid)}) from None

    @model_validator(mode="after")
    def _code_of_a_secret(self) -> Self:
        if self.code is not None and self.secret is None:
            raise PydanticCustomError("secret_missing", "a code confirms a secret that is sent with it")
        return self


class ConfirmRequest(BaseModel):
    """The body of `POST /v1/users/{id}/second-factors/{factor_id}/confirm`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Code


@dataclass(frozen=True, slots=True)
class SecondFactorsApi:
    """The handlers, and what they need."""

    factors: SecondFactors

    def routes(self) -> list[Route]:
        one = "/v1/users/{id}/second-factors/{factor_id}"
        write = ApiKey("sessions:write")
        return [
            Route(
                "POST",
                "/v1/users/{id}/second-factors",
                self.create,
                write,
                described=Described(
                    body=SecondFactorRequest,
                    answers={201: shapes.NewSecondFactor},
                    refusals=(NotFound, SecondFactorInvalid, IdempotencyConflict),
                ),
            ),
            Route(
                "GET",
                "/v1/users/{id}/second-factors",
                self.list,
                ApiKey("sessions:read"),
                described=Described(answers={200: shapes.SecondFactors}),
            ),
            Route(
                "DELETE",
                "/v1/users/{id}/second-factors",
                self.delete_all,
                write,
                described=Described(answers={204: None}),
            ),
            Route(
                "POST",
                f"{one}/confirm",
                self.confirm,
                write,
                described=Described(
                    body=ConfirmRequest,
                    answers={200: shapes.SecondFactor},
                    refusals=(NotFound, SecondFactorInvalid),
                ),
            ),
            Route("DELETE", one, self.delete, write, described=Described(answers={204: None})),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a second factor for a user; its secret is told this once."""
        request = await call.body(SecondFactorRequest)
        wanted = FactorWanted(
            call.caller.app_id,
            call.path_id(),
            None if request.secret is None else totp.read_secret(request.secret),
            request.code,
            call.idempotency_key,
        )
        made = await self.factors.create(wanted)
        answer = {"factor": factor_view(made.row), "secret": totp.secret_text(made.secret), "uri": made.uri}
        headers = {"Idempotency-Replayed": "true"} if made.replayed else {}
        return json_response(answer, 201, headers)

    async def list(self, call: Call) -> web.Response:
        """List the second factors of a user."""
        rows = await self.factors.list(call.caller.app_id, call.path_id())
        return json_response({"items": [factor_view(row) for row in rows]})

    async def confirm(self, call: Call) -> web.Response:
        """Confirm a second factor with a code of it: from then on sign-ins ask for it. Asking again is no fault."""
        request = await call.body(ConfirmRequest)
        row = await self.factors.confirm(
            call.caller.app_id, call.path_id(), call.path_id("factor_id"), request.code
        )
        return json_response(factor_view(row))

    async def delete(self, call: Call) -> web.Response:
        """Delete a second factor; the user's trusted devices are forgotten with it."""
        await self.factors.delete(call.caller.app_id, call.path_id(), call.path_id("factor_id"))
        return web.Response(status=204)

    async def delete_all(self, call: Call) -> web.Response:
        """Delete every second factor of a user and forget their trusted devices."""
        await self.factors.delete(call.caller.app_id, call.path_id(), None)
        return web.Response(status=204)
