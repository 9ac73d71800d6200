"""How tests talk to a verifier: as a product service, and as a browser."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.seeds import SeededApp

COOKIE = "ml"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers, and the body as text and, where it is JSON, as a value."""

    status: int
    headers: Any
    text: str
    json: Any
    cookies: Any

    @property
    def code(self) -> str:
        return str(self.json["code"])

    @property
    def query(self) -> dict[str, list[str]]:
        """The query of where a 303 leads."""
        return parse_qs(urlsplit(self.headers["Location"]).query)

    @property
    def grant(self) -> str:
        return self.query["code"][0]


@dataclass(frozen=True, slots=True)
class RunningVerifier:
    """Where it listens."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(
            method, self.url + path, allow_redirects=False, **options
        ) as response:
            text = await response.text()
            is_json = "json" in response.content_type and text
            return Answer(
                response.status,
                response.headers,
                text,
                await response.json(content_type=None) if is_json else None,
                response.cookies,
            )

    async def verify(self, app: SeededApp, token: str, key: str | None = None, **body: Any) -> Answer:
        return await self._post(app, "/v1/links/verify", {"token": token, **body}, key)

    async def exchange(self, app: SeededApp, code: str, key: str | None = None, **body: Any) -> Answer:
        return await self._post(app, "/v1/grants/exchange", {"code": code, **body}, key)

    async def verify_passcode(
        self, app: SeededApp, passcode: str, key: str | None = None, **holder: Any
    ) -> Answer:
        return await self._post(app, "/v1/passcodes/verify", {"passcode": passcode, **holder}, key)

    async def get(self, token: str, cookie: str | None = None, method: str = "GET") -> Answer:
        return await self.ask(method, f"/l/{token}", headers=_cookie(cookie))

    async def press(self, token: str, cookie: str | None = None, **headers: str) -> Answer:
        """POST as the page's own form does."""
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": "null", **_cookie(cookie), **headers}
        return await self.ask("POST", f"/l/{token}", headers=sent, data=b"")

    async def post(self, app: SeededApp, path: str, body: dict[str, Any], key: str | None = None) -> Answer:
        """POST JSON with the app's key."""
        return await self._post(app, path, body, key)

    async def _post(self, app: SeededApp, path: str, body: dict[str, Any], key: str | None) -> Answer:
        headers = {**app.headers, **({"Idempotency-Key": key} if key else {})}
        return await self.ask("POST", path, json=body, headers=headers)


def _cookie(value: str | None) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={value}"} if value else {}
