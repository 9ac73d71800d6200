"""The issuer's table of routes."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.issuer.api_links import LinksApi
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.settings import IssuerSettings
from shared.cache import Cache
from shared.database import Pool
from shared.http.routes import Route
from shared.outbox import OutboxBell
from shared.sql_blocks import SqlBlocks


@dataclass(frozen=True, slots=True)
class RouteParts:
    """What the handlers need."""

    pool: Pool
    cache: Cache
    bell: OutboxBell
    issue: Issue
    apps: Apps
    lanes: Lanes
    settings: IssuerSettings
    sql: Sequence[SqlBlocks] = ()


def issuer_routes(parts: RouteParts) -> list[Route]:
    """Return every route of the issuer."""
    links = LinksApi(parts.issue, parts.apps, parts.lanes, parts.settings.ring, parts.settings.public_url)
    return [*links.routes()]
