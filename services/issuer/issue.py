"""The transition `issue`: links, their users, messages and outbox rows, in one transaction for all orders that wait.

Exactly one link an idempotency key (G2): the key's row is written with the links, so a retry finds it or writes it, never both.
"""

import asyncio
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import orjson

from services.issuer.answers import Answer
from services.issuer.new_links import Groups, NewLink, issued_links
from services.issuer.orders import Guard, Issued, Order, Receipt
from services.issuer.policy import Draft, UserKey
from services.issuer.reach import FoundUser
from services.issuer.standing import give_passcodes, standing
from services.issuer.store import IssuerStore
from services.issuer.text_limits import TEXT_CHANNELS, TextLimits
from shared.batching import Batcher, BatchLimits
from shared.database import Connection, run_batch
from shared.errors import IdempotencyConflict, RateLimited, Refusal, Unavailable
from shared.keys import KeyRing
from shared.metrics import LINKS_ISSUED
from shared.outbox import EVENTS_LANE, OutboxBell
from shared.tokens import new_link_ids

# An order of more links than these flies alone: 128 orders of 10,000 in one transaction would all run into the statement's time
# limit, and the logins among them too.
_MANY_LINKS = 16
# Calls to Redis at once: more would wait in its queue past the budget.
_CHARGED_TOGETHER = 256


class Issue:
    """Issues links. Small orders that arrive together are committed together; large ones each by itself, past the small ones."""

    def __init__(self, store: IssuerStore, ring: KeyRing, bell: OutboxBell, texts: TextLimits) -> None:
        self._store = store
        self._texts = texts
        self._ring = ring
        self._kid = ring.newest["link"]
        self._bell = bell
        self._batcher: Batcher[Order, Receipt] = Batcher(
            "issue",
            self.issue_together,
            limits=BatchLimits(items=128, flights=2, queue=2048),
            key=_once,
        )
        # Two at a time: while PostgreSQL writes the links of one, those of the next are made ready; a fifth more links a second.
        self._large: Batcher[Order, Receipt] = Batcher(
            "issue-large", self.issue_together, limits=BatchLimits(items=1, flights=2, queue=64), key=_once
        )

    async def one(self, order: Order) -> Receipt:
        """Issue one order. Raises `IdempotencyConflict`, `Unavailable`, or what the database says of it."""
        batcher = self._large if len(order.items) > _MANY_LINKS else self._batcher
        return await batcher.submit(order)

    async def issue_together(self, orders: list[Order]) -> Sequence[Receipt | BaseException]:
        """Issue orders in one transaction; no two of them may have the same guard. One bad order fails alone."""
        return await run_batch(orders, self._commit)

    async def drain(self) -> None:
        await asyncio.gather(self._batcher.drain(), self._large.drain())

    async def _commit(self, orders: list[Order]) -> list[Receipt | BaseException]:
        async with self._store.transaction() as connection:
            fresh = await self._claim(connection, orders)
            receipts = await self._make(connection, fresh)
        if fresh:
            self._bell.ring(*_lanes(fresh))
        answered = [order for order in orders if id(order) not in receipts]
        if answered:
            receipts |= await self._replay(answered)
        return [receipts[id(order)] for order in orders]

    async def _claim(self, connection: Connection, orders: list[Order]) -> list[Order]:
        """Return the orders that were never answered."""
        guards = [(order.guard, _answer(order)) for order in orders if order.guard]
        claimed = await self._store.claim_keys(connection, guards) if guards else set()
        return [order for order in orders if order.guard is None or order.guard.identity in claimed]

    async def _make(self, connection: Connection, orders: list[Order]) -> dict[int, Receipt | BaseException]:
        drafts = [item for order in orders for item in order.items if isinstance(item, Draft)]
        issued: dict[UUID, Issued] = {}
        if drafts:
            held = await self._store.resolve_users(connection, _wanted_users(drafts))
            made = self._links(orders, held.users)
            await self._charge(made)
            issued = await self._write(connection, made, held.at)
        else:
            made = self._links(orders, {})
        await self._amend(connection, orders, made)
        _count_issued(orders, made)
        return {
            id(order): Receipt([issued[i.link_id] if isinstance(i, NewLink) else i for i in items])
            for order, items in zip(orders, made, strict=True)
        }

    async def _write(
        self, connection: Connection, made: list[list[NewLink | Refusal]], created_at: datetime
    ) -> dict[UUID, Issued]:
        """Write the links down; return what their makers are told of them, by link id."""
        links = [item for items in made for item in items if isinstance(item, NewLink)]
        if not links:
            return {}
        await self._store.create_links(connection, links, created_at)
        issued = issued_links(links, created_at)
        alone = [issued[link.link_id] for link in links if link.stands_alone]
        return issued | await self._stand_alone(connection, alone)

    def _links(
        self, orders: list[Order], users: Mapping[UserKey, FoundUser]
    ) -> list[list[NewLink | Refusal]]:
        """Return the links of each order, and in their places what refuses the others."""
        groups = Groups(self._kid)
        ids = new_link_ids(sum(len(order.items) for order in orders))
        made: list[list[NewLink | Refusal]] = []
        for order in orders:
            headers = orjson.dumps(order.headers).decode()
            made.append(
                [
                    groups.link(item, users.get(item.user), ids.pop(), headers)
                    if isinstance(item, Draft)
                    else item
                    for item in order.items
                ]
            )
        return made

    async def _stand_alone(self, connection: Connection, links: list[Issued]) -> dict[UUID, Issued]:
        """Give links whose passcodes stand alone one of their own; return these links by id."""
        if not links:
            return {}
        epochs = await give_passcodes(connection, self._ring, map(standing, links))
        return {link.id: link._replace(passcode_epoch=epochs[link.id]) for link in links}

    async def _charge(self, made: list[list[NewLink | Refusal]]) -> None:
        """Put a refusal in the place of each text that its limits do not allow.

        Here, and not before: a replay is neither charged nor refused, and the recipient of a `user_id` is known. A transaction that
        fails afterwards has paid for nothing, which errs on the side of money.
        """
        texts = [
            (items, place, item)
            for items in made
            for place, item in enumerate(items)
            if isinstance(item, NewLink) and item.group.form.request.channel in TEXT_CHANNELS
        ]
        for start in range(0, len(texts), _CHARGED_TOGETHER):
            some = texts[start : start + _CHARGED_TOGETHER]
            refusals = await asyncio.gather(*(self._refused(item) for _, _, item in some))
            for (items, place, _), refusal in zip(some, refusals, strict=True):
                if refusal is not None:
                    items[place] = refusal

    async def _refused(self, link: NewLink) -> Refusal | None:
        try:
            form = link.group.form
            await self._texts.take(form.app, form.request.channel, link.recipient or "")
        except (RateLimited, Unavailable) as refusal:
            return refusal
        return None

    async def _amend(
        self, connection: Connection, orders: list[Order], made: list[list[NewLink | Refusal]]
    ) -> None:
        """Write down refusals that only the database could see. An order with no link at all keeps no key: it may be asked again."""
        empty: list[Guard] = []
        amended: list[tuple[Guard, Answer]] = []
        for order, items in zip(orders, made, strict=True):
            if order.guard is None:
                continue
            if not any(isinstance(item, NewLink) for item in items):
                empty.append(order.guard)
            elif any(
                isinstance(new, Refusal) and isinstance(old, Draft)
                for new, old in zip(items, order.items, strict=True)
            ):
                links = [item.link_id if isinstance(item, NewLink) else item for item in items]
                amended.append((order.guard, Answer.of(links)))
        await self._store.forget_keys(connection, empty)
        await self._store.amend_answers(connection, amended)

    async def _replay(self, orders: list[Order]) -> dict[int, Receipt | BaseException]:
        found = await self._store.find_answers([order.guard for order in orders if order.guard])
        ids = [link_id for _, answer in found.values() for link_id in answer.link_ids()]
        issued = await self._store.read_issued(ids, {order.app_id for order in orders})
        receipts: dict[int, Receipt | BaseException] = {}
        for order in orders:
            if order.guard is None or order.guard.identity not in found:
                # Its key expired between the two looks; the client's retry starts afresh.
                receipts[id(order)] = IdempotencyConflict("the key expired just now; try again")
                continue
            body_hash, answer = found[order.guard.identity]
            if not order.guard.body_hash.matches(body_hash):
                receipts[id(order)] = IdempotencyConflict()
            else:
                receipts[id(order)] = Receipt(answer.restore(issued), replayed=True)
        return receipts


def _once(order: Order) -> Hashable:
    """Return what no two orders at work have in common: the second finds what became of the first."""
    return order.guard.identity if order.guard else uuid4()


def _wanted_users(drafts: Sequence[Draft]) -> dict[UserKey, str | None]:
    """Return the users of links, each with the status that it is made with; None: it is not to be made."""
    wanted: dict[UserKey, str | None] = {}
    for draft in drafts:
        request = draft.form.request
        status = request.new_user_status or ("pending" if request.type == "invite" else "active")
        wanted[draft.user] = wanted.get(draft.user) or (status if request.create_user else None)
    return wanted


def _count_issued(orders: list[Order], made: list[list[NewLink | Refusal]]) -> None:
    counts: Counter[str] = Counter()
    for order, items in zip(orders, made, strict=True):
        counts[order.via] += sum(isinstance(item, NewLink) for item in items)
    for via, count in counts.items():
        LINKS_ISSUED.labels(via=via).inc(count)


def _answer(order: Order) -> Answer:
    return Answer.of([item.link_id if isinstance(item, Draft) else item for item in order.items])


def _lanes(orders: list[Order]) -> set[str]:
    """Return the lanes that these orders may have written to: every link has its event, and some a message."""
    drafts = [item for order in orders for item in order.items if isinstance(item, Draft)]
    return {EVENTS_LANE} | {draft.form.lane for draft in drafts if draft.form.request.channel != "none"}
