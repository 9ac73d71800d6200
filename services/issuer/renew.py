"""Renewals: the page of an expired link asked for a new one. Exactly one comes of each expired link, whatever is redelivered.

It is the old link again, of today: to the same user, by the same way, under what the app allows now. Whoever asks is anybody who has
the old link; what they bring about is one message to its rightful recipient. So the old mailbox gets nothing once the user has
another address, and a request that leads to nothing is no fault: it is counted and logged.
"""

from dataclasses import replace
from typing import Final, Literal
from uuid import UUID

import asyncpg
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.orders import Guard, Order, Receipt
from services.issuer.policy import App, Apps, Draft, draft_link
from services.issuer.store import SQL, IssuerStore
from shared.bus import EventInvalid, decode_event, refuse_old
from shared.clock import Clock, wall
from shared.consumer import Record, request_id_of
from shared.database import Row, is_away
from shared.dead_letters import Refused, put_aside
from shared.errors import Invalid, RateLimited, Refusal, Unavailable
from shared.http.routes import field_problems
from shared.idempotency import hash_body
from shared.keys import KeyRing
from shared.links import LinkRequest
from shared.metrics import RENEWALS

log = structlog.get_logger()

EVENT_TYPE: Final = "magiclink.link.renewal_requested.v1"
KEEP_DAYS: Final = 30

Verdict = Literal[
    "issued", "replayed", "unknown", "not_expired", "not_sent", "address_changed", "limited", "refused"
]


class RenewalRequested(BaseModel):
    """The data of the event: the expired link, and whose it is."""

    model_config = ConfigDict(extra="forbid")

    link_id: UUID
    app_id: UUID
    user_id: UUID


class Renewals:
    """Handles batches of records; use with `shared.consumer.consume_batches`."""

    def __init__(self, issue: Issue, apps: Apps, lanes: Lanes, store: IssuerStore, ring: KeyRing) -> None:
        self._issue = issue
        self._apps = apps
        self._lanes = lanes
        self._store = store
        self._ring = ring
        self.clock: Clock = wall

    async def handle(self, records: list[Record]) -> int:
        """Renew what may be renewed; put aside what cannot be read, and return how many that were.

        Raises when the database is away, or Redis where a text would have to be charged: the batch waits, nothing is lost.
        """
        refused = []
        for record in records:
            try:
                wanted = self._read(record)
                verdict = await self._renew(wanted, request_id_of(record))
            except (EventInvalid, Invalid) as invalid:
                refused.append(Refused(record, str(invalid)))
                RENEWALS.labels(verdict="dead_letter").inc()
            else:
                RENEWALS.labels(verdict=verdict).inc()
                log.info("renewal_requested", link_id=str(wanted.link_id), verdict=verdict)
        if refused:
            async with self._store.transaction() as connection:
                await put_aside(connection, refused)
        return len(refused)

    def _read(self, record: Record) -> RenewalRequested:
        event = decode_event(record.value)
        if event.type != EVENT_TYPE:
            raise EventInvalid(f"type: expected {EVENT_TYPE}")
        refuse_old(event, self.clock(), KEEP_DAYS)
        try:
            wanted = RenewalRequested.model_validate(event.data)
        except ValidationError as error:
            raise Invalid(field_problems(error, "data.")) from None
        if event.id != f"{wanted.link_id}.renewal":
            raise EventInvalid("id: expected `<data.link_id>.renewal`")
        return wanted

    async def _renew(self, wanted: RenewalRequested, request_id: str) -> Verdict:
        old = await self._store.pool.fetchrow(
            SQL.read_renewable, wanted.app_id, wanted.link_id, wanted.user_id
        )
        if old is None:
            return "unknown"
        if old["status"] != "expired":
            return (
                "not_expired"  # or it was consumed, revoked or superseded: what ended otherwise stays ended
            )
        if old["channel"] is None:
            return "not_sent"
        if old["recipient"] != old["address"]:
            return "address_changed"
        try:
            draft = await self._lanes.assign(_draft_again(await self._apps.get(wanted.app_id), old))
        except Refusal as refusal:
            return self._refused(wanted, refusal)
        guard = Guard(
            wanted.app_id,
            "renewal",
            str(wanted.link_id),
            hash_body(self._ring, EVENT_TYPE, wanted.link_id.bytes),
            KEEP_DAYS * 86400.0,
        )
        order = Order(wanted.app_id, [draft], guard, "renewal", {"x-request-id": request_id})
        (receipt,) = await self._issue.issue_together([order])
        return self._verdict(wanted, receipt)

    def _verdict(self, wanted: RenewalRequested, receipt: Receipt | BaseException) -> Verdict:
        answer = receipt if isinstance(receipt, BaseException) else receipt.items[0]
        if isinstance(answer, RateLimited):
            return "limited"
        if isinstance(answer, Refusal) and not isinstance(answer, Unavailable):
            return self._refused(wanted, answer)
        if isinstance(answer, asyncpg.PostgresError) and not is_away(answer):
            raise EventInvalid(f"refused by the database: {type(answer).__name__}")
        if isinstance(answer, BaseException):
            raise answer
        return "replayed" if isinstance(receipt, Receipt) and receipt.replayed else "issued"

    def _refused(self, wanted: RenewalRequested, refusal: Refusal) -> Verdict:
        log.warning("renewal_refused", link_id=str(wanted.link_id), code=refusal.code, reason=refusal.detail)
        return "refused"


def _draft_again(app: App, old: Row) -> Draft:
    """Return the draft of a link like the old one. Raises `Invalid` when the app does not allow it any more."""
    # Its parts were checked when the old link was made; here they come out of the database.
    request = LinkRequest.model_construct(
        user_id=old["user_id"],
        type=old["type"],
        redirect_url=old["redirect_url"],
        ttl_seconds=min(old["ttl_seconds"], app.max_ttl_seconds),
        channel=old["channel"],
        locale=old["locale"],
        time_zone=old["time_zone"],
        template=old["template"],
        template_data=old["data"],
        metadata=old["metadata"] or {},
        passcode=old["passcode_format"] is not None,
        binding=old["binding"],
        slot=old["slot"],
        code_challenge=old["code_challenge"],
        verify_address=old["verifies"] is not None,
        url_template=old["url_template"],
        grant_ttl_seconds=old["grant_ttl_seconds"],
    )
    draft = draft_link(app, request, "interactive")
    # The text of the state and "no redirect" go over as they are, and a link that had no rivals gets none.
    form = replace(
        draft.form,
        state=old["state"],
        redirect_url=old["redirect_url"] and draft.form.redirect_url,
        slot=old["slot"],
        renewed_from=old["id"],
    )
    return draft._replace(form=form)
