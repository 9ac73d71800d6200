"""Partitions that come and go without a lock that a request would feel."""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the plain SQL beside this file, in the migration's transaction."""
    # Past SQLAlchemy to the driver: without parameters it sends the text as it stands, `%` included.
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
