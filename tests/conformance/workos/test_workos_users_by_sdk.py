"""Users by WorkOS's own SDKs."""

from uuid import uuid4

import pytest

from tests.conformance.sdks import SdkError
from tests.conformance.workos.product import Product, somebody

pytestmark = pytest.mark.conformance


async def test_a_user_is_made_read_changed_and_deleted(product: Product) -> None:
    email, external_id = somebody(), uuid4().hex
    given = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email_verified": True,
        "metadata": {"plan": "pro"},
    }
    made = await product.do("create_user", email=email, external_id=external_id, **given)
    assert {name: made[name] for name in given} == given
    assert await product.do("get_user", user_id=made["id"]) == {
        key: made[key] for key in made if key != "radar_auth_attempt_id"
    }
    assert (await product.do("get_user_by_external_id", external_id=external_id))["id"] == made["id"]
    changed = await product.do("update_user", user_id=made["id"], last_name="King", metadata={"seat": "1"})
    assert (changed["first_name"], changed["last_name"]) == ("Ada", "King")
    assert changed["metadata"] == {"plan": "pro", "seat": "1"}
    await product.do("delete_user", user_id=made["id"])
    for function in ("get_user", "delete_user", "update_user"):
        with pytest.raises(SdkError) as raised:
            await product.do(function, user_id=made["id"])
        assert (raised.value.kind, raised.value.fields["code"]) == ("NotFoundError", "entity_not_found")


async def test_an_address_is_one_users(product: Product) -> None:
    email = somebody()
    await product.do("create_user", email=email)
    with pytest.raises(SdkError) as raised:
        await product.do("create_user", email=email.upper())
    assert (raised.value.kind, raised.value.fields["code"]) == ("BadRequestError", "user_creation_error")
    assert raised.value.fields["errors"][0]["code"] == "email_not_available"


async def test_a_bad_address_is_unprocessable(product: Product) -> None:
    with pytest.raises(SdkError) as raised:
        await product.do("create_user", email="nobody")
    assert raised.value.kind == "UnprocessableEntityError"


async def test_users_are_listed_in_pages_both_ways(product: Product) -> None:
    made = [(await product.do("create_user", email=somebody()))["id"] for _ in range(5)]
    newest = await product.do("list_page", limit=2)
    assert newest["ids"] == [made[4], made[3]]
    assert newest["before"] is None
    following = await product.do("list_page", limit=2, after=newest["after"])
    assert following["ids"] == [made[2], made[1]]
    assert (await product.do("list_page", limit=2, before=following["before"]))["ids"] == newest["ids"]
    everybody = [user["id"] for user in await product.do("list_users", limit=100)]
    assert everybody[:5] == made[::-1]
    assert len(set(everybody)) == len(everybody)
    oldest_first = [user["id"] for user in await product.do("list_users", limit=100, order="asc")]
    assert oldest_first == everybody[::-1]


async def test_a_user_is_found_by_address(product: Product) -> None:
    email = somebody()
    made = await product.do("create_user", email=email)
    assert [user["id"] for user in await product.do("list_users", email=email)] == [made["id"]]
    assert await product.do("list_users", email=somebody()) == []
