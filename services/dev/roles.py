"""The embedded database's owner, and a login for each service with no more rights than its group role has."""

import asyncpg

from services.dev.plan import WITH_DATABASE
from services.dev.postgres import PORT, SUPERUSER, Postgres

DATABASE = "magiclink"
OWNER = "magiclink"


def owner_url(postgres: Postgres) -> str:
    """Return the URL of the database's owner, who migrates it: as in production, no superuser."""
    return postgres.url(OWNER, DATABASE)


def service_urls(postgres: Postgres) -> dict[str, str]:
    """Return the URL of each service's own login."""
    return {service: postgres.url(service, DATABASE) for service in WITH_DATABASE}


async def make_database(postgres: Postgres) -> None:
    """Make the owner and the database, when there are none."""
    connection = await asyncpg.connect(postgres.url(SUPERUSER), port=PORT)
    try:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", OWNER):
            await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    finally:
        await connection.close()


async def make_logins(postgres: Postgres) -> None:
    """Make a login for each service in the group role that the migration made for it."""
    connection = await asyncpg.connect(postgres.url(SUPERUSER, DATABASE), port=PORT)
    try:
        for service in WITH_DATABASE:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", service):
                await connection.execute(f"CREATE ROLE {service} LOGIN IN ROLE magiclink_{service}")
    finally:
        await connection.close()
