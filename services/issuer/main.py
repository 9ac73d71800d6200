"""Wires the issuer: HTTP, Kafka intake, relay and sweeper. The only place where its parts meet."""

from collections.abc import Iterable

from services.issuer.housekeeping import SQL as HOUSEKEEPING_SQL
from services.issuer.intake import Intake
from services.issuer.issue import Issue
from services.issuer.lag import LaneLag
from services.issuer.lanes import Lanes
from services.issuer.policy import Apps
from services.issuer.relay import LaneRelay
from services.issuer.renew import Renewals
from services.issuer.routes import IssuingParts, TenancyParts, issuer_routes
from services.issuer.settings import IssuerSettings
from services.issuer.standing import SQL as PASSCODES_SQL
from services.issuer.store import SQL, IssuerStore
from services.issuer.sweep import Sweeper, SweepRules
from services.issuer.tenancy import DIRECTORY_SQL
from services.issuer.tenancy import SQL as TENANCY_SQL
from services.issuer.text_limits import TextLimits
from services.issuer.wakeup import listen_for_bell
from services.issuer.webhooks import SQL as WEBHOOKS_SQL
from shared.api_keys import SQL as API_KEYS_SQL
from shared.api_keys import ApiKeys
from shared.bus import INTAKE_GROUP, LINK_REQUESTS, RENEWAL_GROUP, RENEWALS, ping_broker
from shared.changes import forget_on_change
from shared.consumer import Subscription, consume_batches
from shared.database import Pool
from shared.dead_letters import SQL as DEAD_LETTERS_SQL
from shared.flood import FloodLimit
from shared.http.edge import make_edge
from shared.http.ops import Check, Health
from shared.lifecycle import Service, run_service
from shared.outbox import RELAY_LANES, OutboxBell
from shared.outbox import SQL as OUTBOX_SQL
from shared.settings import load_settings
from shared.stores import open_stores

_INTAKE_BATCH = 500
_RENEWAL_BATCH = 50


def main() -> int:
    """Run the issuer until it is told to stop."""
    settings = load_settings(IssuerSettings)
    return run_service("issuer", settings, lambda service: start(service, settings))


async def start(service: Service, settings: IssuerSettings) -> None:
    """Start in order: stores, background loops, then the listeners."""
    sql = [
        SQL,
        PASSCODES_SQL,
        HOUSEKEEPING_SQL,
        TENANCY_SQL,
        DIRECTORY_SQL,
        OUTBOX_SQL,
        API_KEYS_SQL,
        DEAD_LETTERS_SQL,
        WEBHOOKS_SQL,
    ]
    stores = await open_stores(service, settings, sql)
    pool, cache, bell = stores.pool, stores.cache, stores.bell
    texts = TextLimits(cache)
    issue = Issue(IssuerStore(pool, settings.queue_lease_seconds), settings.ring, bell, texts)
    service.on_stop(issue.drain)

    apps, api_keys = Apps(pool, SQL, allow_http=settings.is_dev), ApiKeys(pool)

    def forget() -> None:
        apps.forget()
        api_keys.forget()

    service.run_task(forget_on_change(cache, forget), "forget-on-change")
    issuing = IssuingParts(
        issue, apps, Lanes(cache), settings.ring, settings.public_url, settings.queue_lease_seconds
    )
    tenancy = TenancyParts(pool, cache, bell, settings.ring, settings.is_dev, forget)
    start_relays(service, settings, pool, bell)
    start_sweeper(service, settings, pool, bell)
    flood = FloodLimit(LINK_REQUESTS, settings.dead_letters_per_minute)
    start_intake(service, settings, issuing, pool, flood)
    renewal_flood = FloodLimit(RENEWALS, settings.dead_letters_per_minute)
    start_renewals(service, settings, issuing, pool, renewal_flood)

    checks: dict[str, Check] = {
        "postgresql": lambda: pool.fetchval("SELECT 1"),
        "redis": cache.ping,
        "kafka": lambda: ping_broker(settings),
        "link-requests": flood.check,
        "renewals": renewal_flood.check,
    }
    # Without Redis and Kafka this service still answers: the outbox holds what is to be sent (G2, G8).
    health = Health(checks, optional=frozenset(checks) - {"postgresql"})
    await service.serve(
        make_edge(settings, cache, api_keys).application(issuer_routes(issuing, tenancy)), health
    )


def start_relays(service: Service, settings: IssuerSettings, pool: Pool, bell: OutboxBell) -> None:
    """Start one relay a lane, woken by this process and by others."""
    relays = {lane: LaneRelay(lane, pool, settings) for lane in RELAY_LANES}
    for lane, relay in relays.items():
        service.run_task(relay.run(), f"relay-{lane}")

    def wake(lanes: Iterable[str]) -> None:
        for lane in lanes:
            relays[lane].wake()

    bell.nearby = wake
    direct_url = (settings.database_direct_url or settings.database_url).get_secret_value()
    service.run_task(listen_for_bell(direct_url, wake), "listen-for-bell")


def start_sweeper(service: Service, settings: IssuerSettings, pool: Pool, bell: OutboxBell) -> None:
    """Start the sweeper."""
    rules = SweepRules(
        every_seconds=settings.sweep_seconds,
        batch=settings.sweep_batch,
        queue_lease_seconds=settings.queue_lease_seconds,
        callback_wait_seconds=settings.callback_wait_seconds,
        keeping=settings.keeping,
    )
    service.run_task(Sweeper(pool, LaneLag(settings), bell, rules).run(), "sweep")


def start_intake(
    service: Service, settings: IssuerSettings, issuing: IssuingParts, pool: Pool, flood: FloodLimit
) -> None:
    """Start taking link requests from Kafka."""
    store = IssuerStore(pool, settings.queue_lease_seconds)
    intake = Intake(issuing.issue, issuing.apps, issuing.lanes, store, settings.ring)
    intake.retention_days = settings.event_retention_days
    subscription = Subscription(LINK_REQUESTS, INTAKE_GROUP, _INTAKE_BATCH)
    service.run_task(consume_batches(settings, subscription, intake.handle, flood), "intake")


def start_renewals(
    service: Service, settings: IssuerSettings, issuing: IssuingParts, pool: Pool, flood: FloodLimit
) -> None:
    """Start taking renewals of expired links from Kafka."""
    store = IssuerStore(pool, settings.queue_lease_seconds)
    renewals = Renewals(issuing.issue, issuing.apps, issuing.lanes, store, settings.ring)
    subscription = Subscription(RENEWALS, RENEWAL_GROUP, _RENEWAL_BATCH)
    service.run_task(consume_batches(settings, subscription, renewals.handle, flood), "renewals")
