import asyncio
from uuid import UUID

import pytest

from tests.integration.issuer_tenancy.bench import Caller


async def make(shop: Caller, **user: object) -> dict[str, object]:
    made = await shop.ask("POST", "/v1/users", user)
    assert made.status == 201, made.body
    body: dict[str, object] = made.body
    return body


async def test_a_user_comes_back_with_normal_spellings(shop: Caller) -> None:
    made = await make(shop, email="Ann@Shop.Example", phone="+49 30 901820", metadata={"plan": "pro"})
    assert (made["email"], made["phone"]) == ("ann@shop.example", "+4930901820")
    assert (await shop.ask("GET", f"/v1/users/{made['id']}")).body == made


@pytest.mark.parametrize(("field", "value"), [("email", "ann@shop.example"), ("phone", "+4930901820")])
async def test_an_address_belongs_to_one_user_of_an_app(
    shop: Caller, stranger: Caller, field: str, value: str
) -> None:
    await make(shop, **{field: value})
    again = await shop.ask("POST", "/v1/users", {field: value.upper()})
    assert (again.status, again.code) == (409, "already_exists")
    assert again.body["detail"].startswith(field)
    assert value not in again.body["detail"]
    await make(stranger, **{field: value})


async def test_a_user_needs_an_address(shop: Caller) -> None:
    refused = await shop.ask("POST", "/v1/users", {"metadata": {}})
    assert refused.rules == {"body": "address_missing"}
    made = await make(shop, email="ann@shop.example")
    refused = await shop.ask("PATCH", f"/v1/users/{made['id']}", {"email": None})
    assert (refused.status, refused.rules) == (422, {"email": "address_missing"})


async def test_a_changed_address_is_no_longer_verified(shop: Caller) -> None:
    made = await make(shop, email="ann@shop.example", phone="+4930901820")
    await shop.owner.execute(
        "UPDATE magiclink.users SET email_verified = true, phone_verified = true WHERE id = $1",
        UUID(str(made["id"])),
    )
    path = f"/v1/users/{made['id']}"
    same = await shop.ask("PATCH", path, {"email": "ANN@shop.example", "metadata": {"a": 1}})
    assert (same.body["email_verified"], same.body["metadata"]) == (True, {"a": 1})
    changed = await shop.ask("PATCH", path, {"email": "eve@shop.example"})
    assert (changed.body["email"], changed.body["email_verified"]) == ("eve@shop.example", False)
    assert (changed.body["phone"], changed.body["phone_verified"]) == ("+4930901820", True)
    assert changed.body["metadata"] == {"a": 1}
    cleared = await shop.ask("PATCH", path, {"phone": None})
    assert (cleared.body["phone"], cleared.body["phone_verified"]) == (None, False)


async def test_a_change_to_a_taken_address_is_refused(shop: Caller) -> None:
    await make(shop, email="ann@shop.example")
    bob = await make(shop, email="bob@shop.example")
    refused = await shop.ask("PATCH", f"/v1/users/{bob['id']}", {"email": "ann@shop.example"})
    assert (refused.status, refused.code) == (409, "already_exists")


async def test_users_of_a_foreign_app_are_unknown(shop: Caller, stranger: Caller) -> None:
    made = await make(shop, email="ann@shop.example")
    path = f"/v1/users/{made['id']}"
    answers = [
        await stranger.ask("GET", path),
        await stranger.ask("PATCH", path, {"metadata": {"seen": True}}),
        await stranger.ask("DELETE", path),
    ]
    assert [answer.status for answer in answers] == [404, 404, 404]
    assert (await stranger.ask("GET", "/v1/users?email=ann@shop.example")).body["items"] == []
    assert (await shop.ask("GET", path)).body == made


async def test_pages_give_every_user_once(shop: Caller, stranger: Caller) -> None:
    ids = [(await make(shop, email=f"u{number}@shop.example"))["id"] for number in range(5)]
    await make(stranger, email="u0@shop.example")
    seen: list[object] = []
    path = "/v1/users?limit=2"
    while True:
        answer = await shop.ask("GET", path)
        assert len(answer.body["items"]) <= 2
        seen += [user["id"] for user in answer.body["items"]]
        if answer.body["next_cursor"] is None:
            break
        path = f"/v1/users?limit=2&cursor={answer.body['next_cursor']}"
    assert seen == ids


@pytest.mark.parametrize("query", ["email=ANN@shop.example", "phone=%2B4930901820", "phone=+49-30-901820"])
async def test_a_user_is_found_by_address_in_any_spelling(shop: Caller, query: str) -> None:
    made = await make(shop, email="ann@shop.example", phone="+4930901820")
    await make(shop, email="bob@shop.example")
    found = await shop.ask("GET", f"/v1/users?{query}")
    assert [user["id"] for user in found.body["items"]] == [made["id"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [("cursor=x", "cursor"), ("cursor=AAAA", "cursor"), ("limit=0", "limit"), ("limit=x", "limit"),
     ("email=x", "email"), ("mail=x", "mail")],
)  # fmt: skip
async def test_a_query_that_means_nothing_is_refused(shop: Caller, query: str, field: str) -> None:
    refused = await shop.ask("GET", f"/v1/users?{query}")
    assert (refused.status, list(refused.rules)) == (422, [field])


async def test_deleting_a_user_revokes_what_could_still_sign_them_in(shop: Caller) -> None:
    user = await make(shop, email="ann@shop.example")
    live = await shop.seed_link(user_id=user["id"])
    granted = await shop.seed_link(user_id=user["id"], consumed_ago="5 seconds")
    spent = await shop.seed_link(user_id=user["id"], consumed_ago="10 minutes")
    expired = await shop.seed_link(user_id=user["id"], expires_in="-1 second")
    foreign = await shop.seed_link()
    message = await shop.seed_message(live)

    assert (await shop.ask("DELETE", f"/v1/users/{user['id']}")).status == 204
    assert (await shop.ask("GET", f"/v1/users/{user['id']}")).status == 404
    revoked = {
        link for link in (live, granted, spent, expired, foreign) if (await shop.link_row(link))["revoked_at"]
    }
    assert revoked == {live, granted}
    assert [len(await shop.events_of(link)) for link in (live, granted, spent)] == [1, 1, 0]
    status = await shop.owner.fetchval("SELECT status FROM magiclink.messages WHERE id = $1", message)
    assert status == "revoked"


async def test_a_user_is_made_once_for_each_idempotency_key(shop: Caller) -> None:
    body = {"email": "ann@shop.example"}
    answers = await asyncio.gather(
        *(shop.ask("POST", "/v1/users", body, idempotency_key="u-1") for _ in range(6))
    )
    assert [answer.status for answer in answers] == [201] * 6
    assert len({answer.body["id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5


async def test_an_idempotency_key_with_another_body_conflicts(shop: Caller, stranger: Caller) -> None:
    await shop.ask("POST", "/v1/users", {"email": "ann@shop.example"}, idempotency_key="u-2")
    other = await shop.ask("POST", "/v1/users", {"email": "bob@shop.example"}, idempotency_key="u-2")
    assert (other.status, other.code) == (409, "idempotency_conflict")
    # Keys are an app's own: the same key elsewhere is another key.
    assert (
        await stranger.ask("POST", "/v1/users", {"email": "b@c.example"}, idempotency_key="u-2")
    ).status == 201


async def test_refused_work_keeps_no_idempotency_key(shop: Caller) -> None:
    ann = await make(shop, email="ann@shop.example")
    body = {"email": "ann@shop.example"}
    refused = await shop.ask("POST", "/v1/users", body, idempotency_key="u-3")
    assert refused.status == 409
    await shop.ask("DELETE", f"/v1/users/{ann['id']}")
    made = await shop.ask("POST", "/v1/users", body, idempotency_key="u-3")
    assert (made.status, "Idempotency-Replayed" in made.headers) == (201, False)


async def test_an_expired_idempotency_key_is_taken_over(shop: Caller) -> None:
    await shop.ask("POST", "/v1/users", {"email": "ann@shop.example"}, idempotency_key="u-4")
    await shop.owner.execute(
        "UPDATE magiclink.idempotency_keys SET expires_at = now() - interval '1 second' WHERE key = 'u-4'"
    )
    other = await shop.ask("POST", "/v1/users", {"email": "bob@shop.example"}, idempotency_key="u-4")
    assert (other.status, "Idempotency-Replayed" in other.headers) == (201, False)


async def test_no_address_is_kept_with_an_idempotency_key(shop: Caller) -> None:
    await shop.ask("POST", "/v1/users", {"email": "kept-nowhere@shop.example"}, idempotency_key="u-5")
    rows = await shop.owner.fetch(
        "SELECT k::text AS text FROM magiclink.idempotency_keys k WHERE key = 'u-5'"
    )
    assert len(rows) == 1
    assert "kept-nowhere" not in rows[0]["text"]
