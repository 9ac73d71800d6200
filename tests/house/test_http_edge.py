"""Rule 3: only the HTTP edge knows status codes; whoever decides raises a refusal."""

import ast
import re
from collections.abc import Iterable
from fnmatch import fnmatch

import pytest

from tests.house.tree import Module, identifier, modules, parse

# The edge: what parses requests and renders answers.
EDGE = (
    "shared/http/*",
    "services/*/api.py",
    "services/*/api_*.py",
    "services/*/pages.py",
    "services/*/views.py",
    "services/*/callbacks.py",
    # All of it parses vendors' requests and renders their answers; what is decided is decided behind the native API.
    "services/compat/*",
)
# Those who ask other servers over HTTP must read their statuses.
ASKERS = ("shared/client/*", "services/notifier/channels/*", "services/notifier/webhook_post.py")
# The inbox stands in for the outside world; the launcher asks the services how they are.
DEVELOPMENT = ("services/dev/*",)
# Who may touch aiohttp's server side without knowing a status: the listeners, and what a browser says of itself.
SERVERS = ("shared/lifecycle.py", "shared/workers.py", "services/verifier/browser.py")


_EXCEPTION = re.compile(r"HTTP[A-Z][a-z]+[A-Za-z]*(?<!Status)")


def _is(module: Module, patterns: Iterable[str]) -> bool:
    return any(fnmatch(module.path, pattern) for pattern in patterns)


def statuses_known(checked: Iterable[Module]) -> list[str]:
    return [
        module.at(node, words)
        for module in checked
        if not _is(module, (*EDGE, *ASKERS, *DEVELOPMENT))
        for node in module.walk()
        if (words := _knows_a_status(node))
    ]


def _knows_a_status(node: ast.AST) -> str:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name) if _EXCEPTION.fullmatch(name):
            return "names an HTTP exception"
        case ast.Name(id="HTTPStatus") | ast.Attribute(attr="HTTPStatus"):
            return "names an HTTP status"
        case ast.keyword(arg="status" | "status_code", value=ast.Constant(value=int())):
            return "sets a status"
        case ast.Compare(left=left, comparators=[ast.Constant(value=int(code))]) if 100 <= code < 600:
            return "compares a status" if identifier(left).startswith("status") else ""
        case ast.Call(func=function) if identifier(function) in (
            "json_response",
            "Response",
            "set_status",
            "status_of",
        ):
            return "makes an answer"
        case _:
            return ""


def server_imports(checked: Iterable[Module]) -> list[str]:
    return [
        module.at(node, "imports aiohttp's server side")
        for module in checked
        if not _is(module, (*EDGE, *SERVERS, *DEVELOPMENT))
        for node in module.walk()
        if isinstance(node, ast.ImportFrom)
        and node.module == "aiohttp"
        and any(a.name == "web" for a in node.names)
    ]


def test_only_the_edge_knows_status_codes() -> None:
    assert statuses_known(modules()) == []


def test_only_the_edge_makes_answers() -> None:
    assert server_imports(modules()) == []


def test_no_handler_raises_an_answer() -> None:
    # aiohttp's exceptions would go past the one map from refusals to answers, and past the log.
    raised = [
        module.at(node, "raises an HTTP exception")
        for module in modules()
        if not _is(module, (*DEVELOPMENT, *ASKERS))
        for node in module.walk()
        if isinstance(node, ast.Raise) and node.exc is not None and "HTTP" in ast.unparse(node.exc)
    ]
    assert raised == []


@pytest.mark.parametrize(
    "line",
    [
        "raise web.HTTPNotFound()",
        "from http import HTTPStatus\nx = HTTPStatus.OK",
        "answer(status=404)",
        "if response.status == 404: pass",
        "json_response({})",
        "web.Response(text='x')",
    ],
)
def test_a_planted_status_is_found(line: str) -> None:
    assert statuses_known([parse("services/issuer/planted.py", line)])
    assert statuses_known([parse("services/verifier/api_planted.py", line)]) == []


def test_a_planted_server_import_is_found() -> None:
    assert server_imports([parse("services/issuer/planted.py", "from aiohttp import ClientSession, web")])
    assert server_imports([parse("services/issuer/planted.py", "from aiohttp import ClientSession")]) == []
