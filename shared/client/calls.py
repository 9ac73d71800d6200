"""One call over HTTP: the retries, and what becomes of an answer that is not a good one.

Every POST carries an `Idempotency-Key`, made once per call and kept over its retries. That is what makes "an
outage never burns a link" true for the caller: to the services a retry is the same attempt, never a second one.
"""

import asyncio
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

import aiohttp

MAX_TRIES = 6
ONE_TRY_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
PASSING_STATUSES = frozenset({429, 502, 503, 504})
# Another attempt holds the link's lease; it may be our own earlier try, whose answer got lost.
PASSING_CODES = frozenset({"link_in_progress"})

request_id: ContextVar[str | None] = ContextVar("magiclink_request_id", default=None)
"""Set it where a request comes in; every call made while answering passes it on as `X-Request-Id`."""

_random = random.SystemRandom()
_KNOWN_MEMBERS = frozenset({"type", "title", "status", "code", "detail", "errors", "request_id"})


class MagicLinkError(Exception):
    """The call got no good answer.

    Calling again with the same arguments and this `idempotency_key` continues the same attempt.
    """

    idempotency_key: str | None = None


@dataclass(eq=False)
class ApiError(MagicLinkError):
    """A refusal (RFC 9457). Decide by `code`, which is stable; the other words are for people."""

    status: int
    code: str
    title: str
    detail: str | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    request_id: str | None = None
    retry_after_seconds: float | None = None
    members: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Further members of the problem (RFC 9457 §3.2), such as the `challenge` of `second_factor_required`."""

    def __str__(self) -> str:
        # An item of a batch has no request of its own.
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.detail or self.title}{request}"


class UnreachableError(MagicLinkError):
    """No answer came, over all retries: whether the call took effect is unknown."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `secrets` are what the caller sends in confidence: no error shows them, even if echoed."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


async def send(session: aiohttp.ClientSession, call: Call, timeout_seconds: float) -> Any:
    """Sends a call until it is answered for good; returns the JSON of the answer, None when it is empty.

    Retries when the trouble is passing (connection errors, 429, 502, 503, 504, a link in progress), after the
    time that `Retry-After` asks for or a growing one with jitter, at most MAX_TRIES times in `timeout_seconds`.

    Raises:
        ApiError: for a refusal, also for a passing one that outlasted the retries.
        UnreachableError: when no answer came.
    """
    deadline = monotonic() + timeout_seconds
    for tries in itertools.count(1):
        try:
            return await _send_once(session, call, _try_seconds(deadline))
        except MagicLinkError as failure:
            failure.idempotency_key = call.headers.get("Idempotency-Key")
            if call.method == "DELETE" and _status(failure) == 404:
                return None  # gone is gone: the answer to an earlier try may have got lost
            pause_seconds = _pause_seconds(failure, tries)
            if tries >= MAX_TRIES or pause_seconds is None or monotonic() + pause_seconds >= deadline:
                raise
        await asyncio.sleep(pause_seconds)
    raise AssertionError


def refusal(problem: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> ApiError:
    """Makes the error of an `application/problem+json` document; status and headers are those of its answer."""
    return ApiError(
        status=status,
        code=str(problem.get("code", "unknown")),
        title=str(problem.get("title", "The request was refused.")),
        detail=problem.get("detail"),
        errors=tuple(problem.get("errors") or ()),
        request_id=headers.get("X-Request-Id") or problem.get("request_id"),
        retry_after_seconds=_retry_after_seconds(headers.get("Retry-After")),
        members={name: value for name, value in problem.items() if name not in _KNOWN_MEMBERS},
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


async def _send_once(session: aiohttp.ClientSession, call: Call, timeout_seconds: float) -> Any:
    answer = await _ask(session, call, timeout_seconds)
    if isinstance(answer, UnreachableError):
        raise answer
    document = _document(answer.body)
    if 200 <= answer.status < 300 and document is not _NOT_JSON:
        return document
    problem = document if isinstance(document, dict) else {"code": "answer_unreadable"}
    problem = {"request_id": call.headers["X-Request-Id"], **problem}
    raise refusal(_without_secrets(problem, call.secrets), answer.status, answer.headers)


async def _ask(
    session: aiohttp.ClientSession, call: Call, timeout_seconds: float
) -> _Answer | UnreachableError:
    try:
        async with session.request(
            call.method,
            call.url,
            data=call.body,
            headers=call.headers,
            allow_redirects=False,  # a redirect would carry the API key to where it does not belong
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        ) as response:
            return _Answer(response.status, response.headers, await response.read())
    except (aiohttp.ClientError, TimeoutError) as lost:
        # Returned, not raised with its cause: some of aiohttp's errors show the request's headers, and so the key.
        reason = str(lost) if isinstance(lost, aiohttp.ClientOSError) else type(lost).__name__
        return UnreachableError(f"{call.method} {call.url.partition('?')[0]} got no answer: {reason}")


_NOT_JSON = object()


def _document(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:  # a proxy's page; its text may be anything, so none of it is passed on
        return _NOT_JSON


def _without_secrets(problem: Mapping[str, Any], secrets: tuple[str, ...]) -> dict[str, Any]:
    # Our services never echo a secret; a proxy between may.
    text = json.dumps(problem)
    for secret in secrets:
        text = text.replace(json.dumps(secret)[1:-1], "[secret]")
    cleaned: dict[str, Any] = json.loads(text)
    return cleaned


def _try_seconds(deadline: float) -> float:
    # aiohttp reads 0 as "no limit".
    return max(0.01, min(ONE_TRY_SECONDS, deadline - monotonic()))


def _status(failure: MagicLinkError) -> int | None:
    return failure.status if isinstance(failure, ApiError) else None


def _pause_seconds(failure: MagicLinkError, tries: int) -> float | None:
    """How long to wait before the next try; None when another try would get the same answer."""
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (tries - 1))
    jittered: float = longest * _random.uniform(0.5, 1.0)
    if not isinstance(failure, ApiError):
        return jittered
    if failure.status not in PASSING_STATUSES and failure.code not in PASSING_CODES:
        return None
    if failure.retry_after_seconds is None:
        return jittered
    # Never earlier than asked for, and not all callers at once.
    return failure.retry_after_seconds + jittered


def _retry_after_seconds(header: str | None) -> float | None:
    """Reads `Retry-After` in either form: seconds or a date (RFC 9110 §10.2.3)."""
    if header is None:
        return None
    if header.isdecimal():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
