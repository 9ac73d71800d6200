"""What is kept of an answered order comes back as it was."""

from typing import Any, cast
from uuid import uuid4

from services.issuer.answers import Answer
from services.issuer.orders import Issued
from shared.errors import FieldProblem, Invalid, NotFound, RateLimited, Unavailable


def test_links_and_refusals_come_back_in_their_places() -> None:
    link_id, gone_id = uuid4(), uuid4()
    refusal = Invalid([FieldProblem("links.1.email", "email_format", "is none")])
    kept = Answer.of([link_id, refusal, gone_id])
    assert kept.link_ids() == [link_id, gone_id]
    issued = cast(Issued, object())
    first, second, third = Answer(kept.items).restore({link_id: issued})
    assert first is issued
    assert isinstance(second, Invalid)
    assert (second.problems, str(second)) == (refusal.problems, str(refusal))
    assert isinstance(third, NotFound)


def test_nothing_secret_is_kept() -> None:
    link_id = uuid4()
    items: list[dict[str, Any]] = Answer.of([link_id]).items
    assert items == [{"link": str(link_id)}]


def test_an_item_over_a_limit_comes_back_as_that() -> None:
    refusals = [RateLimited("limit: 10 an hour"), Unavailable("away")]
    again = Answer(Answer.of(refusals).items).restore({})
    assert [(type(item), str(item)) for item in again if isinstance(item, Exception)] == [
        (RateLimited, "limit: 10 an hour"),
        (Unavailable, "away"),
    ]
