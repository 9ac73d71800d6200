"""What is kept of an answered order, so that a replay can be given it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.issuer.orders import Issued
from shared.errors import FieldProblem, Invalid, NotFound, RateLimited, Refusal, Unavailable

_OTHERS: Mapping[str, type[Refusal]] = {refusal.code: refusal for refusal in (RateLimited, Unavailable)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of an answered order, to give it again: link ids and refusals, nothing secret."""

    items: list[dict[str, Any]]

    @classmethod
    def of(cls, items: Sequence[UUID | Refusal]) -> "Answer":
        return cls([{"link": str(item)} if isinstance(item, UUID) else _keep(item) for item in items])

    def link_ids(self) -> list[UUID]:
        return [UUID(item["link"]) for item in self.items if "link" in item]

    def restore(self, issued: Mapping[UUID, Issued]) -> list[Issued | Refusal]:
        """Return the items again. A link that is gone (its partition dropped) is answered as not found."""
        return [
            issued.get(UUID(item["link"]), NotFound("the link is past its retention"))
            if "link" in item
            else _restore(item)
            for item in self.items
        ]


def _keep(refusal: Refusal) -> dict[str, Any]:
    problems = refusal.problems if isinstance(refusal, Invalid) else []
    return {
        "code": refusal.code,
        "detail": refusal.detail,
        "errors": [[p.field, p.rule, p.message] for p in problems],
    }


def _restore(kept: dict[str, Any]) -> Refusal:
    # Items of an order are refused by rules of the request, the app or the key, by limits, or for a missing app.
    code, detail = kept["code"], kept["detail"]
    if code == Invalid.code:
        return Invalid([FieldProblem(*problem) for problem in kept["errors"]], detail)
    return _OTHERS.get(code, NotFound)(detail)
