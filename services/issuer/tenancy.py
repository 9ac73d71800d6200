"""What the CRUD of apps, keys and users, and the reading of links, have in common: their SQL, and who may reach what."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg

from shared.database import Connection, Pool
from shared.http.routes import Caller
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).parent / "tenancy.sql")
DIRECTORY_SQL = SqlBlocks(Path(__file__).parent / "directory.sql")

# A connection of a pool, or one opened for itself (the command line, the development launcher).
AnyConnection: TypeAlias = "Connection | asyncpg.Connection[asyncpg.Record]"
Reader: TypeAlias = "Pool | AnyConnection"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which apps somebody reaches: its own, or every one. Statements carry both, so a foreign id finds no row (G9)."""

    app_id: UUID
    every_app: bool

    @classmethod
    def of(cls, caller: Caller) -> "Reach":
        return cls(caller.app_id, caller.may("apps:admin"))
