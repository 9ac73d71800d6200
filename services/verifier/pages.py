"""The browser's side: GET shows, POST consumes (DESIGN §4, decision 0004)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from aiohttp import web

from services.verifier.attempt import Attempt
from services.verifier.browser import PairingCookie
from services.verifier.consume import Consume
from services.verifier.page_headers import PRIVATE_HEADERS
from services.verifier.pairing import holds_proof
from services.verifier.redirect import redirect_location
from services.verifier.renewal import Renewal
from services.verifier.shapes import LINK_REFUSALS, PAGE_REFUSALS
from services.verifier.verdict import judge
from services.verifier.views import Views
from services.verifier.visitors import refuse_scanner, visitor_of
from services.verifier.visits import Note, Visit
from shared.database import Row
from shared.errors import (
    ForeignOrigin,
    LinkConsumed,
    LinkExpired,
    LinkInvalid,
    LinkNotYetValid,
    PairingRequired,
    Refusal,
    ScannerRefused,
)
from shared.http.browsers import BrowserCookie, refuse_foreign
from shared.http.routes import Call, Described, Handler, Public, Route, read_body
from shared.keys import KeyRing
from shared.links import load_state
from shared.redirects import origin
from shared.tokens import LinkRef, attempt_id, make_grant, read_token

_PATH = "/l/{token}"
_RENEW_PATH = "/l/{token}/renew"
_TOKEN_IS_PROOF = Public("the token in the path is the proof, checked before any I/O")
_LARGEST_FORM_BYTES = 4096
# Refusals whose page says more when it knows the link. The others are those of storms, and end without the database.
_WORTH_A_LOOK = (LinkExpired, LinkNotYetValid, PairingRequired)
_HTML = "text/html"
_SHOWN = Described(answers={200: None}, refusals=PAGE_REFUSALS, media_type=_HTML)
_PRESSED = Described(
    # 200: a link that leads nowhere.
    answers={200: None, 303: None},
    refusals=(*LINK_REFUSALS, ForeignOrigin, ScannerRefused),
    media_type=_HTML,
)


@dataclass(frozen=True, slots=True)
class PageReads:
    """All that a GET may use: it reads, and has no hand on anything that writes."""

    find: Callable[[UUID], Awaitable[Row | None]]
    ring: KeyRing
    cookie: BrowserCookie
    pairings: PairingCookie
    views: Views
    note: Note  # keeps it in memory, for a task that is no part of the request

    async def show(self, call: Call) -> web.Response:
        """`GET /l/{token}`: the confirm page, or why there is none. Changes nothing, however often and by whom."""
        attempt = self.attempt(call)
        row = await self.row_of(attempt)
        visitor = visitor_of(call.request.headers, call.request.method)
        self.note(Visit(attempt.link.link_id, "visited", visitor))
        # A page that is fetched ahead, before anybody wants it, must not press its own button.
        response = self._page(call, row, attempt, may_press=visitor != "prefetch")
        if response.status == 200 and self.cookie.read(call.request) is None:
            self.cookie.give(response)
        return response

    async def options(self, _call: Call) -> web.Response:
        """`OPTIONS /l/{token}`: what may be asked. No CORS: no other site's script has business here."""
        return web.Response(status=204, headers={**PRIVATE_HEADERS, "Allow": "GET, HEAD, OPTIONS, POST"})

    async def back(self, call: Call) -> web.Response:
        """`GET /l/{token}/renew`: an address that somebody kept, or tries again; the link's own page is what it stands for."""
        self.attempt(call)  # not for what is no token of ours
        return self.views.redirect(f"../{call.request.match_info['token']}")

    def attempt(self, call: Call) -> Attempt:
        """Return the attempt that this browser makes. Raises `LinkInvalid` for what is no token of ours, before any I/O."""
        link = read_token(self.ring, call.request.match_info["token"])
        if link is None:
            raise LinkInvalid
        paired = holds_proof(self.ring, link, self.pairings.read(call.request))
        named = _attempt_id(self.ring, link, self.cookie.read(call.request))
        return Attempt(link, named, None, "browser", call.request_id, paired)

    async def row_of(self, attempt: Attempt) -> Row:
        """Read where the link stands. Raises `LinkInvalid` for one that is not there any more."""
        row = await self.find(attempt.link.link_id)
        if row is None:
            raise LinkInvalid
        return row

    def _page(self, call: Call, row: Row, attempt: Attempt, *, may_press: bool) -> web.Response:
        verdict = judge(row, attempt)
        if verdict is None:
            presses = attempt.paired and row["binding"] != "none" and may_press
            return self.views.confirm(call.request, row, "auto" if presses else "first")
        try:
            redeemed = verdict.redeemed()
            if not redeemed.row["grant_lives"]:
                raise LinkConsumed
        except Refusal as refusal:
            return self.views.refused(call.request, refusal, row)
        # Never by itself: who comes here by Back wants to stay.
        return self.views.confirm(call.request, row, "again")


@dataclass(frozen=True, slots=True)
class Pages:
    """The routes under `/l/`."""

    reads: PageReads
    consume: Consume
    renewal: Renewal
    public_url: str

    def routes(self) -> list[Route]:
        return [
            self._route("GET", _PATH, self.reads.show, _SHOWN),
            self._route("HEAD", _PATH, self.reads.show, _SHOWN),
            self._route(
                "OPTIONS", _PATH, self.reads.options, Described(answers={204: None}, media_type=_HTML)
            ),
            self._route("POST", _PATH, self.press, _PRESSED),
            self._route(
                "GET",
                _RENEW_PATH,
                self.reads.back,
                Described(answers={303: None}, refusals=(LinkInvalid,), media_type=_HTML),
            ),
            self._route(
                "POST",
                _RENEW_PATH,
                self.renew,
                Described(answers={200: None}, refusals=(LinkInvalid, ForeignOrigin), media_type=_HTML),
            ),
        ]

    async def press(self, call: Call) -> web.Response:
        """`POST /l/{token}`: the button. Consumes the link, and leads the browser that did so to the product."""
        attempt = await self._posted(call)
        try:
            redeemed = await self.consume.consume(attempt)
        except _WORTH_A_LOOK as refusal:
            return self.reads.views.refused(call.request, refusal, await self.reads.row_of(attempt))
        # The same browser is let in again, but no longer than the code is worth anything.
        if redeemed.replayed and not redeemed.row["grant_lives"]:
            raise LinkConsumed
        return self._lead_on(call, attempt.link, redeemed.row)

    async def renew(self, call: Call) -> web.Response:
        """`POST /l/{token}/renew`: a new link for an expired one, to whom that one went. One answer, whatever comes of it."""
        attempt = await self._posted(call)
        row = await self.reads.row_of(attempt)
        if row["found_user"] is None:  # deleted, with all that could be sent to them: there is nobody to name
            raise LinkInvalid
        await self.renewal.ask(attempt.link, call.request_id)
        return self.reads.views.renewed(call.request, row)

    async def _posted(self, call: Call) -> Attempt:
        """Return the attempt of a form of ours; other sites' and scanners' are refused before any look at the link."""
        refuse_foreign(call.request.headers, origin(self.public_url))
        await read_body(call.request, call.max_body_bytes)  # the buttons send nothing that we read
        attempt = self.reads.attempt(call)
        try:
            refuse_scanner(call.request.headers)
        except ScannerRefused as refusal:
            self.reads.note(Visit(attempt.link.link_id, "refused", "scanner", refusal.code))
            raise
        return attempt

    def _lead_on(self, call: Call, link: LinkRef, row: Row) -> web.Response:
        views = self.reads.views
        if row["redirect_url"] is None:
            return views.done(call.request, row)
        code = make_grant(self.reads.ring, link)
        return views.redirect(redirect_location(row["redirect_url"], code, load_state(row["state"])))

    def _route(self, method: str, path: str, handler: Handler, described: Described) -> Route:
        return Route(
            method,
            path,
            handler,
            _TOKEN_IS_PROOF,
            max_body_bytes=_LARGEST_FORM_BYTES,
            refusal_view=self.reads.views.refusal,
            headers=PRIVATE_HEADERS,
            described=described,
        )


def _attempt_id(ring: KeyRing, link: LinkRef, cookie: str | None) -> UUID:
    """Name the browser's attempt; without a cookie (not a browser, or one that refuses it) nobody can ask again."""
    return uuid4() if cookie is None else attempt_id(ring, link, f"cookie:{cookie}")
