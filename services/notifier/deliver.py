"""The transition `deliver`: claim a message, send it, write down what came of it.

The lease is taken before anything is sent and every write is fenced by the attempt, so a redelivery, a rebalance or a second
replica sends nothing twice. The link is derived here, at the moment of sending, and kept nowhere.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache as kept
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from structlog.contextvars import bind_contextvars

from services.notifier.channels import Channel, Outgoing
from services.notifier.channels.mail import Unsendable, mailbox
from services.notifier.outcomes import Outcome, TryLater, Undeliverable
from services.notifier.render import Brand, CannotRender, MessageContext, Templates
from services.notifier.retry import RetryRules, conclude
from services.notifier.store import (
    SOURCE,
    Claimed,
    Finished,
    LifeOf,
    begin_lives,
    finish_attempts,
    lock_unaccepted_links,
)
from shared import outbox
from shared.batching import Batcher, BatchLimits
from shared.clock import monotonic
from shared.database import Pool, Row, is_away, run_batch
from shared.keys import KeyRing
from shared.link_urls import fill_secrets, link_url
from shared.messages import Queueing, Told, message_row, queued_row
from shared.metrics import DELIVERIES, DELIVERY_SECONDS
from shared.outbox import OutboxBell, OutboxRow
from shared.request_log import REQUEST_LOG
from shared.tokens import LinkRef, make_passcode, make_poll_token, make_token

log = structlog.get_logger()

_AWAY_PAUSE_SECONDS = 0.5
_ON_THE_WAY_SECONDS = 5.0
# Product services are told of these; the others are steps on the way.
_TOLD = frozenset({"accepted", "failed", "expired", "revoked"})


@dataclass(frozen=True, slots=True)
class LinkMaker:
    """Derives what stands in a message: the link's URL and its passcode."""

    ring: KeyRing
    public_url: str

    def knows(self, kid: str) -> bool:
        """Whether links of this key id can be derived here."""
        return all(self.ring.key(purpose, kid) is not None for purpose in ("link", "passcode", "poll"))

    def context(self, claimed: Claimed) -> MessageContext:
        row, ref = claimed.row, LinkRef(claimed.row["kid"], claimed.facts.link_id)
        passcode = None
        if row["passcode_format"]:
            passcode = make_passcode(self.ring, ref, row["passcode_epoch"], row["passcode_format"])
        client: Mapping[str, Any] = row["client"] or {}
        return MessageContext(
            brand=Brand.of(row["app_name"], row["branding"], _display_name(row["sender"])),
            url=self._url(row, ref, passcode),
            ttl_seconds=_stated_seconds(row["ttl_seconds"], claimed.seconds_left),
            recipient=row["recipient"],
            asked_at=row["asked_at"],
            passcode=passcode,
            asker_ip=client.get("ip"),
            asker_user_agent=client.get("user_agent"),
            template_data=row["data"],
            valid_until=None if row["begins_life"] else row["expires_at"],
            time_zone=row["time_zone"],
            app_id=str(claimed.facts.app_id),
            channel=claimed.facts.channel,
        )

    def _url(self, row: Row, ref: LinkRef, passcode: str | None) -> str | None:
        """Return the link's URL, in the form that it was asked for in; None for a passcode without a link."""
        if row["doors"] == "passcode":
            return None
        token = make_token(self.ring, ref.link_id, ref.kid)
        if row["url_template"] is None:
            return link_url(self.public_url, row["landing_url"], token)
        known = {"token": token, "passcode": passcode or "", "link_id": str(ref.link_id)}
        return fill_secrets(row["url_template"], {**known, "poll_token": make_poll_token(self.ring, ref)})


def _stated_seconds(ttl_seconds: int, seconds_left: float) -> int:
    """What a message says of the link's life, in whole minutes: a moment on the way does not make 15 minutes 14, no more is given."""
    seconds = int(seconds_left + _ON_THE_WAY_SECONDS)
    return min(ttl_seconds, seconds - seconds % 60) if seconds >= 60 else int(seconds_left)


def _display_name(sender: str | None) -> str | None:
    """`Example` of `Example <login@example.com>`; None for a number, or an address without a name."""
    try:
        return mailbox(sender).name or None if sender else None
    except Unsendable:
        return None


@dataclass(frozen=True, slots=True)
class Sending:
    """What a message is made and sent with."""

    channels: Mapping[str, Channel]
    templates: Templates
    links: LinkMaker


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished attempt on its way into the database."""

    finished: Finished
    request_id: str


class Deliver:
    """Delivers claimed messages. Attempts that end together are written down together."""

    def __init__(self, pool: Pool, bell: OutboxBell, sending: Sending, rules: RetryRules) -> None:
        self._pool = pool
        self._bell = bell
        self._sending = sending
        self._rules = rules
        self._finisher: Batcher[Ended, None] = Batcher(
            "finish", self._finish_together, limits=BatchLimits(items=128, flights=1, queue=10_000)
        )

    async def deliver(self, claimed: Claimed, request_id: str) -> None:
        """Send one message and write down what came of it. `request_id` goes into every log line and header."""
        bind_contextvars(request_id=request_id)
        finished = self._over(claimed)
        if finished is None:
            started = monotonic()
            outcome = await self._send(claimed)
            _seconds_of(claimed.facts.channel).observe(monotonic() - started)
            finished = conclude(claimed, outcome, self._rules)
        _count_of(claimed.facts.channel, finished.outcome).inc()
        REQUEST_LOG.tell(
            "delivery_attempted",
            request_id,
            {
                "message_id": str(claimed.facts.message_id),
                "link_id": str(claimed.facts.link_id),
                "channel": claimed.facts.channel,
                "attempt": claimed.attempt,
                "status": finished.status,
            },
        )
        await self._write_down(Ended(finished, request_id))

    async def close(self) -> None:
        await self._finisher.drain()

    def _over(self, claimed: Claimed) -> Finished | None:
        """A link that is over needs no message."""
        status = claimed.row["link_status"]
        if status in ("consumed", "revoked"):
            return Finished(claimed, "revoked", "revoked", f"the link was {status}")
        if status == "superseded":
            return Finished(claimed, "revoked", "revoked", "superseded by a newer link")
        if status == "expired":
            return Finished(claimed, "expired", "expired", "the link's life ended")
        return None

    async def _send(self, claimed: Claimed) -> Outcome:
        channel = self._sending.channels.get(claimed.facts.channel)
        if channel is None:
            # An operator's omission is no fault of the recipient's: it waits until the link's life ends.
            return TryLater(f"no provider is configured for {claimed.facts.channel}")
        row = claimed.row
        if not self._sending.links.knows(row["kid"]):
            # A replica whose ring was not rolled out yet, or a key that leaked and was dropped by force: the link is over then,
            # and its message with it when its life ends. Neither may stop the deliveries of all others.
            return TryLater(f"the key ring holds no key {row['kid']}")
        try:
            content = self._sending.templates.render(
                row["type"], row["template"], row["locale"], self._sending.links.context(claimed)
            )
        except CannotRender as error:
            return Undeliverable(f"cannot be rendered: {error}")
        sender = row["sender"] if claimed.facts.channel == "email" else None
        return await channel.send(
            Outgoing(
                claimed.facts.message_id,
                row["recipient"],
                sender,
                content,
                row["created_at"],
                claimed.attempt,
            )
        )

    async def _write_down(self, ended: Ended) -> None:
        # The message is out: its outcome waits for the database as long as it takes.
        while True:
            try:
                return await self._finisher.submit(ended)
            except Exception as error:
                if not is_away(error):
                    raise
            await asyncio.sleep(_AWAY_PAUSE_SECONDS)

    async def _finish_together(self, ended: list[Ended]) -> Sequence[BaseException | None]:
        return await run_batch(ended, self._commit)

    async def _commit(self, ended: list[Ended]) -> list[BaseException | None]:
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_unaccepted_links(connection, _lives(ended))
            held = await finish_attempts(connection, [e.finished for e in ended])
            ours = [e for e in ended if e.finished.claimed.facts.message_id in held]
            await begin_lives(connection, _lives(ours))
            rows = [row for e in ours for row in _rows(e)]
            await outbox.append(connection, rows)
        if rows:
            self._bell.ring(*{row.lane for row in rows})
        for late in (e.finished.claimed for e in ended if e not in ours):
            log.warning("lease_lost", message_id=str(late.facts.message_id), attempt=late.attempt)
        return [None] * len(ended)


@kept
def _seconds_of(channel: str) -> Histogram:
    return DELIVERY_SECONDS.labels(channel=channel)


@kept
def _count_of(channel: str, outcome: str) -> Counter:
    return DELIVERIES.labels(channel=channel, outcome=outcome)


def _lives(ended: Sequence[Ended]) -> list[LifeOf]:
    """The links whose clock starts with these attempts."""
    return [
        LifeOf(e.finished.claimed.facts.link_id, e.finished.claimed.facts.app_id)
        for e in ended
        if e.finished.status == "accepted" and e.finished.claimed.row["begins_life"]
    ]


def _rows(ended: Ended) -> list[OutboxRow]:
    """What others must know: the retry, or what finally became of the message."""
    finished, headers = ended.finished, {"x-request-id": ended.request_id}
    claimed = finished.claimed
    if finished.retry_seconds is not None:
        waited = monotonic() - claimed.taken_at + finished.retry_seconds
        due_at = claimed.claimed_at + timedelta(seconds=waited)
        return [
            queued_row(SOURCE, claimed.facts, Queueing(claimed.attempt, claimed.requeues, due_at), headers)
        ]
    if finished.status in _TOLD:
        return [
            message_row(
                SOURCE, claimed.facts, Told(finished.status, claimed.attempt, finished.provider), headers
            )
        ]
    return []
