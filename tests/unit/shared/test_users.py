from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.users import REGISTRATION_COLUMNS, USER_COLUMNS, public_id, registration_view, user_view

ID = UUID(int=1)


def row(**values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(USER_COLUMNS), "id": ID, **values}


def test_a_user_is_named_as_the_app_says() -> None:
    view = user_view(row(email="ann@shop.example"), "user-test-{uuid}")
    assert view["public_id"] == f"user-test-{ID}"
    assert (view["id"], view["email"]) == (ID, "ann@shop.example")
    assert set(view) == {*USER_COLUMNS, "public_id"}


def test_who_came_from_another_system_keeps_that_systems_id() -> None:
    assert public_id(row(imported_id="auth0|42"), "{ulid}") == "auth0|42"


def test_a_joined_row_names_the_users_columns_by_a_prefix() -> None:
    joined = {f"user_{name}": value for name, value in row(status="active").items()} | {"id": UUID(int=2)}
    view = user_view(joined, "{uuid}", "user_")
    assert (view["id"], view["status"], view["public_id"]) == (ID, "active", str(ID))


def test_a_registration_is_told_column_by_column() -> None:
    found = {**dict.fromkeys(REGISTRATION_COLUMNS), "id": ID, "created_at": datetime.now(UTC), "more": 1}
    assert set(registration_view(found)) == set(REGISTRATION_COLUMNS)
