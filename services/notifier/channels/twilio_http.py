"""Twilio's HTTP client, made to fit: another origin, one session, a real timeout, no logging, Retry-After kept."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response

from services.notifier.outcomes import provider_words

MAX_RETRY_AFTER_SECONDS = 3_600.0
KEEP_ALIVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Credentials and addresses. `callback_url`: our notifier's public base URL; None asks for no status callbacks."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_url: str = "https://api.twilio.com"
    callback_url: str | None = None
    timeout_seconds: float = 15.0
    max_connections: int = 32


class ProviderRefused(Exception):  # noqa: N818 - states the fact
    """Twilio answered with another status than success."""

    def __init__(self, status: int, body: str, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.code, self.words = _code_and_words(body)
        self.after_seconds = _seconds(retry_after)


class HttpClient(AsyncTwilioHttpClient):  # type: ignore[misc] # twilio ships no types
    """Twilio's HTTP client with another origin, one session and a real timeout.

    The parent's `request` is replaced whole: it logs URL and headers, keeps the last request (the link!) for tests,
    passes `timeout=None`, which is no timeout at all, and drops Retry-After on the way to an exception.
    """

    def __init__(self, account: TwilioAccount) -> None:
        silent = logging.Logger("twilio.silent", logging.CRITICAL + 1)  # noqa: LOG001 - belongs to no hierarchy
        super().__init__(pool_connections=False, timeout=account.timeout_seconds, logger=silent)
        self.session: aiohttp.ClientSession | None = None
        self._account = account
        self._origin = urlsplit(account.api_url)
        self._authorization = aiohttp.encode_basic_auth(account.account_sid, account.auth_token)

    async def request(  # noqa: PLR0913, PLR0917 - the signature is Twilio's
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        allow_redirects: bool = False,  # noqa: FBT001, FBT002, ARG002
    ) -> Response:
        """Send the request to the configured origin.

        Raises:
            ProviderRefused: The answer is not a success.
            aiohttp.ClientError, TimeoutError: There is no answer.
        """
        parts = urlsplit(url)
        target = parts._replace(
            scheme=self._origin.scheme,
            netloc=self._origin.netloc,
            path=self._origin.path.rstrip("/") + parts.path,
            query=urlencode(params or {}),
        )
        async with self._open_session().request(
            method.upper(),
            urlunsplit(target),
            data=data,
            headers={**(headers or {}), "Authorization": self._authorization},
            allow_redirects=False,  # the credentials are for the configured origin only
        ) as answer:
            body = await answer.text()
            if not 200 <= answer.status < 300:
                raise ProviderRefused(answer.status, body, answer.headers.get("Retry-After"))
            return Response(answer.status, body, answer.headers)

    def _open_session(self) -> aiohttp.ClientSession:
        if self.session is None:  # opened at the first request: a session belongs to a running loop
            account = self._account
            # Half the budget for a connection, so that "never connected" and "no answer" can be told apart. Idle
            # connections are dropped early: one that the other side closes under a request leaves an unknown outcome.
            self.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=account.max_connections, keepalive_timeout=KEEP_ALIVE_SECONDS
                ),
                timeout=aiohttp.ClientTimeout(
                    total=account.timeout_seconds, connect=account.timeout_seconds / 2
                ),
            )
        return self.session

    async def close(self) -> None:
        """Close the session; the next request would open another."""
        session, self.session = self.session, None
        if session is not None:
            await session.close()


def _code_and_words(body: str) -> tuple[int | None, str]:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return None, ""
    if not isinstance(answer, dict):
        return None, ""
    code = answer.get("code")
    # Twilio's classic form has `message`; its newer one is RFC 9457 with `title` and `detail`.
    words = answer.get("message") or answer.get("detail") or answer.get("title") or ""
    return (code if isinstance(code, int) else None), provider_words(str(words))


def _seconds(retry_after: str | None) -> float | None:
    # Seconds only: the date form (RFC 9110) would trust the provider's clock, and Twilio does not send it.
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(float(retry_after), MAX_RETRY_AFTER_SECONDS)
