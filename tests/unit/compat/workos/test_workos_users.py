"""Users: what is asked of the native API, and pages by users' ids."""

from typing import Any
from uuid import UUID

import pytest

from shared.public_ids import ulid
from tests.unit.compat.workos.recorded import (
    PUBLIC_USER_ID,
    USER,
    USER_ID,
    Asked,
    Recorded,
    ask,
    compat,
    refused,
)

PATH = "/user_management/users"
NOBODY: dict[str, Any] = {"items": [], "next_cursor": None}


def users(count: int) -> list[dict[str, Any]]:
    """Return users, the oldest first."""
    ids = [UUID(int=0x0199A000_0000_7000_8000_000000000100 + number) for number in range(count)]
    return [{**USER, "id": str(found), "public_id": f"user_{ulid(found)}"} for found in ids]


class Directory:
    """Searches as the native API does."""

    def __init__(self, count: int) -> None:
        self.users = users(count)

    def search(self, asked: Asked) -> dict[str, Any]:
        newest_first = asked.body["order"] == "desc"
        found = sorted(self.users, key=lambda user: user["id"], reverse=newest_first)
        after = asked.body.get("after")
        if after is not None:
            found = [user for user in found if (user["id"] < after if newest_first else user["id"] > after)]
        limit = asked.body["limit"]
        return {"items": found[:limit], "next_cursor": "more" if len(found) > limit else None}

    def recorded(self) -> Recorded:
        reads = {f"GET /v1/users/{user['id']}": user for user in self.users}
        return Recorded({"POST /v1/users/search": self.search, "GET /v1/users": NOBODY, **reads})


async def test_a_user_is_made_with_what_was_given() -> None:
    native = Recorded({"POST /v1/users": USER})
    given = {
        "email": "ada@example.com",
        "first_name": "Ada",
        "email_verified": True,
        "metadata": {"plan": "pro"},
        "unknown": 1,
    }
    async with compat(native) as client:
        status, told = await ask(client, "POST", PATH, given)
    assert (status, told["id"]) == (201, PUBLIC_USER_ID)
    assert native.asked[0].body == {
        "email": "ada@example.com",
        "email_verified": True,
        "profile": {"given_name": "Ada"},
        "metadata": {"plan": "pro"},
    }


async def test_a_password_is_refused_rather_than_forgotten() -> None:
    native = Recorded()
    async with compat(native) as client:
        status, told = await ask(client, "POST", PATH, {"email": "ada@example.com", "password": "x"})
    assert (status, told["errors"][0]["field"]) == (422, "password")
    assert native.asked == []


async def test_a_change_keeps_what_it_does_not_name() -> None:
    path = f"/v1/users/{USER_ID}"
    native = Recorded({f"GET {path}": USER, f"PATCH {path}": USER})
    change = {"last_name": "King", "name": None, "metadata": {"plan": None, "seat": "1"}, "external_id": None}
    async with compat(native) as client:
        assert (await ask(client, "PUT", f"{PATH}/{PUBLIC_USER_ID}", change))[0] == 200
        assert (await ask(client, "PUT", f"{PATH}/{PUBLIC_USER_ID}", {}))[0] == 200
    patches = [asked.body for asked in native.asked if asked.method == "PATCH"]
    assert patches == [
        {
            "external_id": None,
            "profile": {"given_name": "Ada", "family_name": "King", "birthdate": "1815-12-10"},
            "metadata": {"seat": "1"},
        }
    ]


async def test_a_user_goes_by_one_id_an_imported_one_by_the_imported() -> None:
    imported = {**USER, "public_id": "user_01OLD", "imported_id": "user_01OLD"}

    def by_imported_id(asked: Asked) -> Any:
        return {"items": [imported] if asked.query == {"imported_id": "user_01OLD"} else []}

    native = Recorded({f"GET /v1/users/{USER_ID}": imported, "GET /v1/users": by_imported_id})
    async with compat(native) as client:
        assert (await ask(client, "GET", f"{PATH}/user_01OLD"))[1]["id"] == "user_01OLD"
        assert (await ask(client, "GET", f"{PATH}/{PUBLIC_USER_ID}"))[0] == 404
        assert (await ask(client, "GET", f"{PATH}/{PUBLIC_USER_ID.lower()}"))[0] == 404


async def test_a_user_is_found_by_the_products_id_and_deleted() -> None:
    path = f"/v1/users/{USER_ID}"
    native = Recorded({"GET /v1/users": {"items": [USER]}, f"GET {path}": USER, f"DELETE {path}": None})
    async with compat(native) as client:
        assert (await ask(client, "GET", f"{PATH}/external_id/42"))[0] == 200
        assert await ask(client, "DELETE", f"{PATH}/{PUBLIC_USER_ID}") == (204, None)
    assert native.asked[0].query == {"external_id": "42"}


async def test_an_id_that_cannot_be_anybodys_is_nobodys() -> None:
    native = Recorded({"GET /v1/users": refused("invalid_request", 422)})
    async with compat(native) as client:
        assert (await ask(client, "GET", f"{PATH}/x"))[0] == 404
        assert (await ask(client, "GET", f"{PATH}/external_id/x"))[0] == 404


@pytest.mark.parametrize("order", ["asc", "desc", "normal"])
async def test_pages_lead_through_all_users_and_back(order: str) -> None:
    directory = Directory(7)
    expected = [user["public_id"] for user in directory.users]
    if order != "asc":
        expected.reverse()
    # In the order `normal`, `before` leads on to the older.
    onwards, backwards = ("before", "after") if order == "normal" else ("after", "before")
    async with compat(directory.recorded()) as client:
        seen, cursor, pages = [], "", []
        while True:
            step = f"&{onwards}={cursor}" if cursor else ""
            told = (await ask(client, "GET", f"{PATH}?limit=3&order={order}{step}"))[1]
            pages.append([user["id"] for user in told["data"]])
            seen += pages[-1]
            cursor = told["list_metadata"][onwards]
            if cursor is None:
                break
        assert seen == expected
        assert [len(page) for page in pages] == [3, 3, 1]
        back = told["list_metadata"][backwards]
        told = (await ask(client, "GET", f"{PATH}?limit=3&order={order}&{backwards}={back}"))[1]
        assert [user["id"] for user in told["data"]] == pages[1]
        assert told["list_metadata"] == {onwards: pages[1][-1], backwards: pages[1][0]}
        told = (await ask(client, "GET", f"{PATH}?limit=3&order={order}&{backwards}={pages[1][0]}"))[1]
        assert [user["id"] for user in told["data"]] == pages[0]
        assert told["list_metadata"][backwards] is None


async def test_an_address_finds_its_user_and_an_organisation_nobody() -> None:
    directory = Directory(1)
    native = directory.recorded()
    async with compat(native) as client:
        await ask(client, "GET", f"{PATH}?email=Ada@Example.com&order=desc")
        assert (await ask(client, "GET", f"{PATH}?organization_id=org_1"))[1]["data"] == []
        assert (await ask(client, "GET", f"{PATH}?limit=101"))[0] == 422
        assert (await ask(client, "GET", f"{PATH}?after=user_1"))[0] == 404
    assert native.asked[0].body["filters"] == [{"field": "email", "values": ["ada@example.com"]}]
