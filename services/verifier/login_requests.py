"""What a request may ask for besides the redemption: a session, claims, an application, terms of the link."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from services.verifier.attempt import NO_TERMS, Terms
from services.verifier.exchange import challenge_of
from services.verifier.login import application_unknown
from services.verifier.proof import LoginWanted, SessionWanted
from services.verifier.sessions import Sessions
from shared.errors import SessionInvalid
from shared.fresh import FreshCache
from shared.links import AskerInfo, SmallObject

MIN_SESSION_SECONDS = 300
MAX_SESSION_SECONDS = 31_622_400
REGISTERED_CLAIMS = frozenset({"iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "amr", "auth_time"})
_APPLICATION_SECONDS = 5.0


def own_claims(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse claims of registered names."""
    taken = sorted(REGISTERED_CLAIMS & value.keys())
    if taken:
        raise PydanticCustomError(
            "registered_claim", "must not hold {names}: those are ours to say", {"names": ", ".join(taken)}
        )
    return value


JwtClaims = Annotated[SmallObject, AfterValidator(own_claims)]
Seconds = Annotated[int, Field(ge=MIN_SESSION_SECONDS, le=MAX_SESSION_SECONDS)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
TokenOrJwt = Annotated[str, Field(min_length=1, max_length=32_768)]
"""A JWT may carry 16 KB of claims, a third longer in base64url."""
Id = Annotated[UUID, Field(strict=False)]


class StrictModel(BaseModel):
    """A body: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class SessionRequest(StrictModel):
    """The session that a redemption starts."""

    expires_in_seconds: Seconds | None = None
    """How long it lives. Default: the app's `session_seconds`."""
    claims: SmallObject = Field(default_factory=dict)
    """Any JSON object up to 4 KB; kept with the session."""
    refresh: bool = False
    """Give it a refresh token."""
    extends: TokenOrJwt | None = None
    """The session token, or a JWT, of a live session of the same user: it is extended and gets the factor, instead of a new one."""


class MatchRequest(StrictModel):
    """What of the asker must be as it was when the link was asked for."""

    ip: bool = False
    user_agent: bool = False


class LoginRequest(StrictModel):
    """What everything that signs somebody in may ask for."""

    jwt: bool = True
    """False: make no JWT."""
    jwt_claims: JwtClaims = Field(default_factory=dict)
    """Further claims of the JWT, at most 4 KB as JSON; none of the registered names."""
    application_id: Id | None = None
    """The application of the app that the user signs in to: the audience of the JWT."""
    trust_token: Text | None = None
    """Of a device that needs no second factor."""
    client: Annotated[AskerInfo, Field(strict=False)] | None = None
    """Who signs in, as the product sees it."""
    session: SessionRequest | None = None
    """Start a session."""


class RedeemRequest(LoginRequest):
    """What redeems a link."""

    code_verifier: Annotated[str, Field(max_length=1024)] | None = None
    """The PKCE verifier (RFC 7636); a link with a `code_challenge` needs it, no other link takes one."""
    match_client: MatchRequest | None = None
    """Refuse whoever redeems from elsewhere than the link was asked for from; burns nothing."""

    @model_validator(mode="after")
    def _known_client(self) -> Self:
        wanted = self.match_client
        for name in ("ip", "user_agent"):
            if wanted is not None and getattr(wanted, name) and getattr(self.client, name, None) is None:
                raise PydanticCustomError(
                    "client_missing", "match_client.{name} needs client.{name}", {"name": name}
                )
        return self


class LoginRequests:
    """Reads what requests ask for: what cannot be granted is refused before anything is burnt."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._applications: FreshCache[tuple[UUID, UUID], bool] = FreshCache(
            self._has_application, ttl_seconds=_APPLICATION_SECONDS
        )

    async def wanted(self, app_id: UUID, request: LoginRequest) -> LoginWanted:
        """Return what is asked for.

        Raises `Invalid` for an application that is none of the app's, `SessionInvalid` for a session token that is nobody's.
        """
        await self.check_application(app_id, request.application_id)
        return LoginWanted(
            jwt=request.jwt,
            jwt_claims=request.jwt_claims,
            session=None if request.session is None else self._session(request.session),
            application_id=request.application_id,
            trust_token=request.trust_token,
            client=client_of(request.client),
        )

    async def check_application(self, app_id: UUID, application_id: UUID | None) -> None:
        """Raise `Invalid` for an application that the app does not have."""
        if application_id is not None and not await self._applications.get((app_id, application_id)):
            raise application_unknown()

    async def terms(self, app_id: UUID, request: RedeemRequest, wanted: LoginWanted) -> Terms:
        """Return what must be so of the link. Raises `SessionInvalid` when the session that is to be extended is over."""
        verifier = request.code_verifier
        matched = _matched(request)
        extends = None if wanted.session is None else wanted.session.extends
        if verifier is None and matched is None and extends is None:
            return NO_TERMS
        holder = None if extends is None else (await self._sessions.find_live(app_id, extends))["user_id"]
        return Terms(None if verifier is None else challenge_of(verifier), matched, holder)

    def _session(self, session: SessionRequest) -> SessionWanted:
        extends = None if session.extends is None else self.named(session.extends)
        return SessionWanted(session.expires_in_seconds, session.claims, session.refresh, extends)

    def named(self, token_or_jwt: str) -> UUID:
        """Return the session that a session token or a JWT names. Raises `SessionInvalid`. No I/O."""
        tokens = self._sessions.tokens
        found = (
            tokens.session_of_jwt(token_or_jwt) if "." in token_or_jwt else tokens.session_of(token_or_jwt)
        )
        if found is None:
            raise SessionInvalid
        return found

    async def _has_application(self, named: tuple[UUID, UUID]) -> bool:
        app_id, application_id = named
        app = await self._sessions.find_login_app(app_id, [application_id])
        return application_id in app["applications"]


def client_of(client: AskerInfo | None) -> dict[str, str] | None:
    """Return the asker as it is kept."""
    return None if client is None else client.model_dump(mode="json", exclude_none=True)


def _matched(request: RedeemRequest) -> dict[str, str] | None:
    wanted, client = request.match_client, client_of(request.client)
    if wanted is None or client is None:
        return None
    return {name: client[name] for name in ("ip", "user_agent") if getattr(wanted, name)} or None
