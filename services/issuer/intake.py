"""Link requests from Kafka: exactly one link for each (app, source, id), whatever is redelivered (G2).

What cannot be decoded, is refused, or comes too late is put aside with the reason, on `<topic>.dlq` and in `dead_letters`.
What a limit of texts does not allow now comes again later, through the outbox; without Redis, which keeps these limits, the batch waits.
Offsets are committed after the transaction (shared.consumer).
"""

from collections import Counter
from dataclasses import dataclass, replace

import orjson

from services.issuer.alike import Alike
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.orders import Guard, Order
from services.issuer.policy import Apps
from services.issuer.postponing import Postponed, pause_seconds, waited_too_long
from services.issuer.store import IssuerStore
from shared.bus import Event, EventInvalid, decode_event, refuse_old
from shared.clock import Clock, wall
from shared.consumer import Record, request_id_of
from shared.database import is_away
from shared.dead_letters import Refused, put_aside
from shared.errors import RateLimited, Refusal, Unavailable
from shared.http.routes import validate
from shared.idempotency import hash_body
from shared.keys import KeyRing
from shared.links import RequestedLink
from shared.metrics import INTAKE_EVENTS

EVENT_TYPE = "magiclink.link.requested.v1"
_MAX_ATTRIBUTE = 512


@dataclass(frozen=True, slots=True)
class Requested:
    """A record that became an order."""

    record: Record
    order: Order

    @property
    def sameness(self) -> object:
        """Two of one event with one body are the same request."""
        guard = self.order.guard
        return None if guard is None else (guard.identity, guard.body_hash.newest)


class Intake:
    """Handles batches of records; use with `shared.consumer.consume_batches`."""

    def __init__(self, issue: Issue, apps: Apps, lanes: Lanes, store: IssuerStore, ring: KeyRing) -> None:
        self._issue = issue
        self._apps = apps
        self._lanes = lanes
        self._store = store
        self._ring = ring
        self.retention_days = 30
        self.clock: Clock = wall

    async def handle(self, records: list[Record]) -> int:
        """Issue what is asked for; put aside what is refused, and return how many that were. Raises when the database is away: nothing is skipped."""
        known: dict[str, Alike] = {}
        read = [await self._read(record, known) for record in records]
        refused = [item for item in read if isinstance(item, Refused)]
        waiting = await self._with_lanes([item for item in read if isinstance(item, Requested)])
        postponed: dict[object, Postponed] = {}
        while waiting:
            # The same event twice in one batch: the second one goes in the next round, and finds the first one's answer.
            together, waiting = _distinct(waiting)
            refused += await self._issue_all(together, postponed)
        await self._put_away(refused, [*postponed.values()])
        return len(refused)

    async def _read(self, record: Record, known: dict[str, Alike]) -> Requested | Refused:
        """Return the order of a record. `known`: what was found of the batch's apps, by their ids as the records spell them."""
        try:
            event = decode_event(record.value)
            self._check(event)
            alike = known.get(str(event.data.get("app_id"))) or await self._alike(event, known)
            draft = alike.draft(event.data, "data.")
        except EventInvalid as invalid:
            return Refused(record, str(invalid))
        except Refusal as refusal:
            return Refused(record, f"{refusal.code}: {refusal}")
        app_id = draft.form.app.id
        guard = Guard(
            app_id,
            f"event {event.source}",
            event.id,
            hash_body(self._ring, event.type, _canonical(event)),
            self._keep,
        )
        return Requested(
            record, Order(app_id, [draft], guard, "kafka", {"x-request-id": request_id_of(record)})
        )

    async def _with_lanes(self, requested: list[Requested]) -> list[Requested]:
        """Look at each app's interactive rate once a batch: a look a record is a trip to Redis a record, one after the other."""
        assigned = await self._lanes.assign_all([item.order.items[0] for item in requested])
        return [
            item if draft is item.order.items[0] else replace(item, order=replace(item.order, items=[draft]))
            for item, draft in zip(requested, assigned, strict=True)
        ]

    async def _alike(self, event: Event, known: dict[str, Alike]) -> Alike:
        """Return what judges requests for an app. Raises a `Refusal` or `EventInvalid` for one that must not be asked for here."""
        request = validate(RequestedLink, event.data, "data.")
        app = await self._apps.get(request.app_id)
        if not app.intake:
            raise EventInvalid("the app does not allow link requests over Kafka (intake is off)")
        return known.setdefault(event.data["app_id"], Alike(app, "bulk", RequestedLink))

    def _check(self, event: Event) -> None:
        if event.type != EVENT_TYPE:
            raise EventInvalid(f"type: expected {EVENT_TYPE}")
        if len(event.id) > _MAX_ATTRIBUTE or len(event.source) > _MAX_ATTRIBUTE:
            raise EventInvalid(f"id, source: at most {_MAX_ATTRIBUTE} characters")
        refuse_old(event, self.clock(), self.retention_days)

    async def _issue_all(
        self, requested: list[Requested], postponed: dict[object, Postponed]
    ) -> list[Refused]:
        receipts = await self._issue.issue_together([item.order for item in requested])
        refused: list[Refused] = []
        verdicts: Counter[str] = Counter()
        for item, receipt in zip(requested, receipts, strict=True):
            answer = receipt if isinstance(receipt, BaseException) else receipt.items[0]
            if isinstance(answer, Unavailable):
                raise answer
            if isinstance(answer, RateLimited) and not waited_too_long(item.record):
                # Redeliveries of one event that meet here come back as one.
                postponed[item.sameness] = Postponed(item.record, pause_seconds(item.record, answer))
            elif isinstance(answer, Refusal):
                refused.append(Refused(item.record, f"{answer.code}: {answer}"))
            elif isinstance(answer, BaseException):
                if is_away(answer):
                    raise answer
                refused.append(Refused(item.record, f"refused by the database: {type(answer).__name__}"))
            else:
                replayed = not isinstance(receipt, BaseException) and receipt.replayed
                verdicts["replayed" if replayed else "issued"] += 1
        for verdict, count in verdicts.items():
            INTAKE_EVENTS.labels(verdict=verdict).inc(count)
        return refused

    async def _put_away(self, refused: list[Refused], postponed: list[Postponed]) -> None:
        """Write what is put aside, and what comes back into the topic later: others in the partition do not wait for it.

        In one transaction, the last of the batch: one that is handled again leaves no copies of what it had postponed.
        """
        if not refused and not postponed:
            return
        async with self._store.transaction() as connection:
            if refused:
                await put_aside(connection, refused)
            if postponed:
                await self._store.postpone(connection, postponed)
        INTAKE_EVENTS.labels(verdict="dead_letter").inc(len(refused))
        INTAKE_EVENTS.labels(verdict="postponed").inc(len(postponed))

    @property
    def _keep(self) -> float:
        return float(self.retention_days * 86400)


def _distinct(items: list[Requested]) -> tuple[list[Requested], list[Requested]]:
    first: dict[object, Requested] = {}
    again = []
    for item in items:
        identity = item.order.guard.identity if item.order.guard else None
        if identity in first:
            again.append(item)
        else:
            first[identity] = item
    return list(first.values()), again


def _canonical(event: Event) -> bytes:
    # A producer's retry may spell the same data in another order; only the meaning counts.
    return orjson.dumps(event.data, option=orjson.OPT_SORT_KEYS)
