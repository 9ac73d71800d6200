from collections.abc import Iterator

import asyncpg
import orjson
import pytest
from aiohttp import web

from shared import errors
from shared.errors import FieldProblem, Invalid, RateLimited, Refusal, Unauthorized, Unavailable
from shared.http.problems import STATUS, as_refusal, problem, problem_response, refusal_headers, status_of


def all_refusals() -> list[type[Refusal]]:
    def below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
        for child in kind.__subclasses__():
            # Compat's are told in their vendor's words, by views of their own.
            if not child.__module__.startswith("services.compat."):
                yield child
                yield from below(child)

    return sorted(below(Refusal), key=lambda kind: kind.__name__)


def make(kind: type[Refusal]) -> Refusal:
    return Invalid([FieldProblem("a", "b", "c")]) if issubclass(kind, Invalid) else kind()


@pytest.mark.parametrize("kind", all_refusals(), ids=lambda kind: kind.__name__)
def test_every_refusal_has_a_status_a_code_of_its_own_and_a_title(kind: type[Refusal]) -> None:
    assert 400 <= STATUS[kind] <= 503
    assert "code" in vars(kind)
    assert kind.__doc__
    assert kind.title().endswith(tuple("abcdefghijklmnopqrstuvwxyz"))
    body = problem(make(kind))
    assert body["type"] == "about:blank"
    assert (body["title"], body["status"], body["code"]) == (kind.title(), STATUS[kind], kind.code)


def test_codes_are_told_apart() -> None:
    codes = [kind.code for kind in all_refusals()]
    assert len(set(codes)) == len(codes)


def test_the_family_is_closed() -> None:
    assert set(STATUS) == set(all_refusals())
    assert {kind.__module__ for kind in STATUS} == {errors.__name__}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("link_invalid", 404), ("link_consumed", 409), ("link_expired", 410), ("link_revoked", 410),
        ("link_not_yet_valid", 409), ("link_in_progress", 409), ("grant_invalid", 400), ("idempotency_conflict", 409),
        ("unavailable", 503), ("foreign_origin", 403), ("rate_limited", 429),
    ],
)  # fmt: skip
def test_the_wire_details_that_clients_rely_on(code: str, status: int) -> None:
    (kind,) = (kind for kind in STATUS if kind.code == code)
    assert status_of(make(kind)) == status


def test_every_field_problem_is_told() -> None:
    body = problem(Invalid([FieldProblem("email", "email_format", "is none"), FieldProblem("x.1", "y", "z")]))
    assert body["errors"] == [
        {"field": "email", "rule": "email_format", "message": "is none"},
        {"field": "x.1", "rule": "y", "message": "z"},
    ]
    assert body["detail"] == "email: is none; x.1: z"


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (60.0, "60")]
)
def test_retry_after_is_a_whole_number_of_seconds_never_too_early(seconds: float, header: str) -> None:
    assert refusal_headers(RateLimited(retry_after_seconds=seconds)) == {"Retry-After": header}


def test_a_missing_key_says_how_to_authenticate() -> None:
    assert refusal_headers(Unauthorized()) == {"WWW-Authenticate": 'Bearer realm="magiclink"'}


def test_a_problem_is_json_that_nobody_caches(request_stub: web.Request) -> None:
    response = problem_response(request_stub, Unavailable("away", retry_after_seconds=1), "r-1")
    assert response.status == 503
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Retry-After"] == "1"
    assert isinstance(response.body, bytes)
    assert orjson.loads(response.body)["request_id"] == "r-1"


def test_a_database_that_is_away_is_unavailable_and_a_fault_is_nobodys_refusal() -> None:
    refusal = Refusal()
    assert as_refusal(refusal) is refusal
    away = as_refusal(asyncpg.CannotConnectNowError("host 10.0.0.1"))
    assert isinstance(away, Unavailable)
    assert "10.0.0.1" not in str(away)
    assert as_refusal(KeyError("x")) is None
    assert as_refusal(asyncpg.UndefinedColumnError("x")) is None
