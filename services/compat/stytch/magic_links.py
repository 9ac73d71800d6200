"""Magic links: embeddable ones, and the authentication of every kind."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.compat.accounts import Accounts
from services.compat.native import NativeRefusal
from services.compat.stytch.authenticating import Authenticating
from services.compat.stytch.errors import refusal_view
from services.compat.stytch.project import BY_SECRET, Project, project_of
from services.compat.stytch.requests import LinkAuthenticate, LinkCreate
from shared.errors import Forbidden
from shared.http.routes import Call, Route


@dataclass(frozen=True, slots=True)
class MagicLinks:
    """The handlers of `/v1/magic_links`."""

    accounts: Accounts
    authenticating: Authenticating

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/v1/magic_links", self.create, BY_SECRET, refusal_view=refusal_view),
            Route(
                "POST",
                "/v1/magic_links/authenticate",
                self.authenticate,
                BY_SECRET,
                refusal_view=refusal_view,
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make an embeddable link: the product hands its token on, so redeeming it verifies no address."""
        project = await project_of(self.accounts, call)
        asked = await call.body(LinkCreate)
        link = {"channel": "none", "ttl_seconds": asked.expiration_minutes * 60, "client": asked.client()}
        user_id, made = await _make(project, asked.user_id, link)
        if "token" not in made["link"]:
            raise Forbidden("needs the scope links:reveal")
        return project.answer(user_id=user_id, token=made["link"]["token"])

    async def authenticate(self, call: Call) -> web.Response:
        """Redeem a link."""
        project = await project_of(self.accounts, call)
        asked = await call.body(LinkAuthenticate)
        proof = {"token": asked.token}
        if asked.code_verifier is not None:
            proof["code_verifier"] = asked.code_verifier
        return await self.authenticating.redeem(project, "/v1/links/verify", proof, asked)


async def _make(project: Project, user_id: str, link: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Make a link for the user whom a call names; return the user's id as Stytch's callers know it, and what was made."""
    native_id = project.native_id(user_id)
    if native_id is not None:
        # Without a look first: an id of our own form that names nobody is refused by the making itself.
        try:
            made: dict[str, Any] = await project.native.issuer(
                "POST", "/v1/links", {"user_id": native_id, **link}
            )
        except NativeRefusal as refusal:
            if not refusal.broke("user_unknown"):
                raise
        else:
            return user_id, made
    user = await project.user(user_id)
    made = await project.native.issuer("POST", "/v1/links", {"user_id": user["id"], **link})
    return user["public_id"], made
