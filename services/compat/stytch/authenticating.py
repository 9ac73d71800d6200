"""From a token or code to Stytch's answer: one redemption, and the session's JWT where a session was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.attempts import Attempts
from services.compat.stytch.errors import StytchRefusal
from services.compat.stytch.project import Project
from services.compat.stytch.requests import SessionOptions
from services.compat.stytch.shapes import (
    SESSION_CLAIM,
    method_id,
    session_claim,
    session_object,
    user_object,
)

# Stytch ignores these in custom claims; the JWT has its own.
_RESERVED_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", SESSION_CLAIM})
# Of the JWT, by the native API; a session may have claims of these names, and keeps them for itself.
_NATIVE_CLAIMS: Final = _RESERVED_CLAIMS | {"sid", "amr", "auth_time"}
_TOO_MANY = StytchRefusal(
    400, "too_many_session_arguments", "Include session_token or session_jwt, not both of them."
)


@dataclass(frozen=True, slots=True)
class Authenticating:
    """Redeems for a project. Stytch's callers send no `Idempotency-Key`: `attempts` lets them ask again after an outage."""

    attempts: Attempts

    async def redeem(
        self, project: Project, path: str, proof: Mapping[str, Any], asked: SessionOptions
    ) -> web.Response:
        """Redeem `proof` at a path of the verifier and answer as `authenticate` does."""
        body = {**proof, **redeeming_options(asked)}

        async def ask(key: str) -> dict[str, Any]:
            redeemed = await project.native.verifier("POST", path, body, key=key)
            # Within the attempt: without its JWT the answer is not whole, and the next caller gets it by the same key.
            return {**redeemed, **await session_members(project, redeemed)}

        secret = ":".join(str(value) for value in proof.values())
        found = await self.attempts.redeem(project.account.app.id, secret, ask)
        return project.answer(
            user_id=found["user"]["public_id"],
            method_id=method_id(project.ids, found["link"], found["user"]),
            session=found["session_object"],
            session_token=found.get("session_token") or "",
            session_jwt=found["session_jwt"],
            user=user_object(project.ids, found["user"]),
            reset_sessions=False,
            user_device=None,
        )


def redeeming_options(asked: SessionOptions) -> dict[str, Any]:
    """Return what an `authenticate` call wants besides the redemption, in native words."""
    options = asked.options
    session = wanted_session(asked)
    client = asked.client()
    return {
        "jwt": False,
        **({} if client is None else {"client": client}),
        **({} if session is None else {"session": session}),
        **(
            {}
            if options is None
            else {
                "match_client": {
                    "ip": bool(options.ip_match_required),
                    "user_agent": bool(options.user_agent_match_required),
                }
            }
        ),
    }


def wanted_session(asked: SessionOptions) -> dict[str, Any] | None:
    """Return the native session to open or to go on with; None without one. Raises `StytchRefusal` for two sessions."""
    extends = one_session(asked.session_token, asked.session_jwt)
    minutes = asked.session_duration_minutes
    if extends is None and minutes is None:
        return None
    wanted: dict[str, Any] = {"claims": own_claims(asked.session_custom_claims)}
    if extends is not None:
        wanted["extends"] = extends
    if minutes is not None:
        wanted["expires_in_seconds"] = minutes * 60
    return wanted


def one_session(session_token: str | None, session_jwt: str | None) -> str | None:
    """Return the session that a call names by its token or by its JWT, if any. Raises `StytchRefusal` for both."""
    if session_token is not None and session_jwt is not None:
        raise _TOO_MANY
    return session_jwt if session_token is None else session_token


def own_claims(claims: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return custom claims without those that Stytch ignores."""
    return {name: value for name, value in (claims or {}).items() if name not in _RESERVED_CLAIMS}


async def session_members(project: Project, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the session of a native answer as Stytch has it, and its JWT; empty without a session."""
    native = found.get("session")
    if native is None:
        return {"session_object": None, "session_jwt": ""}
    session = session_object(project.ids, native, found["user"])
    claims = {name: value for name, value in native["claims"].items() if name not in _NATIVE_CLAIMS}
    claims[SESSION_CLAIM] = session_claim(session)
    signed = await project.native.verifier("POST", f"/v1/sessions/{native['id']}/jwt", {"jwt_claims": claims})
    return {"session_object": session, "session_jwt": signed["jwt"]}
