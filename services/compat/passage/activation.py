"""What the vendor's browser library calls, without a key: activation of a link, waiting for it, refreshing, signing out (VENDORS §3.5)."""

from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, StrictStr

from services.compat.accounts import Account
from services.compat.attempts import Attempts
from services.compat.headers import browser_client
from services.compat.native import NativeRefusal
from services.compat.passage import shapes
from services.compat.passage.callers import Callers, browser_answer
from services.compat.passage.errors import PassageRefusal, invalid_request, magic_link_not_found, refusal_view
from services.compat.passage.magic_link_text import MagicLinkText
from services.compat.passage.user_lookup import find_user_id
from shared.http.routes import Call, Public, Route

_CONSUMED: Final = "consumed"


class Activation(BaseModel):
    """The link's text, as the browser found it in its URL."""

    magic_link: StrictStr


class StatusQuestion(BaseModel):
    """The id of a link that somebody waits for."""

    id: StrictStr


class RefreshRequest(BaseModel):
    """The refresh token of a session."""

    refresh_token: StrictStr


@dataclass(frozen=True, slots=True)
class BrowserApi:
    """The handlers, and what they need."""

    callers: Callers
    attempts: Attempts

    def routes(self) -> list[Route]:
        app = "/v1/apps/{app_id}"
        secret = Public("the link's own secret is the credential")
        token = Public("the refresh token is the credential")
        return [
            Route("PATCH", f"{app}/magic-link/activate", self.activate, secret, refusal_view=refusal_view),
            Route("POST", f"{app}/magic-link/status", self.status, secret, refusal_view=refusal_view),
            Route("POST", f"{app}/tokens", self.refresh, token, refusal_view=refusal_view),
            Route("DELETE", f"{app}/tokens", self.revoke, token, refusal_view=refusal_view),
        ]

    async def activate(self, call: Call) -> web.Response:
        """Redeem a link, once."""
        account = await self.callers.of_browser(call)
        text = MagicLinkText.parse((await call.body(Activation)).magic_link)
        if text is None:
            raise magic_link_not_found()
        body = {
            "token": text.secret,
            "user_id": await _its_user(account, text),
            "client": browser_client(call),
            "jwt": True,
            "session": _session(account),
        }
        redeemed = await self.attempts.redeem(
            account.app.id,
            text.secret,
            lambda key: account.native.verifier("POST", "/v1/links/verify", body, key=key),
        )
        return browser_answer(call, shapes.auth_result(account.app, redeemed, redeemed["jwt"]))

    async def status(self, call: Call) -> web.Response:
        """Sign in a browser that waits for its link to be activated elsewhere."""
        account = await self.callers.of_browser(call)
        asked = await call.body(StatusQuestion)
        body = {"poll_token": asked.id, "jwt": True, "session": _session(account)}
        polled = await account.native.verifier("POST", "/v1/links/poll", body)
        if polled["status"] != _CONSUMED or not polled.get("jwt"):
            raise magic_link_not_found()
        return browser_answer(call, shapes.auth_result(account.app, polled, polled["jwt"]))

    async def refresh(self, call: Call) -> web.Response:
        """Exchange a refresh token for the next one and a fresh JWT."""
        account = await self.callers.of_browser(call)
        token = (await call.body(RefreshRequest)).refresh_token

        async def ask(key: str) -> dict[str, Any]:
            # Both or neither: a caller who gets no JWT comes again with the old token, and this attempt goes on.
            body = {"refresh_token": token, "rotate": True}
            refreshed = await account.native.verifier("POST", "/v1/sessions/refresh", body, key=key)
            path = f"/v1/sessions/{refreshed['session']['id']}/jwt"
            made = await account.native.verifier("POST", path, {"jwt_claims": {}})
            return shapes.auth_result(account.app, refreshed, made["jwt"])

        return browser_answer(call, await self.attempts.redeem(account.app.id, token, ask))

    async def revoke(self, call: Call) -> web.Response:
        """End the session of a refresh token. An unknown one is over already (RFC 7009 §2.2)."""
        account = await self.callers.of_browser(call)
        token = call.request.query.get("refresh_token", "")
        if not token:
            raise invalid_request("refresh_token: is missing")
        try:
            await account.native.verifier("POST", "/v1/sessions/revoke", {"refresh_token": token})
        except NativeRefusal as refusal:
            if refusal.native_code not in ("session_invalid", "refresh_token_invalid"):
                raise
        return browser_answer(call, {})


async def _its_user(account: Account, text: MagicLinkText) -> str:
    """Return whose link it says it is: the native API refuses it, unburnt, when it is another's."""
    try:
        return await find_user_id(account, text.user_id)
    except PassageRefusal:
        # Who has no user here has no link here either.
        raise magic_link_not_found() from None


def _session(account: Account) -> dict[str, bool]:
    """Return the session to ask for. Passage's apps have refresh tokens unless they switched them off."""
    return {"refresh": account.app.vendor_settings.get("refresh_enabled") is not False}
