"""Bring the database's schema up to date. Plain SQL, run by Alembic."""

import re
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def migrate(database_url: str) -> str:
    """Migrate to the newest revision and return its name. Needs an owner that may create roles."""
    config = _config(database_url)
    command.upgrade(config, "head")
    return newest_revision()


def newest_revision() -> str:
    """Return the name of the newest revision in this code."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    return head or ""


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    # The driver is named here; users write the same URL for every tool.
    config.attributes["url"] = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", database_url)
    return config
