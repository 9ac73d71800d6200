"""A client of a running inbox, for its tests."""

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib

from services.dev.inbox import Inbox, TwilioAccount

ACCOUNT = TwilioAccount("AC" + "0123456789abcdef" * 2, "a-dev-token")


@dataclass
class InboxClient:
    """A running inbox and the two ways to talk to it."""

    inbox: Inbox
    http: aiohttp.ClientSession
    account: TwilioAccount = ACCOUNT

    @property
    def credentials(self) -> dict[str, str]:
        return {"Authorization": aiohttp.encode_basic_auth(self.account.sid, self.account.auth_token)}

    @property
    def messages_path(self) -> str:
        return f"/2010-04-01/Accounts/{self.account.sid}/Messages.json"

    async def get_json(self, path: str) -> Any:
        async with self.http.get(path) as answer:
            assert answer.status == 200
            return await answer.json()

    async def get_page(self, path: str) -> str:
        async with self.http.get(path) as answer:
            assert answer.status == 200
            return await answer.text()

    async def send_mail(
        self, text: str, html: str | None = None, to: str = "ada@example.com", subject: str = "Sign in"
    ) -> None:
        message = EmailMessage()
        message["From"] = "Demo <login@demo.example>"
        message["To"] = to
        message["Subject"] = subject
        message["Message-ID"] = "<0190@demo.example>"
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        await aiosmtplib.send(message, hostname="127.0.0.1", port=self.inbox.smtp_port)

    async def send_twilio(self, **fields: str) -> tuple[int, Any]:
        async with self.http.post(self.messages_path, data=fields, headers=self.credentials) as answer:
            return answer.status, await answer.json()
