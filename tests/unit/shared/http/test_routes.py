import enum
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg.pgproto.pgproto
import orjson
import pytest
from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from shared.errors import Forbidden, Invalid, Malformed, NotFound, TooLarge
from shared.http.routes import Call, Caller, json_response, parse_json, read_body, validate

SCOPED = Caller(uuid4(), uuid4(), frozenset({"links:create"}))


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    size: int = 1


class Chunks:
    """A request body that comes in pieces, its length unsaid."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def is_eof(self) -> bool:
        return False

    async def iter_any(self) -> Any:
        while self.pieces:
            yield self.pieces.pop(0)


def request(payload: Any = None, headers: dict[str, str] | None = None, **match: str) -> web.Request:
    made = make_mocked_request("POST", "/", headers=headers or {}, payload=payload, match_info=match)
    assert payload is None or not isinstance(payload, StreamReader)
    return made


def call(made: web.Request, caller: Caller | None = SCOPED, max_body_bytes: int = 100) -> Call:
    return Call(made, "r-1", "203.0.113.9", caller, max_body_bytes)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"{", r"line 1, column 2"),
        (b"\xff", "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b'"\\udc00\\ud800"', "not JSON"),
        (b'"\xed\xa0\x80"', "not JSON"),
        (b'"a\\u0000b"', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"a": [{"b": "\\u0000"}]}', "NUL"),
        (b"[" * 900 + b'"\\u0000"' + b"]" * 900, "NUL"),
        (b'"a\x00b"', "not JSON"),
        (b"NaN", "not JSON"),
        (b"1e999", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_the_database_could_not_store_is_refused_while_reading(raw: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse_json(raw)


@pytest.mark.parametrize(
    "raw", [b'"\\\\u0000"', b'"\\ud83d\\ude00"', b'"\xf0\x9f\x98\x80"', b'{"a": null}', b"1"]
)
def test_what_only_looks_dangerous_is_read(raw: bytes) -> None:
    assert parse_json(raw) == orjson.loads(raw)


@given(st.binary(max_size=60))
def test_no_body_is_a_fault_of_ours(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except Malformed:
        return
    assert "\0" not in orjson.dumps(value).decode()


def test_a_validation_names_every_field_with_its_prefix() -> None:
    with pytest.raises(Invalid) as refused:
        validate(Body, {"size": "x", "more": 1}, "links.3.")
    assert {(p.field, p.rule) for p in refused.value.problems} == {
        ("links.3.name", "missing"),
        ("links.3.size", "int_parsing"),
        ("links.3.more", "extra_forbidden"),
    }


async def test_a_body_is_read_in_pieces_up_to_its_limit() -> None:
    assert await read_body(request(Chunks(b"ab", b"cd")), 4) == b"abcd"
    with pytest.raises(TooLarge, match="at most 3 bytes"):
        await read_body(request(Chunks(b"ab", b"cd", b"ef")), 3)


class Whole:
    """A request body that came with its headers."""

    def __init__(self, body: bytes) -> None:
        self.read_nowait = lambda: body

    def is_eof(self) -> bool:
        return True


async def test_a_body_that_came_with_its_headers_has_the_same_limit() -> None:
    assert await read_body(request(Whole(b"abcd")), 4) == b"abcd"
    with pytest.raises(TooLarge, match="at most 3 bytes"):
        await read_body(request(Whole(b"abcd")), 3)


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    chunks = Chunks(b"ab")
    with pytest.raises(TooLarge):
        await read_body(request(chunks, {"Content-Length": "5"}), 4)
    assert chunks.pieces == [b"ab"]


async def test_a_call_reads_its_body_once_and_keeps_it_for_the_idempotency_hash() -> None:
    made = call(request(Chunks(b'{"name": "x"}')))
    assert await made.body(Body) == Body(name="x")
    assert made.raw == b'{"name": "x"}'


@pytest.mark.parametrize("key", ["a", "a" * 255, "job-7/2026:1", "!~"])
def test_an_idempotency_key_is_visible_ascii(key: str) -> None:
    assert call(request(headers={"Idempotency-Key": key})).idempotency_key == key


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "a\tb", "ü"])
def test_any_other_idempotency_key_is_refused(key: str) -> None:
    with pytest.raises(Invalid) as refused:
        _ = call(request(headers={"Idempotency-Key": key})).idempotency_key
    assert [(p.field, p.rule) for p in refused.value.problems] == [("Idempotency-Key", "header_format")]


def test_a_call_without_an_idempotency_key_has_none() -> None:
    assert call(request()).idempotency_key is None


def test_a_path_that_names_no_uuid_names_nothing() -> None:
    named = uuid4()
    assert call(request(id=str(named))).path_id() == named
    for text in ("x", "1", str(named) + "0", "../../etc"):
        with pytest.raises(NotFound):
            call(request(id=text)).path_id()


def test_a_caller_does_what_its_scopes_say() -> None:
    assert SCOPED.may("links:create")
    assert not SCOPED.may("links")
    SCOPED.require("links:create")
    with pytest.raises(Forbidden, match="needs the scope apps:admin"):
        SCOPED.require("apps:admin")


def test_a_public_route_that_asks_for_its_caller_is_a_fault_and_not_an_open_door() -> None:
    with pytest.raises(RuntimeError, match="public route"):
        _ = call(request(), caller=None).caller


def test_an_answer_is_json_that_nobody_caches() -> None:
    link_id = uuid4()
    driver_id = asyncpg.pgproto.pgproto.UUID(str(link_id))
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    response = json_response(
        {"id": link_id, "of": driver_id, "at": at}, 201, {"Idempotency-Replayed": "true"}
    )
    assert response.status == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Idempotency-Replayed"] == "true"
    assert isinstance(response.body, bytes)
    assert orjson.loads(response.body) == {
        "id": str(link_id),
        "of": str(link_id),
        "at": "2026-01-02T03:04:05Z",
    }


def test_what_has_no_form_in_json_is_a_fault() -> None:
    class Odd(enum.Flag):
        ONE = 1

    with pytest.raises(TypeError):
        json_response({"x": Odd.ONE, "y": object(), "z": UUID})
