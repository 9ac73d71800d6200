"""A route as data: path, authentication, limit, handler. A house test reads the tables and proves that none lacks a part."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from shared.bus import holds_nul
from shared.errors import FieldProblem, Forbidden, Invalid, Malformed, NotFound, Refusal, TooLarge
from shared.http.answers import Answer

SMALL_BODY_BYTES = 64 * 1024
BATCH_BODY_BYTES = 32 * 1024 * 1024

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key may ask for within its app; None: whatever the app allows.

    `types` of links; `redirect_urls` as an app lists them; `recipient_domains`, lower case, so that a key with them reaches
    e-mail addresses in these domains only, and no phone.
    """

    types: frozenset[str] | None = None
    redirect_urls: tuple[str, ...] | None = None
    max_ttl_seconds: int | None = None
    recipient_domains: frozenset[str] | None = None


NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as its API key says: its app, what it may do, and how far that goes."""

    key_id: UUID
    app_id: UUID
    scopes: frozenset[str]
    limits: KeyLimits = NO_LIMITS

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def require(self, scope: str) -> None:
        """Raise `Forbidden` unless the key has the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"needs the scope {scope}")


@dataclass(slots=True)
class Call:
    """One request past the edge: authenticated, limited, with an id."""

    request: web.Request
    request_id: str
    address: str
    maybe_caller: Caller | None
    max_body_bytes: int
    raw: bytes = b""

    @property
    def caller(self) -> Caller:
        """The caller of a route that needs an API key."""
        if self.maybe_caller is None:
            raise RuntimeError("a public route asked for its caller")
        return self.maybe_caller

    @property
    def idempotency_key(self) -> str | None:
        """The `Idempotency-Key` header, checked; None when absent."""
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise Invalid(
                [
                    FieldProblem(
                        "Idempotency-Key", "header_format", "must be 1 to 255 visible ASCII characters"
                    )
                ]
            )
        return key

    def path_id(self, name: str = "id") -> UUID:
        """Return a UUID of the path. Anything else names nothing here."""
        try:
            return UUID(self.request.match_info[name])
        except ValueError:
            raise NotFound from None

    async def body(self, model: type[Model]) -> Model:
        """Read and check the JSON body. Raises `Malformed`, `TooLarge` or `Invalid` with every field problem."""
        self.raw = await read_body(self.request, self.max_body_bytes)
        return validate(model, parse_json(self.raw))


Handler = Callable[[Call], Awaitable[web.StreamResponse]]
RefusalView = Callable[[web.Request, Refusal, str], web.StreamResponse]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The route needs an API key with this scope; None: any key will do, it is told about itself."""

    scope: str | None


@dataclass(frozen=True, slots=True)
class Public:
    """The route needs no API key; `why` says what stands in its place."""

    why: str


@dataclass(frozen=True, slots=True)
class Delegated:
    """The route hands the caller's credentials on to a service that checks them; `why` says which ones."""

    why: str


@dataclass(frozen=True, slots=True)
class Described:
    """What the OpenAPI document says of a route beyond its path: models of the query, the body and each answer by status.

    The handler's docstring is the summary. None stands for an answer that is not JSON: a 200 has its media type in `media_type`,
    others are empty. `idempotent`: a POST with an API key takes an `Idempotency-Key`.
    """

    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answers: Mapping[int, type[BaseModel] | None] = field(default_factory=dict)
    refusals: tuple[type[Refusal], ...] = ()
    media_type: str = "application/json"
    idempotent: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `tokens` is what a call takes from the buckets of its address and key."""

    method: str
    path: str
    handler: Handler
    auth: ApiKey | Public | Delegated
    tokens: int = 1
    max_body_bytes: int = SMALL_BODY_BYTES
    refusal_view: RefusalView | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    described: Described | None = None


async def read_body(request: web.Request, max_bytes: int) -> bytes:
    """Return the body. Raises `TooLarge` as soon as it is known to be."""
    if (request.content_length or 0) > max_bytes:
        raise TooLarge(f"at most {max_bytes} bytes")
    if request.content.is_eof():
        # All of it came with the headers, as bodies of this size do.
        body = request.content.read_nowait()
        if len(body) > max_bytes:
            raise TooLarge(f"at most {max_bytes} bytes")
        return body
    parts = bytearray()
    async for chunk in request.content.iter_any():
        parts += chunk
        if len(parts) > max_bytes:
            raise TooLarge(f"at most {max_bytes} bytes")
    return bytes(parts)


def parse_json(raw: bytes) -> Any:
    """Parse JSON that the database can store: valid UTF-8, no lone surrogate, no NUL. Raises `Malformed`."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(
            f"the body is not JSON in UTF-8 (line {error.lineno}, column {error.colno})"
        ) from None
    if b"\\u0000" in raw and holds_nul(value):
        raise Malformed("a text holds a NUL character (\\u0000), which cannot be stored")
    return value


def validate(
    model: type[Model], value: Any, prefix: str = "", context: Mapping[str, Any] | None = None
) -> Model:
    """Return the checked model. Raises `Invalid` with every problem; no message repeats a value. `context` is the model's own."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        raise Invalid(field_problems(error, prefix)) from None


def field_problems(error: ValidationError, prefix: str = "") -> list[FieldProblem]:
    """Turn pydantic's findings into field problems."""
    found = []
    for problem in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in problem["loc"]) or "body"
        rule = str(problem.get("ctx", {}).get("rule", problem["type"]))
        message = problem["msg"].removeprefix("Value error, ")
        found.append(FieldProblem(prefix + path, rule, message))
    return found


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer JSON. UUIDs and aware datetimes are written as RFC 9562 and RFC 3339 texts."""
    return Answer(
        body=orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _plain(value: Any) -> str:
    # The database driver's UUIDs are a subclass, which orjson does not take for UUIDs.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
