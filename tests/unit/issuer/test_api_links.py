from typing import Any, cast
from uuid import UUID, uuid4

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.issuer.api_links import BATCH_ITEMS, LinksApi
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.orders import Issued, Order, Receipt
from services.issuer.policy import App, Apps, Draft
from shared.errors import Invalid, Refusal
from shared.http.routes import BATCH_BODY_BYTES, Call, Caller
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.redirects import RedirectPolicy
from shared.tokens import LinkRef, make_token, read_token

RING = KeyRing.parse(derive_ring(new_master(), "issuer"), SERVICE_PURPOSES["issuer"])
APP = App(
    id=uuid4(), name="Shop", redirects=RedirectPolicy("https://shop.example", ()), default_redirect_url=None,
    landing_url=None, ttl_seconds=900, max_ttl_seconds=3600, grant_ttl_seconds=60, passcode_format="digits:6",
    locale="en", sender=None, intake=False, interactive_per_minute=600, latest_only=frozenset(), ttl_from="issue",
    acceptance_cap_seconds=86400, texts_per_hour=1000, texts_per_recipient_per_hour=10, passcode_standalone=False,
    user_id_format="{uuid}",
)  # fmt: skip


class Parts:
    """Stands in for what the handlers call; issues in memory and keeps the order."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.replayed = False

    async def get(self, _: UUID) -> App:
        return APP

    async def assign(self, draft: Draft) -> Draft:
        return draft

    async def assign_all(self, items: list[Draft | Refusal]) -> list[Draft | Refusal]:
        return items

    async def one(self, order: Order) -> Receipt:
        self.orders.append(order)
        return Receipt(
            [item if isinstance(item, Refusal) else _issued(item) for item in order.items], self.replayed
        )

    def api(self) -> LinksApi:
        return LinksApi(cast(Issue, self), cast(Apps, self), cast(Lanes, self), RING, "https://login.example")


def _issued(draft: Draft) -> Issued:
    form, request = draft.form, draft.form.request
    at: Any = None
    return Issued(
        id=draft.link_id, kid="1", app_id=form.app.id, user_id=uuid4(), type=request.type, status="issued",
        redirect_url=form.redirect_url, state=form.state, metadata=request.metadata, channel=request.channel, send_at=None,
        created_at=at, expires_at=at, consumed_at=None, revoked_at=None,
        passcode_format=form.app.passcode_format if request.passcode else None, passcode_epoch=0,
        url_template=request.url_template, doors=form.doors, user_created=False,
        message_id=None if request.channel == "none" else uuid4(), message_status=None,
    )  # fmt: skip


class Body:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def is_eof(self) -> bool:
        return False

    async def iter_any(self) -> Any:
        yield self.raw


def call(body: Any, *scopes: str, key: str | None = None) -> Call:
    headers = {"Idempotency-Key": key} if key else {}
    request = make_mocked_request(
        "POST", "/v1/links", headers=headers, payload=cast(Any, Body(orjson.dumps(body)))
    )
    caller = Caller(uuid4(), APP.id, frozenset({"links:create", *scopes}))
    return Call(request, "r-1", "203.0.113.9", caller, BATCH_BODY_BYTES)


def answer(response: web.Response) -> Any:
    assert isinstance(response.body, bytes)
    return orjson.loads(response.body)


async def test_a_link_is_answered_with_its_secrets_to_a_key_that_may_see_them() -> None:
    response = (
        await Parts().api().create(call({"email": "ann@example.com", "passcode": True}, "links:reveal"))
    )
    assert response.status == 201
    link = answer(response)["link"]
    assert read_token(RING, link["token"]) == LinkRef("1", UUID(link["id"]))
    assert link["url"] == f"https://login.example/l/{link['token']}"
    assert len(link["passcode"]) == 6
    assert answer(response)["message"] is None


async def test_no_secret_is_told_to_any_other_key() -> None:
    response = await Parts().api().create(call({"email": "ann@example.com", "passcode": True}))
    link = answer(response)["link"]
    assert not {"url", "token", "passcode"} & set(link)
    assert make_token(RING, UUID(link["id"]), "1") not in str(answer(response))


async def test_a_link_without_a_passcode_says_so() -> None:
    response = await Parts().api().create(call({"email": "ann@example.com"}, "links:reveal"))
    assert answer(response)["link"]["passcode"] is None


async def test_a_state_is_answered_as_it_was_given() -> None:
    state = {"next": "/a?b=c", "n": 2**63, "l": [None, 0.5]}
    response = await Parts().api().create(call({"email": "ann@example.com", "state": state}))
    assert answer(response)["link"]["state"] == state


async def test_a_bad_item_of_a_batch_refuses_itself_only() -> None:
    items = [
        {"email": "a@example.com"},
        {"email": "x", "ttl_seconds": 1},
        {},
        {"email": "b@example.com", "redirect_url": "//e"},
    ]
    response = await Parts().api().create_batch(call({"links": items}))
    results = answer(response)["results"]
    assert response.status == 200
    assert ["error" in result for result in results] == [False, True, True, True]
    assert {problem["field"] for problem in results[1]["error"]["errors"]} == {
        "links.1.email",
        "links.1.ttl_seconds",
    }
    assert results[2]["error"]["errors"][0]["rule"] == "one_recipient"
    assert results[3]["error"]["errors"][0]["rule"] == "redirect_not_a_path"


async def test_a_single_link_is_interactive_and_a_batch_is_bulk() -> None:
    parts = Parts()
    await parts.api().create(call({"email": "a@example.com"}))
    await parts.api().create_batch(
        call({"links": [{"email": "a@example.com"}, {"email": "a@example.com", "lane": "interactive"}]})
    )
    lanes = [[item.form.lane for item in order.items if isinstance(item, Draft)] for order in parts.orders]
    assert lanes == [["interactive"], ["bulk", "interactive"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"links": []},
        {"links": {}},
        {"links": [1]},
        {"links": [{}], "more": 1},
        {"links": [{}] * (BATCH_ITEMS + 1)},
        [],
    ],
    ids=["nothing", "none", "no list", "no object", "more", "too many", "a list"],
)
async def test_a_batch_that_is_none_is_refused_as_a_whole(body: Any) -> None:
    with pytest.raises(Invalid):
        await Parts().api().create_batch(call(body))


async def test_a_key_guards_the_body_it_came_with() -> None:
    parts = Parts()
    for body in ({"email": "a@example.com"}, {"email": "a@example.com"}, {"email": "b@example.com"}):
        await parts.api().create(call(body, key="k-1"))
    await parts.api().create_batch(call({"links": [{"email": "a@example.com"}]}, key="k-1"))
    guards = [order.guard for order in parts.orders]
    assert all(guard is not None for guard in guards)
    first, same, other, batch = (guard for guard in guards if guard)
    assert first.identity == same.identity == other.identity != batch.identity
    assert first.body_hash == same.body_hash != other.body_hash
    await parts.api().create(call({"email": "a@example.com"}))
    assert parts.orders[-1].guard is None


async def test_a_replay_says_so() -> None:
    parts = Parts()
    first = await parts.api().create(call({"email": "a@example.com"}, key="k"))
    parts.replayed = True
    again = await parts.api().create(call({"email": "a@example.com"}, key="k"))
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
