"""One-time passcodes by SMS, WhatsApp and e-mail: send, log in or create, authenticate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.compat.accounts import Accounts
from services.compat.stytch.authenticating import Authenticating
from services.compat.stytch.errors import StytchRefusal, refusal_view
from services.compat.stytch.ids import EMAIL, PHONE, Ids
from services.compat.stytch.project import BY_SECRET, Project, project_of
from services.compat.stytch.recipients import known_recipient, public_id
from services.compat.stytch.requests import EmailOtp, OtpAuthenticate, PhoneOtp
from shared.http.routes import Call, Route


@dataclass(frozen=True, slots=True)
class Otps:
    """The handlers of `/v1/otps`."""

    accounts: Accounts
    authenticating: Authenticating

    def routes(self) -> list[Route]:
        handlers = {
            "/v1/otps/sms/send": self.send_sms,
            "/v1/otps/sms/login_or_create": self.login_by_sms,
            "/v1/otps/whatsapp/send": self.send_whatsapp,
            "/v1/otps/whatsapp/login_or_create": self.login_by_whatsapp,
            "/v1/otps/email/send": self.send_email,
            "/v1/otps/email/login_or_create": self.login_by_email,
            "/v1/otps/authenticate": self.authenticate,
        }
        return [
            Route("POST", path, handler, BY_SECRET, refusal_view=refusal_view)
            for path, handler in handlers.items()
        ]

    async def send_sms(self, call: Call) -> web.Response:
        """Send a passcode by SMS to a user who exists."""
        return await self._send_to_phone(call, "sms")

    async def send_whatsapp(self, call: Call) -> web.Response:
        """Send a passcode by WhatsApp to a user who exists."""
        return await self._send_to_phone(call, "whatsapp")

    async def login_by_sms(self, call: Call) -> web.Response:
        """Send a passcode by SMS to a user who is made when missing."""
        return await self._login_by_phone(call, "sms")

    async def login_by_whatsapp(self, call: Call) -> web.Response:
        """Send a passcode by WhatsApp to a user who is made when missing."""
        return await self._login_by_phone(call, "whatsapp")

    async def send_email(self, call: Call) -> web.Response:
        """Send a passcode by e-mail to a user who exists."""
        project = await project_of(self.accounts, call)
        asked = await call.body(EmailOtp)
        user = await known_recipient(project, "email", asked.email, asked)
        await _send(project, {"user_id": user["id"], "channel": "email", **_passcode(asked)})
        return project.answer(user_id=user["public_id"], email_id=project.ids.write(EMAIL, user["id"]))

    async def login_by_email(self, call: Call) -> web.Response:
        """Send a passcode by e-mail to a user who is made when missing."""
        project = await project_of(self.accounts, call)
        asked = await call.body(EmailOtp)
        made = await _send(
            project, {"email": asked.email, "channel": "email", **_passcode(asked), **_status(asked)}
        )
        user_id = made["passcode"]["user_id"]
        return project.answer(**await _owner(project, made), email_id=project.ids.write(EMAIL, user_id))

    async def authenticate(self, call: Call) -> web.Response:
        """Redeem a passcode that was sent to `method_id`."""
        project = await project_of(self.accounts, call)
        asked = await call.body(OtpAuthenticate)
        proof = {"passcode": asked.code, **_holder(project.ids, asked.method_id)}
        return await self.authenticating.redeem(project, "/v1/passcodes/verify", proof, asked)

    async def _send_to_phone(self, call: Call, channel: str) -> web.Response:
        project = await project_of(self.accounts, call)
        asked = await call.body(PhoneOtp)
        user = await known_recipient(project, "phone", asked.phone_number, asked)
        await _send(project, {"user_id": user["id"], "channel": channel, **_passcode(asked)})
        return project.answer(user_id=user["public_id"], phone_id=project.ids.write(PHONE, user["id"]))

    async def _login_by_phone(self, call: Call, channel: str) -> web.Response:
        project = await project_of(self.accounts, call)
        asked = await call.body(PhoneOtp)
        made = await _send(
            project, {"phone": asked.phone_number, "channel": channel, **_passcode(asked), **_status(asked)}
        )
        user_id = made["passcode"]["user_id"]
        return project.answer(**await _owner(project, made), phone_id=project.ids.write(PHONE, user_id))


async def _send(project: Project, passcode: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = await project.native.issuer("POST", "/v1/passcodes", passcode)
    return made


def _passcode(asked: PhoneOtp | EmailOtp) -> dict[str, Any]:
    return {
        "verify_address": True,
        "ttl_seconds": asked.expiration_minutes * 60,
        "locale": asked.locale,
        "client": asked.client(),
    }


def _status(asked: PhoneOtp | EmailOtp) -> dict[str, str]:
    return {"new_user_status": "pending" if asked.create_user_as_pending else "active"}


async def _owner(project: Project, made: Mapping[str, Any]) -> dict[str, Any]:
    native_id, created = made["passcode"]["user_id"], made["user_created"]
    # Who was here before may have come with an id of their own.
    user = None if created else await project.native.issuer("GET", f"/v1/users/{native_id}")
    return {"user_id": public_id(project, user, native_id), "user_created": created}


def _holder(ids: Ids, method_id: str) -> dict[str, Any]:
    """Return whose passcode it is; a phone's came by SMS or WhatsApp."""
    email, phone = ids.read(EMAIL, method_id), ids.read(PHONE, method_id)
    if email is not None:
        return {"user_id": str(email), "channel": "email"}
    if phone is not None:
        return {"user_id": str(phone), "channel": "phone"}
    raise StytchRefusal(400, "invalid_method_id", "method_id is neither an email_id nor a phone_id.")
