"""Magic links: embeddable ones, and the authentication of every kind."""

from dataclasses import dataclass

from aiohttp import web

from services.compat.accounts import Accounts
from services.compat.stytch.authenticating import Authenticating
from services.compat.stytch.errors import refusal_view
from services.compat.stytch.project import BY_SECRET, project_of
from services.compat.stytch.requests import LinkAuthenticate, LinkCreate
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
        user = await project.user(asked.user_id)
        link = {
            "user_id": user["id"],
            "channel": "none",
            "ttl_seconds": asked.expiration_minutes * 60,
            "client": asked.client(),
        }
        made = await project.native.issuer("POST", "/v1/links", link)
        return project.answer(user_id=user["public_id"], token=made["link"]["token"])

    async def authenticate(self, call: Call) -> web.Response:
        """Redeem a link."""
        project = await project_of(self.accounts, call)
        asked = await call.body(LinkAuthenticate)
        proof = {"token": asked.token}
        if asked.code_verifier is not None:
            proof["code_verifier"] = asked.code_verifier
        return await self.authenticating.redeem(project, "/v1/links/verify", proof, asked)
