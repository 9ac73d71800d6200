"""Second factors, as methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from .calling import Calling, segment
from .shapes import Link, Session, User, read


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A user's second factor; an unconfirmed one is not asked for."""

    id: str
    type: str
    confirmed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewSecondFactor:
    """A factor with its secret, in base32 and as the `otpauth:` URI of a QR code: told this once."""

    factor: SecondFactor
    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge, to be answered with a code. `methods`: the factors that it may be a code of, `{"id", "type"}`."""

    challenge: str = field(repr=False)
    challenge_expires_at: datetime
    methods: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class SecondFactorPassed:
    """A sign-in with a second factor. `link` is None when the first factor was your own."""

    user: User
    link: Link | None
    jwt: str | None = field(repr=False)
    session: Session | None
    session_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    trust_token: str | None = field(repr=False)
    trust_expires_at: datetime | None


class SecondFactors(Calling):
    """The verifier's routes for second factors. A sign-in that needs one is refused with ApiError `second_factor_required`."""

    async def create_second_factor(
        self,
        user_id: str,
        *,
        secret: str | None = None,
        code: str | None = None,
        idempotency_key: str | None = None,
    ) -> NewSecondFactor:
        """Makes a factor. With a `secret` of your own (base32) and a `code` of it, it is confirmed at once."""
        given = {"secret": secret, "code": code}
        body = {"type": "totp", **{name: value for name, value in given.items() if value is not None}}
        path = f"/v1/users/{segment(user_id)}/second-factors"
        answer = await self._verifier(path, body, key=idempotency_key, secrets=(secret or "", code or ""))
        return NewSecondFactor(_factor(answer["factor"]), answer["secret"], answer["uri"])

    async def confirm_second_factor(self, user_id: str, factor_id: str, code: str) -> SecondFactor:
        """Confirms a factor with a code of it; ApiError `second_factor_invalid`."""
        path = f"/v1/users/{segment(user_id)}/second-factors/{segment(factor_id)}/confirm"
        return _factor(await self._verifier(path, {"code": code}, secrets=(code,)))

    async def find_second_factors(self, user_id: str) -> list[SecondFactor]:
        """The factors of a user, oldest first."""
        answer = await self._verifier(f"/v1/users/{segment(user_id)}/second-factors", method="GET")
        return [_factor(item) for item in answer["items"]]

    async def delete_second_factors(self, user_id: str, factor_id: str | None = None) -> None:
        """Deletes one factor, or all; the user's trusted devices are forgotten with it."""
        path = f"/v1/users/{segment(user_id)}/second-factors"
        one = "" if factor_id is None else f"/{segment(factor_id)}"
        await self._verifier(path + one, method="DELETE")

    async def challenge_second_factor(
        self, user_id: str, *, application_id: str | None = None, idempotency_key: str | None = None
    ) -> Challenge:
        """Asks for a second factor after a first one of your own; after a link the refusal brings a challenge."""
        body = {"user_id": user_id}
        if application_id is not None:
            body["application_id"] = application_id
        answer = await self._verifier("/v1/second-factors/challenge", body, key=idempotency_key)
        ends = datetime.fromisoformat(answer["challenge_expires_at"])
        return Challenge(answer["challenge"], ends, tuple(answer["methods"]))

    async def verify_second_factor(
        self, challenge: str, code: str, *, idempotency_key: str | None = None, **wanted: Any
    ) -> SecondFactorPassed:
        """Answers a challenge and finishes the sign-in. `wanted`: `trust_device`, and anew what a redemption may ask for.

        ApiError `second_factor_invalid` for a wrong code, `challenge_invalid` when the user must begin again.
        """
        body = {"challenge": challenge, "code": code, **wanted}
        answer = await self._verifier(
            "/v1/second-factors/verify", body, key=idempotency_key, secrets=(challenge, code)
        )
        ends = answer["trust_expires_at"]
        return SecondFactorPassed(
            user=read(User, answer["user"]),
            link=_read_if_there(Link, answer["link"]),
            jwt=answer.get("jwt"),
            session=_read_if_there(Session, answer.get("session")),
            session_token=answer.get("session_token"),
            refresh_token=answer.get("refresh_token"),
            trust_token=answer["trust_token"],
            trust_expires_at=None if ends is None else datetime.fromisoformat(ends),
        )


_ShapeT = TypeVar("_ShapeT", Link, Session)


def _read_if_there(shape: type[_ShapeT], document: Mapping[str, Any] | None) -> _ShapeT | None:
    return None if document is None else read(shape, document)


def _factor(document: Mapping[str, Any]) -> SecondFactor:
    confirmed = document["confirmed_at"]
    return SecondFactor(
        document["id"],
        document["type"],
        None if confirmed is None else datetime.fromisoformat(confirmed),
        datetime.fromisoformat(document["created_at"]),
    )
