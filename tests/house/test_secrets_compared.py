"""DESIGN §3: what an attacker could guess byte by byte is compared in constant time."""

import ast
from collections.abc import Iterable

import pytest

from tests.house.test_words import words_of
from tests.house.tree import Module, identifier, modules, parse

_SECRETS = frozenset(
    {"mac", "hash", "digest", "secret", "token", "signature", "password", "passcode", "grant", "jwt", "hmac"}
)


def plain_compares(checked: Iterable[Module]) -> list[str]:
    return [
        module.at(node, ast.unparse(node))
        for module in checked
        if not module.path.startswith("services/dev/")
        for node in module.walk()
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        and any(_is_secret(side) for side in (node.left, *node.comparators))
    ]


def _is_secret(node: ast.AST) -> bool:
    name = identifier(node)
    # In capitals it is a constant of ours, such as a length.
    return bool(words_of(name) & _SECRETS) and not name.isupper()


def test_no_secret_is_compared_with_equals() -> None:
    assert plain_compares(modules()) == []


@pytest.mark.parametrize("path", ["shared/tokens.py", "shared/idempotency.py"])
def test_where_secrets_are_compared_it_is_in_constant_time(path: str) -> None:
    (module,) = (module for module in modules() if module.path == path)
    assert any(
        isinstance(node, ast.Call) and identifier(node.func) == "compare_digest" for node in module.walk()
    )


@pytest.mark.parametrize(
    "line",
    [
        "mac == expected",
        "self.token != given",
        "row['body_hash'] == guard.body_hash",
        "x == link.passcode",
        "a != b.grantHash",
    ],
)
def test_a_planted_compare_is_found(line: str) -> None:
    assert plain_compares([parse("services/issuer/planted.py", line)])


def test_what_only_sounds_like_one_is_not() -> None:
    assert (
        plain_compares(
            [parse("services/issuer/planted.py", "hashes == machine or token is None or len(token) == 39")]
        )
        == []
    )
