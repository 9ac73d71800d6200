"""The sweeper drops what is past its time, in small steps."""

import asyncpg
import pytest

from services.issuer import housekeeping, sweep
from services.issuer.lag import LaneLag
from shared.database import Pool
from shared.outbox import OutboxBell
from shared.settings import KafkaSettings
from shared.tokens import new_link_id
from tests.seeds import Seeds

_VISITS = """
INSERT INTO magiclink.link_visits (link_id, app_id, at, event, visitor)
SELECT gen_random_uuid(), $1, now() - make_interval(days => $2), 'visited', 'browser' FROM generate_series(1, $3)
"""


def sweeper(pool: Pool) -> sweep.Sweeper:
    lag = LaneLag(KafkaSettings(kafka_bootstrap="127.0.0.1:1"))
    return sweep.Sweeper(
        pool, lag, OutboxBell(pool), sweep.SweepRules(1, 10, 60, 300, housekeeping.Keeping(100))
    )


async def test_visits_older_than_30_days_go_in_steps_and_the_others_stay(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = await seeds.app()
    await owner.execute("DELETE FROM magiclink.link_visits")
    await owner.execute(_VISITS, app.id, 31, 25)
    await owner.execute(_VISITS, app.id, 29, 7)
    monkeypatch.setattr(housekeeping, "_STEP_ROWS", 10)
    kept = await sweeper(issuer_pool).keep_house()
    assert kept.deleted["link_visits"] == 25  # two whole steps and a half
    assert await owner.fetchval("SELECT count(*) FROM magiclink.link_visits WHERE app_id = $1", app.id) == 7


async def test_days_of_passcode_tries_go_after_30_days(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    for days in (0, 29, 32, 400):
        await owner.execute(
            "INSERT INTO magiclink.passcode_days VALUES ($1, $2, (now() AT TIME ZONE 'UTC')::date - $3::int, 5)",
            app.id, new_link_id(), days,
        )  # fmt: skip
    await sweeper(issuer_pool).keep_house()
    left = await owner.fetch(
        "SELECT (now() AT TIME ZONE 'UTC')::date - day AS days FROM magiclink.passcode_days WHERE app_id = $1",
        app.id,
    )
    assert sorted(row["days"] for row in left) == [0, 29]


async def test_slots_are_forgotten_when_none_of_their_links_can_live(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    for days in (0, 99, 101, 400):
        await owner.execute(
            "INSERT INTO magiclink.heads (app_id, user_id, type, slot, link_id)"
            " SELECT $1, $2, 'login', $3, magiclink.first_id(now() - make_interval(days => $4))",
            app.id, new_link_id(), f"order-{days}", days,
        )  # fmt: skip
    await sweeper(issuer_pool).keep_house()
    left = await owner.fetch("SELECT slot FROM magiclink.heads WHERE app_id = $1 ORDER BY slot", app.id)
    assert [row["slot"] for row in left] == ["order-0", "order-99"]


async def test_sessions_go_a_month_after_their_end_and_challenges_and_devices_a_day_after(
    issuer_pool: Pool, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    app = await seeds.app()
    user_id = await seeds.user(app)
    ages = {"sessions": (29, 31), "challenges": (0, 2), "trusted_devices": (0, 2)}
    for table, days in ages.items():
        own = ", opened_by" if table == "sessions" else ""
        value = ", 'api'" if table == "sessions" else ""
        for age in days:
            await owner.execute(
                f"INSERT INTO magiclink.{table} (id, kid, app_id, user_id, expires_at{own})"
                f" VALUES ($1, '1', $2, $3, now() - make_interval(days => $4){value})",
                new_link_id(), app.id, user_id, age,
            )  # fmt: skip
    await sweeper(issuer_pool).keep_house()
    for table, days in ages.items():
        left = await owner.fetch(
            f"SELECT (now()::date - expires_at::date) AS days FROM magiclink.{table} WHERE app_id = $1",
            app.id,
        )
        assert [row["days"] for row in left] == [days[0]], table
