"""The browser's side: GET shows, POST consumes (DESIGN §4, decision 0004)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from aiohttp import web

from services.verifier.attempt import Attempt
from services.verifier.browser import BrowserCookie, refuse_foreign
from services.verifier.consume import Consume
from services.verifier.redirect import redirect_location
from services.verifier.verdict import judge
from services.verifier.views import PRIVATE_HEADERS, Views
from shared.database import Row
from shared.errors import LinkConsumed, LinkInvalid
from shared.http.routes import Call, Handler, Public, Route, read_body
from shared.keys import KeyRing
from shared.links import load_state
from shared.redirects import origin
from shared.tokens import LinkRef, attempt_id, make_grant, read_token

_PATH = "/l/{token}"
_TOKEN_IS_PROOF = Public("the token in the path is the proof, checked before any I/O")
_LARGEST_FORM_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PageReads:
    """All that a GET may use: it reads, and has no hand on anything that writes."""

    look: Callable[[list[Attempt]], Awaitable[Mapping[UUID, Row]]]
    ring: KeyRing
    cookie: BrowserCookie
    views: Views

    async def show(self, call: Call) -> web.Response:
        """`GET /l/{token}`: the confirm page, or why there is none. Changes nothing, however often and by whom."""
        link = _read_link(self.ring, call)
        cookie = self.cookie.read(call.request)
        attempt = Attempt(link, _attempt_id(self.ring, link, cookie), None, "browser", call.request_id)
        rows = await self.look([attempt])
        response = self._page(rows.get(attempt.attempt_id), attempt.attempt_id)
        if cookie is None:
            self.cookie.give(response)
        return response

    async def options(self, _call: Call) -> web.Response:
        """`OPTIONS /l/{token}`: what may be asked. No CORS: no other site's script has business here."""
        return web.Response(status=204, headers={**PRIVATE_HEADERS, "Allow": "GET, HEAD, OPTIONS, POST"})

    def _page(self, row: Row | None, attempt: UUID) -> web.Response:
        if row is None:
            raise LinkInvalid
        verdict = judge(row, attempt)
        if verdict is None:
            return self.views.confirm(row)
        redeemed = verdict.redeemed()
        if not redeemed.row["grant_lives"]:
            raise LinkConsumed
        return self.views.carry_on(redeemed.row)


@dataclass(frozen=True, slots=True)
class Pages:
    """The routes under `/l/`."""

    reads: PageReads
    consume: Consume
    public_url: str

    def routes(self) -> list[Route]:
        return [
            self._route("GET", self.reads.show),
            self._route("HEAD", self.reads.show),
            self._route("OPTIONS", self.reads.options),
            self._route("POST", self.press),
        ]

    async def press(self, call: Call) -> web.Response:
        """`POST /l/{token}`: the button. Consumes the link, and leads the browser that did so to the product."""
        refuse_foreign(call.request.headers, origin(self.public_url))
        await read_body(call.request, call.max_body_bytes)  # the button sends nothing that we read
        link = _read_link(self.reads.ring, call)
        attempt_uuid = _attempt_id(self.reads.ring, link, self.reads.cookie.read(call.request))
        redeemed = await self.consume.consume(Attempt(link, attempt_uuid, None, "browser", call.request_id))
        # The same browser is let in again, but no longer than the code is worth anything.
        if redeemed.replayed and not redeemed.row["grant_lives"]:
            raise LinkConsumed
        return self._lead_on(link, redeemed.row)

    def _lead_on(self, link: LinkRef, row: Row) -> web.Response:
        if row["redirect_url"] is None:
            return self.reads.views.done(row)
        code = make_grant(self.reads.ring, link)
        return self.reads.views.redirect(
            redirect_location(row["redirect_url"], code, load_state(row["state"]))
        )

    def _route(self, method: str, handler: Handler) -> Route:
        return Route(
            method,
            _PATH,
            handler,
            _TOKEN_IS_PROOF,
            max_body_bytes=_LARGEST_FORM_BYTES,
            refusal_view=self.reads.views.refusal,
            headers=PRIVATE_HEADERS,
        )


def _read_link(ring: KeyRing, call: Call) -> LinkRef:
    link = read_token(ring, call.request.match_info["token"])
    if link is None:
        raise LinkInvalid
    return link


def _attempt_id(ring: KeyRing, link: LinkRef, cookie: str | None) -> UUID:
    """Name the browser's attempt; without a cookie (not a browser, or one that refuses it) nobody can ask again."""
    return uuid4() if cookie is None else attempt_id(ring, link, f"cookie:{cookie}")
