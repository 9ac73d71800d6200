"""G9: every statement that reads or writes links, users or messages for a caller carries the caller's app."""

import re

import pytest

from tests.house.tree import sql_files

_GUARDED = re.compile(
    r"magiclink\.(links|users|messages|message_attempts|heads|suppressions|applications|registrations|connections)\b"
)
# `app_id = $1`, `l.app_id = attempt.app_id`, `= ANY`, `(app_id, …) =`, or the column of an INSERT.
_BOUND = re.compile(r"\bapp_id\s*(=|IN\b)|=\s*(ANY\s*\()?\w+\.app_id\b|\(\s*k?\.?app_id\b[^)]*\)\s*=")
# The outbox has no column for it: the app stands in the event, of the rows that the same statement writes.
_INSERTS = re.compile(r"INSERT INTO magiclink\.(?!outbox\b)\w+(?: AS \w+)?\s*\(([^)]*)\)", re.DOTALL)

# block: why it has no caller. Whoever adds one says by whose authority it runs.
WITHOUT_CALLER = {
    "services/issuer/queries.sql": {
        "requeue_late": "the sweeper works for all apps; it moves leases and tells nobody",
        "oldest_queued": "the sweeper's look at a lane",
    },
    "services/issuer/housekeeping.sql": {
        "drop_old_heads": "housekeeping drops by age, and tells nobody",
        "drop_old_messages": "housekeeping drops by age, and tells nobody",
        "has_live_link": "whether a week of all apps may be dropped; housekeeping is told yes or no",
    },
    "services/issuer/tenancy.sql": {
        "find_vendor_app": "for compat, which acts for every app that answers as a vendor's (apps:act), and no other",
    },
    "services/operator/key_rotation.sql": {
        "count_links_by_kid": "a key id belongs to all apps; the operator is told numbers, no link",
    },
    "services/operator/service_check.sql": {
        "find_newest_table": "asks the catalogue whether a table is there, and reads no row of it",
    },
    "services/notifier/queries.sql": {
        "claim_messages": "named by our own event, which issuer and sweeper write; its app comes out of the row",
        "finish_attempts": "the worker's own claims, fenced by the attempt",
        "link_of_message": "named in a URL that the provider signed; the app comes out of the row",
        "apply_callback": "named in a URL that the provider signed; fenced by the attempt",
    },
}
BLOCKS = [
    (path, name, sql)
    for path, blocks in sql_files().items()
    for name, sql in blocks.items()
    if _GUARDED.search(sql)
]


def is_bound(sql: str) -> bool:
    """Say whether a statement is held to an app: by a comparison, or by inserting the app's id."""
    inserts = _INSERTS.findall(sql)
    if _BOUND.search(re.sub(r"JOIN magiclink\.apps \w+ ON \w+\.id = \w+\.app_id", "", sql)):
        return True
    return bool(inserts) and all("app_id" in columns for columns in inserts)


@pytest.mark.parametrize(("path", "name", "sql"), BLOCKS, ids=[f"{path}:{name}" for path, name, _ in BLOCKS])
def test_a_statement_carries_the_app_or_says_why_it_has_no_caller(path: str, name: str, sql: str) -> None:
    assert is_bound(sql) != (name in WITHOUT_CALLER.get(path, {}))


def test_no_exception_outlives_its_statement() -> None:
    excused = {(path, name) for path, names in WITHOUT_CALLER.items() for name in names}
    assert excused <= {(path, name) for path, name, _ in BLOCKS}


@pytest.mark.parametrize(
    ("sql", "bound"),
    [
        ("SELECT * FROM magiclink.links WHERE id = $1", False),
        ("SELECT * FROM magiclink.links l JOIN magiclink.apps a ON a.id = l.app_id WHERE l.id = $1", False),
        ("SELECT * FROM magiclink.links WHERE id = $1 AND app_id = $2", True),
        (
            "UPDATE magiclink.links l SET revoked_at = now() FROM row WHERE l.id = row.id AND l.app_id = row.app_id",
            True,
        ),
        ("SELECT * FROM magiclink.links l WHERE l.app_id = ANY ($2::uuid[])", True),
        ("INSERT INTO magiclink.users (id, app_id, email) SELECT 1", True),
        ("INSERT INTO magiclink.users (id, email) SELECT 1", False),
        (
            "WITH x AS (INSERT INTO magiclink.users (app_id) SELECT 1) INSERT INTO magiclink.outbox (key) SELECT 1",
            True,
        ),
        (
            "WITH x AS (INSERT INTO magiclink.users (id) SELECT 1) INSERT INTO magiclink.outbox (app_id) SELECT 1",
            False,
        ),
        ("DELETE FROM magiclink.users WHERE id = $1 RETURNING app_id", False),
    ],
)
def test_a_planted_statement_without_an_app_is_found(sql: str, bound: bool) -> None:
    assert is_bound(sql) is bound
