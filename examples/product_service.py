"""A small site that signs its users in with magic links. It is what a product team has to write, and no more.

    python examples/product_service.py            # beside the cluster that `make run` started
    ISSUER_URL=… VERIFIER_URL=… API_KEY=… SITE_URL=https://shop.example python examples/product_service.py

1. POST /sign-in    asks the issuer for a link, sent by e-mail with a passcode. `state` ties the link to this browser. Then
                    the browser visits the verifier for a moment (pairing), so that the link needs no click in this browser.
2. The user opens the link at the verifier, which sends the browser back here; in another browser there is a button to press.
3. GET /signed-in   exchanges the `code` for the user, checks `state`, and starts a session of the site's own.
   POST /passcode   or, when the mail was opened elsewhere: the user types the passcode here.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.client import MagicLinkClient, MagicLinkError, User

PAGE = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
ASKED = "product_asked"  # the state of the link that this browser asked for
SESSION = "product_session"
PENDING = "product_pending"  # a proven address that this browser has yet to agree to
# The way from the sign-in form leads over the verifier (pairing), so browsers must be allowed to post there.
POLICY = "default-src 'none'; style-src 'self'; form-action 'self' {links}; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store",
    # Not no-referrer: the verifier pairs a browser only when it comes from this site. Paths and queries stay here.
    "Referrer-Policy": "strict-origin",
    "X-Content-Type-Options": "nosniff",
}
PAIRING_SECONDS = 3  # more is not worth waiting for: without it the link has a button
REFUSALS = {
    "invalid_request": ("Please check what you typed", 400),
    "grant_invalid": ("This link has been used, or took too long", 400),
    "passcode_invalid": ("This code is wrong, used or too old", 400),
    "rate_limited": ("Too many tries, please wait a little", 429),
}
SIGN_IN_FORM = """<form method="post" action="/sign-in"><label for="email">Your e-mail</label>
<input id="email" name="email" type="email" autocomplete="email" required autofocus>
<button>Send me a link</button></form>"""
PASSCODE_FORM = """<form method="post" action="/passcode"><label for="passcode">Or type the code from the mail</label>
<input id="passcode" name="passcode" inputmode="numeric" autocomplete="one-time-code" maxlength="40" required>
<button class="second">Sign in with the code</button></form>"""
AGREE_FORM = """<p>This link was not asked for in this browser. Go on only if the address is yours.</p>
<form method="post" action="/agree"><button name="answer" value="yes">Yes, sign me in</button>
<button class="second" name="answer" value="no">No</button></form>"""
TRY_CODE_AGAIN = '<a class="button" href="/sent">Try another code</a>'
WAY_ON = '<a class="button second" href="/">Start again</a>'
SIGN_OUT_FORM = '<form method="post" action="/sign-out"><button class="second">Sign out</button></form>'


@dataclass(frozen=True)
class Asked:
    """A link that a browser asked for."""

    link_id: str
    email: str


@dataclass
class Site:
    """The site. Its sessions live in memory: a real one keeps them in its database, with an end."""

    settings: dict[str, Any]
    origins: list[str]  # the site's own addresses; the app's allow-list has `<address>/signed-in` of each
    asked: dict[str, Asked] = field(default_factory=dict)
    sessions: dict[str, User] = field(default_factory=dict)
    pending: dict[str, User] = field(default_factory=dict)

    async def connect(self, _app: web.Application) -> AsyncIterator[None]:
        urls = self.settings["issuer_url"], self.settings["verifier_url"]
        async with MagicLinkClient(*urls, self.settings["api_key"]) as self.magiclink:
            yield

    async def home(self, request: web.Request) -> web.Response:
        if user := self.pending.get(request.cookies.get(PENDING, "")):
            return page(f"Sign in as {user.email or user.phone}?", AGREE_FORM)
        if user := self.sessions.get(request.cookies.get(SESSION, "")):
            return page(f"Signed in as {user.email or user.phone}", SIGN_OUT_FORM)
        return page("Sign in", SIGN_IN_FORM)

    async def sign_in(self, request: web.Request) -> web.Response:
        email = str((await request.post()).get("email", "")).strip()
        state = secrets.token_urlsafe(32)
        # The address that this browser uses, if it is ours: the Host header alone could name any site.
        origin = next((own for own in self.origins if own.endswith(f"://{request.host}")), self.origins[0])
        issued = await self.magiclink.create_link(
            email=email,
            channel="email",
            redirect_url=f"{origin}/signed-in",
            state=state,
            passcode=True,
            client={"ip": str(request.remote), "user_agent": request.headers.get("User-Agent", "")[:512]},
        )
        self.asked[state] = Asked(issued.link.id, email)
        response = web.Response(status=303, headers={"Location": await self.pair(issued.link.id, origin)})
        self.set_cookie(response, ASKED, state)
        return response

    async def pair(self, link_id: str, origin: str) -> str:
        """Where the browser goes next: over the verifier, which remembers it, or straight on when that does not work."""
        try:
            async with asyncio.timeout(PAIRING_SECONDS):
                return await self.magiclink.create_pairing(link_id, f"{origin}/sent")
        except (MagicLinkError, TimeoutError) as error:
            print(f"no pairing: {error}", file=sys.stderr)
            return "/sent"

    async def sent(self, request: web.Request) -> web.Response:
        if not (asked := self.asked.get(request.cookies.get(ASKED, ""))):
            return web.Response(status=303, headers={"Location": "/"})
        # The same page for every address: nobody learns here who has an account.
        body = f"<p>We sent a link to <b>{escape(asked.email)}</b>. Open it in this browser and you are signed in.</p>"
        if inbox := self.settings.get("inbox_url"):
            body += f'<a class="button" href="{escape(inbox)}" target="_blank">Open the inbox</a>'
        return page("Look into your inbox", body + PASSCODE_FORM + WAY_ON)

    async def passcode(self, request: web.Request) -> web.Response:
        state = request.cookies.get(ASKED, "")
        asked = self.asked.get(state)
        passcode = str((await request.post()).get("passcode", ""))
        response = web.Response(status=303, headers={"Location": "/"})
        if asked:
            # The same code sent twice, say by a double click, is the same attempt and gets the same answer.
            attempt = hashlib.sha256(f"{state} {passcode}".encode()).hexdigest()
            verified = await self.magiclink.verify_passcode(
                passcode, link_id=asked.link_id, idempotency_key=attempt
            )
            self.start_session(response, verified.user)
        return response

    async def signed_in(self, request: web.Request) -> web.Response:
        if not (code := request.query.get("code")):
            raise web.HTTPNotFound
        asked = request.cookies.get(ASKED, "")
        # A double click, or Back and the button again, brings the same code twice: with the same key the same browser gets
        # the same answer (for a minute). The key hangs on the cookie, so the code alone still signs nobody in twice.
        attempt = hashlib.sha256(f"{asked} {code}".encode()).hexdigest() if asked else None
        verified = await self.magiclink.exchange_grant(code, idempotency_key=attempt)
        response = web.Response(status=303, headers={"Location": "/"})
        # Login CSRF: an attacker sends the victim here with a code of the attacker's own account, and then reads what
        # the victim does in it. So the link must be the one this browser asked for. Other links can be honest (a
        # reminder, a link opened on the phone): they sign in only after the user has read the address and agreed.
        if asked and hmac.compare_digest(asked.encode(), str(verified.state).encode()):
            self.start_session(response, verified.user)
        else:
            self.pending[key := secrets.token_urlsafe(32)] = verified.user
            self.set_cookie(response, PENDING, key)
        return response

    async def agree(self, request: web.Request) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/"})
        user = self.pending.pop(request.cookies.get(PENDING, ""), None)
        response.del_cookie(PENDING)
        if user and (await request.post()).get("answer") == "yes":
            self.start_session(response, user)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        self.sessions.pop(request.cookies.get(SESSION, ""), None)
        response = web.Response(status=303, headers={"Location": "/"})
        self.asked.pop(request.cookies.get(ASKED, ""), None)
        response.del_cookie(ASKED)  # nobody who presses Back now is signed in again
        return response

    def start_session(self, response: web.Response, user: User) -> None:
        # Always a new id: one that was planted in this browser before must not become a signed-in one.
        self.sessions[key := secrets.token_urlsafe(32)] = user
        self.set_cookie(response, SESSION, key)
        response.del_cookie(PENDING)

    def set_cookie(self, response: web.Response, name: str, value: str) -> None:
        secure = self.origins[0].startswith("https:")
        response.set_cookie(name, value, httponly=True, samesite="Lax", secure=secure)


def page(title: str, body: str, status: int = 200) -> web.Response:
    """A page; `title` is text, `body` is HTML."""
    text = PAGE.substitute(title=escape(title), body=body)
    return web.Response(text=text, content_type="text/html", status=status)


async def style(_request: web.Request) -> web.Response:
    return web.Response(text=STYLE, content_type="text/css")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses posts from other sites, and turns what goes wrong into a page with a way on."""
    # A form on another site must not sign anybody in or out; browsers say where a request comes from.
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return page("That came from another site", WAY_ON, 403)
    way_on = WAY_ON
    try:
        return await handler(request)
    except MagicLinkError as error:
        print(f"{request.method} {request.path}: {error}", file=sys.stderr)
        title, status = REFUSALS.get(getattr(error, "code", ""), ("Signing in does not work right now", 503))
        if request.path == "/passcode":
            way_on = TRY_CODE_AGAIN + WAY_ON
    except web.HTTPException as error:
        title, status = error.reason, error.status
    return page(title, way_on, status)


def make_app(settings: dict[str, Any], origins: list[str]) -> web.Application:
    """Wires the site; `settings` are `issuer_url, verifier_url, api_key` and perhaps `inbox_url` and `links_url`."""
    site = Site(settings, origins)
    links = urlsplit(settings.get("links_url") or settings["verifier_url"])
    policy = POLICY.format(links=f"{links.scheme}://{links.netloc}")

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update({**HEADERS, "Content-Security-Policy": policy})

    app = web.Application(middlewares=[guard], client_max_size=16 * 1024)
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(site.connect)
    app.router.add_get("/", site.home)
    app.router.add_get("/signed-in", site.signed_in)
    app.router.add_get("/style.css", style)
    app.router.add_get("/sent", site.sent)
    app.router.add_post("/sign-in", site.sign_in)
    app.router.add_post("/passcode", site.passcode)
    app.router.add_post("/agree", site.agree)
    app.router.add_post("/sign-out", site.sign_out)
    return app


def read_settings(dev_json: Path) -> dict[str, Any]:
    names = ("issuer_url", "verifier_url", "api_key")
    if all(os.environ.get(name.upper()) for name in names):
        found: dict[str, Any] = {name: os.environ[name.upper()] for name in names}
        # The verifier as browsers reach it, when that is another address than the site's own server uses.
        return {**found, "links_url": os.environ.get("LINKS_URL")}
    try:
        settings: dict[str, Any] = json.loads(dev_json.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        sys.exit(f"{dev_json} cannot be read: start `make run`, or set {', '.join(names).upper()}")
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(description="A small site with magic-link sign-in.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--dev-json", type=Path, default=Path(".magiclink/dev.json"), help="of `make run`")
    options = parser.parse_args()
    local = f"http://127.0.0.1:{options.port} http://localhost:{options.port}"
    app = make_app(read_settings(options.dev_json), os.environ.get("SITE_URL", local).split())
    # No access log: the path of the callback has the grant in it.
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
