"""The transition `issue`: links, their users, messages and outbox rows, in one transaction for all orders that wait.

Exactly one link an idempotency key (G2): the key's row is written with the links, so a retry finds it or writes it, never both.
"""

from collections.abc import Sequence
from uuid import uuid4

from services.issuer.answers import Answer
from services.issuer.orders import Guard, Order, Receipt
from services.issuer.policy import Draft
from services.issuer.store import FoundUser, IssuerStore, NewLink
from shared.batching import Batcher, BatchLimits
from shared.database import Connection, run_batch
from shared.errors import FieldProblem, IdempotencyConflict, Invalid, Refusal
from shared.keys import KeyRing
from shared.metrics import LINKS_ISSUED
from shared.outbox import OutboxBell


class Issue:
    """Issues links. Orders that arrive together are committed together."""

    def __init__(self, store: IssuerStore, ring: KeyRing, bell: OutboxBell) -> None:
        self._store = store
        self._kid = ring.newest["link"]
        self._bell = bell
        self._batcher: Batcher[Order, Receipt] = Batcher(
            "issue",
            self.issue_together,
            limits=BatchLimits(items=128, flights=2, queue=2048),
            key=lambda order: order.guard.identity if order.guard else uuid4(),
        )

    async def one(self, order: Order) -> Receipt:
        """Issue one order. Raises `IdempotencyConflict`, `Unavailable`, or what the database says of it."""
        return await self._batcher.submit(order)

    async def issue_together(self, orders: list[Order]) -> Sequence[Receipt | BaseException]:
        """Issue orders in one transaction; no two of them may have the same guard. One bad order fails alone."""
        return await run_batch(orders, self._commit)

    async def drain(self) -> None:
        await self._batcher.drain()

    async def _commit(self, orders: list[Order]) -> list[Receipt | BaseException]:
        async with self._store.transaction() as connection:
            fresh = await self._claim(connection, orders)
            receipts = await self._make(connection, fresh)
        if fresh:
            self._bell.ring()
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
        users = (
            await self._store.resolve_users(connection, [draft.user for draft in drafts]) if drafts else {}
        )
        receipts: dict[int, Receipt | BaseException] = {}
        links: list[NewLink] = []
        made: list[list[NewLink | Refusal]] = []
        for order in orders:
            items = [
                self._link(item, users.get(item.user), order) if isinstance(item, Draft) else item
                for item in order.items
            ]
            made.append(items)
            links += [item for item in items if isinstance(item, NewLink)]
        issued = await self._store.create_links(connection, links) if links else {}
        await self._amend(connection, orders, made)
        for order, items in zip(orders, made, strict=True):
            receipts[id(order)] = Receipt(
                [issued[i.draft.link_id] if isinstance(i, NewLink) else i for i in items]
            )
        for order, items in zip(orders, made, strict=True):
            LINKS_ISSUED.labels(via=order.via).inc(sum(isinstance(item, NewLink) for item in items))
        return receipts

    def _link(self, draft: Draft, user: FoundUser | None, order: Order) -> NewLink | Refusal:
        if user is None:
            return Invalid([FieldProblem("user_id", "user_unknown", "names no user of this app")])
        channel = draft.request.channel
        recipient = None if channel == "none" else user.email if channel == "email" else user.phone
        if channel != "none" and recipient is None:
            needs = "an e-mail address" if channel == "email" else "a phone number"
            return Invalid(
                [FieldProblem("channel", "recipient_missing", f"needs {needs}, and the user has none")]
            )
        return NewLink(draft, self._kid, user.id, recipient, order.headers)

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
                links = [item.draft.link_id if isinstance(item, NewLink) else item for item in items]
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


def _answer(order: Order) -> Answer:
    return Answer.of([item.link_id if isinstance(item, Draft) else item for item in order.items])
