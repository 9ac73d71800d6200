"""Users by Stytch's Python SDK."""

from typing import Any
from uuid import uuid4

import pytest

from tests.conformance.stytch.conftest import Product, new_email

pytestmark = pytest.mark.conformance


async def test_a_user_is_made_read_changed_and_deleted(product: Product) -> None:
    email, external_id = new_email(), f"crm|{uuid4().hex}"
    made = await product.ask(
        "users.create",
        email=email,
        name={"first_name": "Ann"},
        create_user_as_pending=True,
        trusted_metadata={"plan": "gold", "seats": 3},
        untrusted_metadata={"theme": "dark"},
        external_id=external_id,
        roles=["admin"],
    )
    assert (made["status"], made["phone_id"], made["user"]["roles"]) == ("pending", "", ["admin"])
    assert made["user"]["emails"] == [{"email_id": made["email_id"], "email": email, "verified": False}]
    user_id = made["user_id"]
    for name in (user_id, external_id):
        read = await product.ask("users.get", user_id=name)
        assert {**made["user"], "status_code": 200, "request_id": read["request_id"]} == read
    changed = await product.ask(
        "users.update",
        user_id=user_id,
        name={"last_name": "Lee"},
        trusted_metadata={"plan": None, "seats": 4},
        roles=[],
    )
    user = changed["user"]
    assert user["name"] == {"first_name": "Ann", "middle_name": "", "last_name": "Lee"}
    assert (user["trusted_metadata"], user["untrusted_metadata"]) == ({"seats": 4}, {"theme": "dark"})
    assert (user["roles"], changed["emails"]) == ([], user["emails"])
    assert (await product.ask("users.delete_external_id", user_id=user_id))["user"]["external_id"] is None
    assert (await product.ask("users.delete", user_id=user_id))["user_id"] == user_id
    for method in ("users.get", "users.delete", "users.update"):
        assert await product.refused(method, user_id=user_id) == (404, "user_not_found")


async def test_addresses_and_numbers_are_exchanged_and_taken_away(product: Product) -> None:
    made = await product.user(phone_number="+4915212345678")
    other = new_email()
    exchanged = await product.ask(
        "users.exchange_primary_factor", user_id=made["user_id"], email_address=other
    )
    assert [one["email"] for one in exchanged["user"]["emails"]] == [other]
    gone = await product.ask("users.delete_email", email_id=made["email_id"])
    assert (gone["user_id"], gone["user"]["emails"]) == (made["user_id"], [])
    assert await product.refused("users.delete_email", email_id=made["email_id"]) == (404, "email_not_found")
    refused = await product.refused("users.delete_phone_number", phone_id="phone-number-test-garbage")
    assert refused == (404, "phone_number_not_found")
    await product.ask("users.delete", user_id=made["user_id"])


@pytest.mark.parametrize(
    ("args", "error_type"),
    [
        ({"email": "nope"}, "invalid_email"),
        ({"email": "a@example.com", "phone_number": "12"}, "invalid_phone_number"),
        ({"email": "a@example.com", "trusted_metadata": {"text": "x" * 20_000}}, "metadata_too_large"),
    ],
)
async def test_a_bad_user_is_refused(product: Product, args: dict[str, Any], error_type: str) -> None:
    assert await product.refused("users.create", **args) == (400, error_type)


async def test_an_address_a_number_and_an_external_id_are_one_users(product: Product) -> None:
    external_id = f"crm|{uuid4().hex}"
    made = await product.user(external_id=external_id)
    email = made["user"]["emails"][0]["email"]
    assert await product.refused("users.create", email=email.upper()) == (400, "duplicate_email")
    again = await product.refused("users.create", email=new_email(), external_id=external_id)
    assert again == (400, "duplicate_external_id")


async def test_users_are_searched_page_by_page(product: Product) -> None:
    made = [await product.user() for _ in range(3)]
    ids = [one["user_id"] for one in made]
    emails = [one["user"]["emails"][0]["email"] for one in made]

    async def search(name: str, value: Any, **options: Any) -> dict[str, Any]:
        operands = [{"filter_name": name, "filter_value": value}]
        found: dict[str, Any] = await product.ask(
            "users.search", query={"operator": "AND", "operands": operands}, **options
        )
        return found

    for name, value in (("user_id", ids), ("email_address", emails)):
        found = await search(name, value)
        assert {one["user_id"] for one in found["results"]} == set(ids)
        assert (found["results_metadata"]["total"], found["results_metadata"]["next_cursor"]) == (3, None)
    page = await search("user_id", ids, limit=2)
    rest = await search("user_id", ids, limit=2, cursor=page["results_metadata"]["next_cursor"])
    assert {one["user_id"] for one in page["results"] + rest["results"]} == set(ids)
    assert (await search("email_address_fuzzy", emails[0][:12]))["results"][0]["user_id"] == ids[0]
    assert (await product.ask("users.search", limit=1))["results_metadata"]["total"] >= 3
    refused = await product.refused(
        "users.search",
        query={"operator": "AND", "operands": [{"filter_name": "shoe_size", "filter_value": ["44"]}]},
    )
    assert refused == (400, "user_search_filter_name_not_recognized")
    assert await product.refused("users.search", cursor="garbage") == (400, "user_search_invalid_cursor")
