"""The link of a FusionAuth mail: `/oauth2/passwordless/{code}?postMethod=true` (VENDORS §4.4).

GET shows a page with one button, whoever asks and however often: mail scanners cannot use a link up (DESIGN §4, decision 0004). POST redeems.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import api_logins as logins
from services.compat.fusionauth.tenants import Tenants
from services.compat.fusionauth.views import CONFIRM, PRIVATE_HEADERS, SIGNED_IN, Views
from services.compat.headers import browser_client
from services.compat.parts import CompatParts
from shared.http.browsers import BrowserCookie
from shared.http.routes import Call, Public, Route
from shared.public_ids import DEFAULT_FORMAT, parse_id
from shared.redirects import RedirectPolicy, RedirectRefused, origin

_PATH = "/oauth2/passwordless/{code}"
_CODE = Public("the code in the path is the proof, checked by the native API")


@dataclass(frozen=True, slots=True)
class Pages:
    """The handlers, and what they need."""

    parts: CompatParts
    tenants: Tenants
    views: Views
    cookie: BrowserCookie

    def routes(self) -> list[Route]:
        return [
            Route(method, _PATH, handler, _CODE, refusal_view=self.views.refused, headers=PRIVATE_HEADERS)
            for method, handler in (("GET", self.show), ("HEAD", self.show), ("POST", self.press))
        ]

    async def show(self, call: Call) -> web.Response:
        """Show the button. Nothing is asked about the code: a GET learns nothing and changes nothing."""
        account = await self.tenants.of_nobody(call)
        response = self.views.page(CONFIRM, form_target=self._form_target(account, call))
        if self.cookie.read(call.request) is None:
            self.cookie.give(response)
        return response

    async def press(self, call: Call) -> web.Response:
        """Redeem the code, write the cookies, and lead on to where the link leads."""
        self.parts.refuse_other_sites(call)
        account = await self.tenants.of_nobody(call)
        done = await self._redeem(account, call)
        link, state = done.answer["link"], done.answer.get("state") or {}
        if link["metadata"].get("leads_on") and link["redirect_url"]:
            location = _location(link["redirect_url"], state)
            response = web.Response(status=303, headers={**PRIVATE_HEADERS, "Location": location})
        else:
            response = self.views.page(SIGNED_IN)
        logins.set_cookies(response, account.app, done, secure=self.parts.is_https)
        return response

    async def _redeem(self, account: Account, call: Call) -> logins.Done:
        code = call.request.match_info["code"]
        first = {
            "passcode": code,
            "client": browser_client(call),
            "jwt": False,
            "trust_token": call.request.cookies.get(logins.TRUST_COOKIE),
        }

        async def ask(key: str) -> logins.Done:
            # The link says which application it is for. So it is redeemed first, and then the same attempt asks for its session.
            verify = account.native.verifier
            redeemed = await verify("POST", "/v1/passcodes/verify", first, key=key)
            # A link of the native API's may say anything there: what is no id names no application.
            named = parse_id(DEFAULT_FORMAT, str(redeemed["link"]["metadata"].get("application_id")))
            application = await self.tenants.application(account, named)
            wanted = {"application_id": named and str(named), "session": logins.session_wanted(application)}
            second = {**first, **wanted}
            return await logins.finish(account, await verify("POST", "/v1/passcodes/verify", second, key=key))

        # The same browser pressing twice, or again after an outage, is the same attempt.
        cookie = self.cookie.read(call.request)
        if cookie is not None:
            return await ask(cookie)
        done: logins.Done = await self.parts.attempts.redeem(account.app.id, code, ask)
        return done

    def _form_target(self, account: Account, call: Call) -> str:
        """Return the origin that the page's form may be led on to, where the app allows the redirect that the link names."""
        leads_to = call.request.query.get("redirect_uri", "")
        settings = account.app.settings
        policy = RedirectPolicy(
            settings["base_url"],
            tuple(settings["redirect_urls"]),
            allow_http=self.parts.settings.is_dev,
            exact=bool(settings.get("redirects_exact")),
        )
        try:
            return origin(policy.resolve(leads_to)) if leads_to else ""
        except RedirectRefused:
            return ""


def _location(redirect_url: str, state: Mapping[str, Any]) -> str:
    """Return the redirect URL with the state's own `state`, as OAuth's callbacks expect it (RFC 6749 §4.1.2)."""
    value = state.get("state")
    if not isinstance(value, str):
        return redirect_url
    parts = urlsplit(redirect_url)
    query = urlencode({"state": value}, quote_via=quote, safe="")
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
