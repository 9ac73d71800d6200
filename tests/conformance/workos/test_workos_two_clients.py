"""Two clients of WorkOS on one cluster: nothing of the one is anything to the other, by WorkOS's own SDK."""

from collections.abc import AsyncIterator

import pytest

from tests.conformance.sdks import SdkError, running_sdk
from tests.conformance.vendor_house import VendorHouse
from tests.conformance.workos.conftest import FOLDER
from tests.conformance.workos.product import Product, somebody

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
async def mine(vendor_house: VendorHouse) -> AsyncIterator[Product]:
    around = Product.environment(vendor_house, vendor_house.compat_url)
    async with running_sdk("workos10", FOLDER, around) as sdk:
        yield Product(vendor_house, sdk)


@pytest.fixture(scope="module")
async def theirs(vendor_house: VendorHouse) -> AsyncIterator[Product]:
    given = await vendor_house.another("workos")
    around = Product.environment(vendor_house, vendor_house.compat_url)
    other = {"API_KEY": given["api_key"], "CLIENT_ID": given["client_id"]}
    async with running_sdk("workos10", FOLDER, around | other) as sdk:
        yield Product(vendor_house, sdk)


async def refused(product: Product, function: str, **args: object) -> tuple[str, str]:
    with pytest.raises(SdkError) as raised:
        await product.do(function, **args)
    return raised.value.kind, str(raised.value.fields.get("error") or raised.value.fields.get("code"))


async def test_a_code_of_another_client_is_an_invalid_grant_and_not_burnt(
    mine: Product, theirs: Product
) -> None:
    code = await mine.code()
    assert await refused(theirs, "get_profile_and_token", code=code) == ("BadRequestError", "invalid_grant")
    told = await mine.do("get_profile_and_token", code=code)
    client_id, _, session_token = told["access_token"].rpartition(".")
    assert client_id == mine.given["client_id"]
    other_id = (await theirs.do("own_client_id"))["client_id"]
    forged = f"{other_id}.{session_token}"
    assert (await refused(mine, "get_profile", access_token=forged))[0] == "AuthenticationError"
    assert (await mine.do("get_profile", access_token=told["access_token"])) == told["profile"]


async def test_a_magic_auth_of_another_client_is_invalid_and_its_tries_are_not_used_up(
    mine: Product, theirs: Product
) -> None:
    made = await mine.do("create_magic_auth", email=somebody())
    for _ in range(6):
        told = await refused(theirs, "authenticate", code=made["code"], email=made["email"])
        assert told == ("BadRequestError", "invalid_one_time_code")
    assert (await refused(theirs, "get_magic_auth", magic_auth_id=made["id"]))[0] == "NotFoundError"
    signed_in = await mine.do("authenticate", code=made["code"], email=made["email"])
    refresh = {"refresh_token": signed_in["refresh_token"]}
    assert await refused(theirs, "refresh", **refresh) == ("BadRequestError", "invalid_grant")
    sid = (await mine.do("claims_of", access_token=signed_in["access_token"]))["sid"]
    assert (await refused(theirs, "revoke_session", session_id=sid))[0] == "NotFoundError"
    assert (await mine.do("refresh", **refresh))["access_token"]


async def test_sessions_connections_and_users_of_another_client_are_not_found(
    mine: Product, theirs: Product
) -> None:
    session = await mine.session()
    told = await mine.do("get_profile_and_token", code=(await mine.follow(session["link"]))["code"][0])
    [user] = await mine.do("list_users", email=session["email"])
    for function, args in (
        ("send_session", {"session_id": session["id"]}),
        ("get_connection", {"connection_id": told["profile"]["connection_id"]}),
        ("get_user", {"user_id": user["id"]}),
        ("update_user", {"user_id": user["id"], "last_name": "Mallory"}),
        ("delete_user", {"user_id": user["id"]}),
    ):
        assert (await refused(theirs, function, **args))[0] == "NotFoundError", function
    assert await theirs.do("list_users", email=session["email"]) == []
    assert await mine.do("get_user", user_id=user["id"])


async def test_one_idempotency_key_of_two_clients_is_two_keys(mine: Product, theirs: Product) -> None:
    key, user = somebody(), {"email": somebody()}
    first, _ = await mine.do("post_twice", path="user_management/users", body=user, key=key)
    other, again = await theirs.do("post_twice", path="user_management/users", body=user, key=key)
    assert other == again
    assert first["id"] != other["id"]
