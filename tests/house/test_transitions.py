"""Rule 2: one transition, one module; only these open a writing transaction. Rule 5, second half: no GET reaches one."""

import ast
import re
from collections.abc import Iterable
from functools import cache

import pytest

from shared.http.routes import Route
from shared.sql_blocks import SqlBlocks
from tests.house.references import References, key_of
from tests.house.route_tables import all_routes
from tests.house.tree import Module, identifier, modules, parse, sql_files

# The transitions of links and messages, then everything else that has to write, with what it writes.
TRANSITIONS = {
    "services.issuer.issue": "links, users, messages, outbox, keys: the transition `issue`",
    "services.issuer.passcodes": "links that passcodes name, through `send` and `resend`",
    "services.issuer.revoke": "links and their queued messages: the transition `revoke`",
    "services.issuer.send": "links and their first messages: the transition `send`",
    "services.issuer.resend": "links and their further messages: the transition `resend`",
    "services.verifier.consume": "links: the transition `consume`",
    "services.verifier.exchange": "links: the transition `exchange`",
    "services.verifier.passcodes": "tries of passcodes; the link goes through `consume`",
    "services.verifier.second_factors": "second factors, and the trusted devices that a deleted one takes along",
    "services.verifier.challenges": "challenges, the steps of codes, trusted devices",
    "services.verifier.sessions": "sessions: started, extended, used, revoked; the logins of their users",
    "services.verifier.refresh": "sessions: the transition `refresh`",
    "services.verifier.visits": "visits of links, in the background",
    "services.verifier.refusals": "outbox rows that tell of refused passcodes, in the background",
    "services.verifier.renewal": "one outbox row: the transition `renewal`; the issuer makes the link",
    "services.notifier.deliver": "messages and attempts: the transition `deliver`",
    "services.notifier.intake": "the lease that begins `deliver`; dead letters",
    "services.notifier.callbacks": "messages: what the provider reports of a delivery later",
    "services.notifier.webhook_fan_out": "webhook deliveries to be made, and their outbox rows",
    "services.notifier.webhook_delivery": "webhook deliveries: claimed, posted, tried again; endpoints that are gone",
    "services.notifier.delivery_options": "the one row of what notifiers can send",
    "services.issuer.intake": "dead letters of link requests",
    "services.issuer.renew": "dead letters of renewals; the links go through `issue`",
    "services.issuer.relay": "outbox rows that are on their way",
    "services.issuer.sweep": "messages that outlived their lease",
    "services.issuer.housekeeping": "whatever is past its time; partitions of links",
    "services.issuer.idempotency": "runs the transitions of apps, keys, users and revocation, once for each key",
    "services.issuer.apps": "apps",
    "services.issuer.api_keys": "API keys",
    "services.issuer.users": "users",
    "services.issuer.applications": "applications",
    "services.issuer.registrations": "registrations",
    "services.issuer.ended_sessions": "sessions of who becomes inactive, and of what is deleted, within those transitions",
    "services.issuer.connections": "connections",
    "services.issuer.webhooks": "webhook endpoints; the outbox row of a test event",
    "services.issuer.admin": "apps and keys, for the operator at the command line",
    "services.operator.imports.import_users": "users and registrations that come from another system, at the command line",
    "services.operator.dead_letters": "dead letters, replayed or dropped by the operator at the command line",
}
# Statements as functions, which the transitions call within their own transaction.
STORES = {
    "services.issuer.store",
    "services.issuer.sending",
    "services.issuer.standing",
    "services.verifier.store",
    "services.verifier.passcode_store",
    "services.notifier.store",
    "shared.outbox",
    "shared.dead_letters",
}
# The development launcher prepares servers and seeds the demo; it is no part of a deployment.
PROGRAM = [module for module in modules() if not module.path.startswith("services/dev/")]

_WRITES = re.compile(
    r"\b(INSERT INTO|UPDATE|DELETE FROM|FOR (NO KEY )?UPDATE|TRUNCATE|MERGE|(make|detach|drop)_link_partition)\b"
)
_RUNS = frozenset({"fetch", "fetchrow", "fetchval", "execute", "executemany", "cursor", "prepare"})
# Said without a block: they read no table and write none.
_INLINE = frozenset({"SELECT 1", "SELECT pg_notify($1, $2)"})


@cache
def writing_blocks() -> set[str]:
    return {name for blocks in sql_files().values() for name, sql in blocks.items() if _WRITES.search(sql)}


def is_named_write(node: ast.AST) -> bool:
    """`SQL.create_links`, `self._sql.create_links`."""
    return (
        isinstance(node, ast.Attribute)
        and identifier(node.value).lower().endswith("sql")
        and node.attr in writing_blocks()
    )


def opens_transaction(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "transaction"
    )


def writes_outside_transitions(checked: Iterable[Module]) -> list[str]:
    return [
        module.at(node, "writes, and is no transition and no store")
        for module in checked
        if module.name not in TRANSITIONS and module.name not in STORES
        for node in module.walk()
        if is_named_write(node) or opens_transaction(node)
    ]


def inline_statements(checked: Iterable[Module]) -> list[str]:
    return [
        module.at(node, "runs SQL that stands in no named block")
        for module in checked
        for node in module.walk()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _RUNS
        and node.args
        for text in [node.args[0]]
        if isinstance(text, ast.JoinedStr | ast.BinOp)
        or (isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value not in _INLINE)
        if "migrations" not in module.path and not module.path.startswith("shared/sql/")
    ]


def is_transition_step(_: Module, node: ast.AST) -> bool:
    return is_named_write(node) or opens_transaction(node)


@cache
def program_graph() -> References:
    return References(PROGRAM, is_transition_step)


def test_only_transitions_and_their_stores_write() -> None:
    assert writes_outside_transitions(PROGRAM) == []


def test_every_listed_transition_exists_and_writes() -> None:
    graph = program_graph()
    writers = {key.partition(":")[0] for key in graph.functions if graph.path_to_danger([key])}
    assert not (set(TRANSITIONS) | STORES) - writers


def test_no_store_opens_a_transaction_of_its_own() -> None:
    # The issuer's store hands one out; the verifier's statements are single and commit themselves.
    opening = {
        f"{module.name}:{function.name}"
        for module in PROGRAM
        if module.name in STORES
        for function in module.functions()
        if any(opens_transaction(node) for node in ast.walk(function))
    }
    assert opening == {"services.issuer.store:transaction"}


def test_the_writing_functions_of_a_store_are_called_by_transitions_only() -> None:
    graph = program_graph()
    writing = {key for key in graph.dangers if key.partition(":")[0] in STORES}
    foreign = [
        f"{caller} calls {called}"
        for caller, callees in graph.edges.items()
        for called in callees & writing
        if caller.partition(":")[0] not in TRANSITIONS | dict.fromkeys(STORES)
    ]
    assert foreign == []


def test_every_statement_stands_in_a_named_block() -> None:
    assert inline_statements(PROGRAM) == []


def test_every_block_is_used_and_every_used_block_exists() -> None:
    used: dict[str, set[str]] = {}
    for module in PROGRAM:
        for node in module.walk():
            if isinstance(node, ast.Attribute) and identifier(node.value).lower().endswith("sql"):
                used.setdefault(node.attr, set()).add(module.name)
    known = {name for blocks in sql_files().values() for name in blocks}
    assert known - used.keys() == set()
    assert used.keys() - known - set(vars(SqlBlocks)) - {"blocks", "path"} == set()


# Questions that are too long or too private for a GET.
CHANGES_NOTHING = {
    "/v1/links/explain": "says what a request for a link would come to",
    "/v1/users/search": "its filters hold addresses, which are kept out of URLs",
    "/v1/jwts/introspect": "a JWT is too private for a URL",
    "/v1/sessions/{id}/jwt": "signs a JWT; nothing is stored",
    "/v1/links/{id}/reveal": "derives what its maker was told already; nothing is stored",
    "/v1/links/{id}/pairing": "signs a ticket; nothing is stored",
}
GET_ROUTES = [
    (service, route)
    for service, route in all_routes()
    if route.method in ("GET", "HEAD", "OPTIONS") or route.path in CHANGES_NOTHING
]


def handler_roots(handler: object) -> list[str]:
    """The handler, and what its object was given to call."""
    owner = getattr(handler, "__self__", None)
    given = [getattr(owner, name) for name in getattr(type(owner), "__dataclass_fields__", {})]
    return [key_of(handler), *(key_of(value) for value in given if hasattr(value, "__qualname__"))]


@pytest.mark.parametrize(
    ("service", "route"), GET_ROUTES, ids=lambda v: v if isinstance(v, str) else f"{v.method} {v.path}"
)
def test_no_get_handler_reaches_a_transition(service: str, route: Route) -> None:
    graph = program_graph()
    roots = handler_roots(route.handler)
    assert roots[0] in graph.functions, f"{service}: the handler is not in the graph"
    assert graph.path_to_danger(roots) is None


POSTS = [
    route
    for _, route in all_routes()
    if route.method in ("POST", "PATCH", "DELETE") and route.path not in CHANGES_NOTHING
]


@pytest.mark.parametrize("route", POSTS, ids=lambda route: f"{route.method} {route.path}")
def test_the_graph_sees_the_transition_behind_every_other_handler(route: Route) -> None:
    # What keeps the test above honest: a graph that saw nothing would find no GET that writes.
    roots = handler_roots(route.handler)
    assert program_graph().path_to_danger(roots) is not None


PLANTED = """
from services.issuer.store import SQL
from shared.database import Pool

class Page:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def show(self, call):
        await self._count(call)

    async def _count(self, call):
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL.create_links)
            await connection.execute(f"UPDATE magiclink.links SET visits = {call}")
"""


def test_a_planted_write_is_found() -> None:
    planted = [parse("services/issuer/planted.py", PLANTED)]
    assert len(writes_outside_transitions(planted)) == 2
    assert len(inline_statements(planted)) == 1
    graph = References([*PROGRAM, *planted], is_transition_step)
    assert graph.path_to_danger(["services.issuer.planted:Page.show"]) == [
        "services.issuer.planted:Page.show",
        "services.issuer.planted:Page._count",
    ]
