"""Pairing over HTTP: the product's server gets a ticket, and the browser of its user makes a visit with it (decision 0008)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.verifier.browser import PairingCookie
from services.verifier.page_headers import PRIVATE_HEADERS
from services.verifier.pairing import TICKET_SECONDS, PairingReads, may_pair, with_proof
from services.verifier.views import Views
from shared.database import Row, is_away
from shared.errors import FieldProblem, Invalid, LinkInvalid, LinkOver, NotFound
from shared.http.routes import ApiKey, Call, Described, Public, Route, json_response
from shared.keys import KeyRing
from shared.redirects import RedirectPolicy, RedirectRefused
from shared.tokens import (
    LinkRef,
    PairingTicket,
    make_pairing_proof,
    make_pairing_ticket,
    read_pairing_ticket,
)

_TICKET_IS_PROOF = Public("the ticket in the path is the proof, checked before any I/O")


class PairingRequest(BaseModel):
    """The body of `POST /v1/links/{id}/pairing`: where the browser goes after its visit, on the app's allow-list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    return_url: Annotated[str, Field(min_length=1, max_length=2048)]


class PairingMade(BaseModel):
    """A one-time URL to send the browser to that asked for the link, at once."""

    pairing_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PairingApi:
    """The two routes. `allow_http` is for the dev environment."""

    reads: PairingReads
    ring: KeyRing
    cookie: PairingCookie
    views: Views
    public_url: str
    allow_http: bool

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/links/{id}/pairing",
                self.make,
                ApiKey("links:create"),
                described=Described(
                    body=PairingRequest, answers={201: PairingMade}, refusals=(NotFound, LinkOver)
                ),
            ),
            Route(
                "GET",
                "/pair/{ticket}",
                self.visit,
                _TICKET_IS_PROOF,
                refusal_view=self.views.refusal,
                headers=PRIVATE_HEADERS,
                described=Described(answers={303: None}, refusals=(LinkInvalid,), media_type="text/html"),
            ),
        ]

    async def make(self, call: Call) -> web.Response:
        """Make a one-time ticket with which the browser that asked for the link is paired with it."""
        link_id = call.path_id()
        request = await call.body(PairingRequest)
        row = await self.reads.find(link_id, call.caller.app_id)
        if row is None:
            raise NotFound
        return_url = self._checked(row, request.return_url)
        # With a key that was dropped from the ring the link's token is worth nothing any more.
        if not row["lives"] or self.ring.key("pairing", row["kid"]) is None:
            raise LinkOver
        expires_at = int(row["now_seconds"]) + TICKET_SECONDS
        ticket = make_pairing_ticket(
            self.ring, PairingTicket(LinkRef(row["kid"], link_id), expires_at, return_url)
        )
        return json_response(
            {
                "pairing_url": f"{self.public_url}/pair/{ticket}",
                "expires_at": datetime.fromtimestamp(expires_at, UTC),
            },
            status=201,
        )

    async def visit(self, call: Call) -> web.Response:
        """`GET /pair/{ticket}`: remember this browser, and lead it back, whatever became of that. No link is changed."""
        text = call.request.match_info["ticket"]
        ticket = read_pairing_ticket(self.ring, text)
        if ticket is None:
            raise LinkInvalid
        # Where it leads was checked when the ticket was signed, so this is no open redirect.
        response = self.views.redirect(ticket.return_url)
        row = await self._find(ticket.link.link_id)
        # The ticket is used last: a visit that another site began must not use it up.
        if row is not None and may_pair(row, ticket, call.request.headers) and await self.reads.use(text):
            proof = make_pairing_proof(self.ring, ticket.link)
            proofs = with_proof(self.cookie.read(call.request), proof)
            self.cookie.give(response, proofs, row["seconds_to_expiry"])
        return response

    async def _find(self, link_id: UUID) -> Row | None:
        try:
            return await self.reads.find(link_id, None)
        except Exception as error:
            if not is_away(error):
                raise
            return None  # unpaired the link works all the same, with a button or a passcode

    def _checked(self, row: Row, return_url: str) -> str:
        """Return where the browser goes back to. Raises `Invalid` with every problem."""
        problems = []
        if row["binding"] == "none":
            message = "is none: this link is not to be paired"
            problems.append(FieldProblem("binding", "binding_none", message))
        policy = RedirectPolicy(
            row["base_url"], tuple(row["redirect_urls"]), self.allow_http, exact=row["redirects_exact"]
        )
        try:
            return_url = policy.resolve(return_url)
        except RedirectRefused as refused:
            problems.append(FieldProblem("return_url", refused.rule, str(refused)))
        if problems:
            raise Invalid(problems)
        return return_url
