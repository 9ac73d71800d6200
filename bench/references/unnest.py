"""Raw `unnest` INSERT: rows about as wide as a link's, so many a statement and commit, one after the other on one connection.

python -m bench.references.unnest --database URL --count 60000 --batch 500
"""

import argparse
import json
import resource
import time
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import uvloop

_TABLE = """
CREATE TABLE IF NOT EXISTS bench_unnested (
    id uuid PRIMARY KEY, app_id uuid NOT NULL, user_id uuid NOT NULL, words text NOT NULL, facts jsonb NOT NULL, at timestamptz NOT NULL
)
"""
_INSERT = """
INSERT INTO bench_unnested (id, app_id, user_id, words, facts, at)
SELECT id, app_id, user_id, words, facts::jsonb, at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[])
    AS row (id, app_id, user_id, words, facts, at)
"""


async def insert(url: str, count: int, size: int) -> dict[str, float]:
    """Insert `count` rows, `size` a statement; return seconds and CPU seconds of this process."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLE)
        statement = await connection.prepare(_INSERT)
        app_id = uuid4()
        started, spent = time.monotonic(), _cpu_seconds()
        for done in range(0, count, size):
            rows = min(size, count - done)
            at = datetime.now(UTC)
            await statement.fetch(
                [uuid4() for _ in range(rows)], [app_id] * rows, [uuid4() for _ in range(rows)],
                ["x" * 100] * rows, ['{"job": "weekly-report"}'] * rows, [at] * rows,
            )  # fmt: skip
        told = {"count": count, "seconds": time.monotonic() - started, "cpu_seconds": _cpu_seconds() - spent}
        await connection.execute("TRUNCATE bench_unnested")
        return told
    finally:
        await connection.close()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    asked = parser.parse_args()
    print(json.dumps(uvloop.run(insert(asked.database, asked.count, asked.batch))))


if __name__ == "__main__":
    main()
