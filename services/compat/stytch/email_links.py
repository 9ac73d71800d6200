"""Magic links by e-mail: send, log in or create, invite, revoke an invite. Redeeming one marks the address as verified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.compat.accounts import Accounts
from services.compat.stytch.errors import EMAIL_NOT_FOUND, StytchRefusal, refusal_view, refuse
from services.compat.stytch.ids import EMAIL
from services.compat.stytch.project import BY_SECRET, Project, User, project_of
from services.compat.stytch.recipients import known_recipient, public_id
from services.compat.stytch.requests import EmailLogin, Invite, RevokeInvite
from services.compat.stytch.shapes import profile_of
from shared.http.routes import Call, Route


@dataclass(frozen=True, slots=True)
class EmailLinks:
    """The handlers of `/v1/magic_links/email`."""

    accounts: Accounts

    def routes(self) -> list[Route]:
        base = "/v1/magic_links/email"
        return [
            Route("POST", f"{base}/send", self.send, BY_SECRET, refusal_view=refusal_view),
            Route(
                "POST", f"{base}/login_or_create", self.login_or_create, BY_SECRET, refusal_view=refusal_view
            ),
            Route("POST", f"{base}/invite", self.invite, BY_SECRET, refusal_view=refusal_view),
            Route("POST", f"{base}/revoke_invite", self.revoke_invite, BY_SECRET, refusal_view=refusal_view),
        ]

    async def send(self, call: Call) -> web.Response:
        """Send a link to a user who exists."""
        project = await project_of(self.accounts, call)
        asked = await call.body(EmailLogin)
        user = await known_recipient(project, "email", asked.email, asked)
        link = {"user_id": user["id"], **_login(project, asked, user)}
        made = await project.native.issuer("POST", "/v1/links", link)
        return project.answer(**_addressed(project, user, made))

    async def login_or_create(self, call: Call) -> web.Response:
        """Send a link to a user who is made when missing. New and pending ones get a sign-up link."""
        project = await project_of(self.accounts, call)
        asked = await call.body(EmailLogin)
        # Only which of two URLs and lives is meant hangs on this: who is made in between gets the other one.
        user = await project.find_user("email", asked.email)
        status = "pending" if asked.create_user_as_pending else "active"
        link = {"email": asked.email, "new_user_status": status, **_login(project, asked, user)}
        made = await project.native.issuer("POST", "/v1/links", link)
        return project.answer(**_addressed(project, user, made), user_created=made["user_created"])

    async def invite(self, call: Call) -> web.Response:
        """Send an invite. A new user is pending until it is redeemed."""
        project = await project_of(self.accounts, call)
        asked = await call.body(Invite)
        user = await project.find_user("email", asked.email)
        made = await project.native.issuer("POST", "/v1/links", _invitation(project, asked))
        facts = _facts(asked)
        if facts and made["user_created"]:
            await project.native.issuer("PATCH", f"/v1/users/{made['link']['user_id']}", facts)
        return project.answer(**_addressed(project, user, made))

    async def revoke_invite(self, call: Call) -> web.Response:
        """Revoke the invites of an address. Without a live one there is nothing to do."""
        project = await project_of(self.accounts, call)
        asked = await call.body(RevokeInvite)
        if await project.find_user("email", asked.email) is None:
            raise refuse(EMAIL_NOT_FOUND)
        await project.native.issuer("POST", "/v1/links/revoke", {"email": asked.email, "type": "invite"})
        return project.answer()


def link_form(url: str) -> str:
    """Return the native form of a magic link's URL: the product's own, with the token in its query (VENDORS §1.6)."""
    # Braces of the product's are no placeholders.
    own = url.replace("{", "%7B").replace("}", "%7D")
    separator = "?" if "?" not in own else "" if own.endswith(("?", "&")) else "&"
    return f"{own}{separator}stytch_token_type=magic_links&token={{token}}"


def _login(project: Project, asked: EmailLogin, user: User | None) -> dict[str, Any]:
    kind = "login" if user is not None and user["status"] != "pending" else "signup"
    minutes = asked.login_expiration_minutes if kind == "login" else asked.signup_expiration_minutes
    url = asked.login_magic_link_url if kind == "login" else asked.signup_magic_link_url
    template = asked.login_template_id if kind == "login" else asked.signup_template_id
    # Base64 with padding is as common as without; RFC 7636 wants none.
    challenge = None if asked.code_challenge is None else asked.code_challenge.rstrip("=")
    return {
        **_by_email(_url(project, kind, url), template, asked.locale),
        "ttl_seconds": minutes * 60,
        "code_challenge": challenge,
        "client": asked.client(),
    }


def _invitation(project: Project, asked: Invite) -> dict[str, Any]:
    url = _url(project, "invite", asked.invite_magic_link_url)
    return {
        **_by_email(url, asked.invite_template_id, asked.locale),
        "email": asked.email,
        "type": "invite",
        "ttl_seconds": asked.invite_expiration_minutes * 60,
        "client": asked.client(),
    }


def _by_email(url: str, template: str | None, locale: str | None) -> dict[str, Any]:
    return {
        "channel": "email",
        "verify_address": True,
        "url_template": link_form(url),
        "template": template,
        "locale": locale,
    }


def _url(project: Project, kind: str, given: str | None) -> str:
    app = project.account.app
    url = given or app.vendor_settings.get(f"{kind}_magic_link_url") or app.settings["default_redirect_url"]
    if not url:
        message = f"Send {kind}_magic_link_url, or set a default redirect URL for the project."
        raise StytchRefusal(400, f"no_{kind}_redirect_urls_set", message)
    return str(url)


def _facts(asked: Invite) -> dict[str, Any]:
    profile = profile_of(None if asked.name is None else asked.name.model_dump())
    kinds = {"trusted": asked.trusted_metadata, "untrusted": asked.untrusted_metadata}
    metadata = {kind: value for kind, value in kinds.items() if value is not None}
    return {**({"profile": profile} if profile else {}), **({"metadata": metadata} if metadata else {})}


def _addressed(project: Project, user: User | None, made: Mapping[str, Any]) -> dict[str, str]:
    native_id = made["link"]["user_id"]
    return {
        "user_id": public_id(project, user, native_id),
        "email_id": project.ids.write(EMAIL, native_id),
    }
