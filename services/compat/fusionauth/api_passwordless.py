"""Passwordless login: start, send, login (VENDORS §4.3).

A code is the passcode of a native link and is found by itself. With the strategy `FormField` the code names the link, and the passcode is the
one-time code: both are needed. Who starts has an API key; to send and to log in takes a code and no key.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import api_logins as logins
from services.compat.fusionauth.bodies import Login, Send, Start
from services.compat.fusionauth.errors import invalid, named, refusal_view, translated
from services.compat.fusionauth.people import user_of_login
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from services.compat.native import NativeRefusal
from services.compat.parts import CompatParts
from shared.clock import monotonic
from shared.errors import FieldProblem, Invalid, NotFound
from shared.http.routes import Call, Public, Route, json_response, validate
from shared.link_urls import MAX_TEMPLATE_CHARS
from shared.public_ids import DEFAULT_FORMAT, parse_id

START: Final = "/api/passwordless/start"
_CODE = Public("the code is the proof, checked by the native API; its app is named by tenant or application")
_NAMES: Final[Mapping[str, str]] = {"state": "state", "redirect_url": "state.redirect_uri"}
_ABOUT_THE_USER: Final = ("user_id", "channel", "email")
_CODE_ONLY: Final = "passcode"
# A message to a user is more work than none to nobody. Both take this long, so the time tells them apart only on a machine that is slower.
_OLDER_USE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class PasswordlessApi:
    """The handlers, and what they need."""

    parts: CompatParts
    tenants: Tenants

    def routes(self) -> list[Route]:
        return [
            Route("POST", START, self.start, BY_KEY, refusal_view=refusal_view),
            Route("POST", "/api/passwordless/send", self.send, _CODE, refusal_view=refusal_view),
            Route("POST", "/api/passwordless/login", self.login, _CODE, refusal_view=refusal_view),
        ]

    async def start(self, call: Call) -> web.Response:
        """Make a code for a user; every earlier one of theirs is over with it."""
        account = await self.tenants.of_key(call, START)
        asked = await call.body(Start)
        await self.tenants.application(account, asked.application_id)
        user = await user_of_login(account.native, asked.login_id, asked.login_id_types)
        if user is None:
            raise NotFound
        if asked.login_strategy == "FormField":
            made = await self._issue_form_field(account, asked, user["id"])
            return json_response({"code": made["id"], "oneTimeCode": made["code"]})
        link = await self._issue(account, asked, user["id"])
        return json_response({"code": link["passcode"]})

    async def send(self, call: Call) -> web.Response:
        """Send a code that was started; or (the older use) start one and send it, which tells nobody whether there is such a user."""
        asked = await call.body(Send)
        account = await self.tenants.of_nobody(call, asked.application_id)
        if asked.code is not None:
            await self._send(account, asked.code)
        else:
            async with _at_least(_OLDER_USE_SECONDS):
                await self._start_and_send(account, _older_use(asked))
        return web.Response(status=200)

    async def login(self, call: Call) -> web.Response:
        """Log in with a code."""
        # The answer sets cookies: another site's page shall sign nobody in to an account of its own (login CSRF).
        self.parts.refuse_other_sites(call)
        asked = await call.body(Login)
        account = await self.tenants.of_nobody(call, asked.application_id)
        application = await self.tenants.application(account, asked.application_id)
        body = {
            **logins.wanted(call, asked, application),
            # A cookie of the browser goes before what the body says (VENDORS §4.4).
            "trust_token": call.request.cookies.get(logins.TRUST_COOKIE) or asked.two_factor_trust_id,
            **_secret(asked),
        }

        async def ask(key: str) -> logins.Done:
            redeeming = account.native.verifier("POST", "/v1/passcodes/verify", body, key=key)
            return await logins.finish(account, await translated(redeeming, logins.NAMES))

        try:
            done = await self.parts.attempts.redeem(account.app.id, asked.code, ask)
        except NativeRefusal as refusal:
            response = logins.unfinished(account, refusal)
            if response is None:
                raise
            return response
        except Invalid as refusal:
            # A text that no code can be is as unknown as any other.
            if all(problem.field == "code" for problem in refusal.problems):
                raise NotFound from None
            raise
        registered = application is None or done.answer.get("registration") is not None
        return await logins.login_response(account, done, registered=registered, secure=self.parts.is_https)

    async def _issue(self, account: Account, asked: Start, user_id: str, channel: str = "none") -> Any:
        state = asked.state or {}
        leads_to = state.get("redirect_uri")
        body: dict[str, Any] = {
            "user_id": user_id,
            "create_user": False,
            "channel": channel,
            "passcode": True,
            "state": asked.state,
            "metadata": {"application_id": str(asked.application_id)},
            "url_template": self._url_template(account, state),
        }
        if isinstance(leads_to, str) and leads_to:
            # Whether the app may send browsers there is the native API's to judge. Where it may not, the product has its own use
            # of this state: it comes back as it was, and nobody is sent anywhere.
            leading = {"redirect_url": leads_to, "metadata": {**body["metadata"], "leads_on": True}}
            try:
                return (await account.native.issuer("POST", "/v1/links", {**body, **leading}))["link"]
            except NativeRefusal as refusal:
                if not refusal.faulted("redirect_url"):
                    raise named(refusal, _NAMES) from None
        return (await translated(account.native.issuer("POST", "/v1/links", body), _NAMES))["link"]

    async def _issue_form_field(self, account: Account, asked: Start, user_id: str) -> Any:
        """Make a passcode without a link: its message holds the code only, and it is redeemed together with its id."""
        body = {
            "user_id": user_id,
            "create_user": False,
            "channel": "none",
            "ttl_seconds": account.app.settings["ttl_seconds"],
            "metadata": {"application_id": str(asked.application_id), "state": asked.state},
        }
        making = account.native.issuer("POST", "/v1/passcodes", body)
        return (await translated(making, {"metadata": "state"}))["passcode"]

    def _url_template(self, account: Account, state: Mapping[str, Any]) -> str:
        """Return the form of the link in a mail, as FusionAuth's own template writes it."""
        page = f"{self.parts.public_url}/oauth2/passwordless/{{passcode}}?postMethod=true&tenantId={account.app.vendor_id}"
        pairs = {
            name: value
            for name, value in state.items()
            if name != "tenantId" and isinstance(value, str | int | float)
        }
        whole = f"{page}&{urlencode(pairs, quote_via=quote)}" if pairs else page
        # The pairs are for the product's eyes: what counts is the state that is kept with the link.
        return whole if len(whole) <= MAX_TEMPLATE_CHARS else page

    async def _send(self, account: Account, code: str) -> None:
        link_id = parse_id(DEFAULT_FORMAT, code)
        try:
            if link_id is None:
                await account.native.issuer(
                    "POST", "/v1/passcodes/send", {"passcode": code, "channel": "email"}
                )
            else:
                body = {"channel": "email", "template": _CODE_ONLY}
                await account.native.issuer("POST", f"/v1/links/{link_id}/send", body)
        except NativeRefusal as refusal:
            if refusal.native_code in ("passcode_invalid", "not_found", "link_over") or refusal.faulted(
                "passcode"
            ):
                raise invalid("code", "is unknown or over.") from None
            raise

    async def _start_and_send(self, account: Account, asked: Start) -> None:
        await self.tenants.application(account, asked.application_id)
        user = await user_of_login(account.native, asked.login_id, ("email", "username"))
        # Nobody is told whether there is such a user: the same calls are made, the second for a user who is not there.
        try:
            await self._issue(account, asked, user["id"] if user else str(uuid4()), "email")
        except NativeRefusal as refusal:
            if refusal.native_code not in ("not_found", "rate_limited"):
                raise
        except Invalid as refusal:
            if any(problem.field not in _ABOUT_THE_USER for problem in refusal.problems):
                raise


@asynccontextmanager
async def _at_least(seconds: float) -> AsyncIterator[None]:
    started = monotonic()
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, started + seconds - monotonic()))


def _older_use(asked: Send) -> Start:
    if asked.application_id is None and asked.login_id is None:
        raise Invalid([FieldProblem("code", "missing", "must be given")])
    return validate(Start, asked.model_dump(by_alias=True, exclude={"code"}, exclude_none=True))


def _secret(asked: Login) -> dict[str, str]:
    link_id: UUID | None = parse_id(DEFAULT_FORMAT, asked.code)
    if link_id is not None:
        return {"link_id": str(link_id), "passcode": asked.one_time_code or ""}
    return {"passcode": asked.code}
