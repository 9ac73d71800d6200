"""`POST /v1/passcodes`, `/v1/passcodes/send`, `/v1/links/{id}/reveal`: parse, do, render."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from services.issuer import shapes, shapes_passcodes
from services.issuer.api_links import LinksApi
from services.issuer.idempotency import guard_of
from services.issuer.orders import Issued, Order
from services.issuer.passcodes import PasscodeCreate, PasscodeSend, SendByPasscode, draft_passcode
from services.issuer.reveal import Reveal
from services.issuer.sending import Asker
from shared.errors import LinkOver, NotFound, PasscodeInvalid, RateLimited, Refusal
from shared.http.routes import ApiKey, Call, Described, Route, json_response

# The link is found by its passcode.
_NOT_NAMED: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class PasscodesApi:
    """The handlers, and what they need. `links` issues, and shows a link as it showed it to its maker."""

    links: LinksApi
    by_passcode: SendByPasscode
    reveal: Reveal

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/passcodes",
                self.create,
                ApiKey("links:create"),
                described=Described(body=PasscodeCreate, answers={201: shapes_passcodes.MadePasscode}),
            ),
            Route(
                "POST",
                "/v1/passcodes/send",
                self.send,
                ApiKey("links:create"),
                described=Described(
                    body=PasscodeSend,
                    answers={200: shapes.MadeLink},
                    refusals=(PasscodeInvalid, RateLimited),
                ),
            ),
            Route(
                "POST",
                "/v1/links/{id}/reveal",
                self.reveal_link,
                ApiKey("links:reveal"),
                described=Described(
                    answers={200: shapes_passcodes.RevealedLink},
                    refusals=(NotFound, LinkOver),
                    idempotent=False,
                ),
            ),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a passcode without a link beside it, and send it when a channel is named."""
        wanted = await call.body(PasscodeCreate)
        app = await self.links.apps.get(call.caller.app_id)
        draft = await self.links.lanes.assign(draft_passcode(app, wanted, call.caller.limits))
        guard = guard_of(call, self.links.ring, "POST /v1/passcodes")
        order = Order(app.id, [draft], guard, "api", {"x-request-id": call.request_id})
        receipt = await self.links.issue.one(order)
        item = receipt.items[0]
        if isinstance(item, Refusal):
            raise item
        return json_response(self._view(item, call), 201, receipt.headers)

    async def send(self, call: Call) -> web.Response:
        """Send the link that a passcode stands for, in an app whose passcodes stand alone."""
        wanted = await call.body(PasscodeSend)
        asker = Asker(
            app=await self.links.apps.get(call.caller.app_id),
            link_id=_NOT_NAMED,
            limits=call.caller.limits,
            guard=guard_of(call, self.links.ring, "POST /v1/passcodes/send"),
            headers={"x-request-id": call.request_id},
        )
        answered = await self.by_passcode.one(asker, wanted)
        view = self.links.view(answered.body["issued"], asker.app, call)
        return json_response(view, 200, answered.headers)

    async def reveal_link(self, call: Call) -> web.Response:
        """Tell the secrets of a live link again."""
        app = await self.links.apps.get(call.caller.app_id)
        link = await self.reveal.one(app, call.caller, call.path_id())
        return json_response({"link": self.links.view(link, app, call)["link"]})

    def _view(self, link: Issued, call: Call) -> Mapping[str, Any]:
        names = ("id", "user_id", "channel", "expires_at", "created_at")
        found = {name: getattr(link, name) for name in names}
        if call.caller.may("links:reveal"):
            found["code"] = self.links.secrets.passcode(link)
        return {"passcode": found, "user_created": link.user_created, "message": link.message}
