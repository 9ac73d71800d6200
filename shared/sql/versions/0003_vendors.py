"""Fuller users, sessions, second factors, applications, connections, webhooks: what the vendors' contracts need."""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the plain SQL beside this file, in the migration's transaction."""
    # Past SQLAlchemy to the driver: without parameters it sends the text as it stands, `%` included.
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
