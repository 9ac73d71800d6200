from services.compat.workos import shapes
from tests.unit.compat.workos.recorded import CONNECTION, LINK, PUBLIC_USER_ID, USER


def test_times_are_utc_with_milliseconds() -> None:
    assert shapes.moment("2026-01-01T01:00:00.123999+01:00") == "2026-01-01T00:00:00.123Z"
    assert shapes.moment("2026-01-01T00:00:00Z") == "2026-01-01T00:00:00.000Z"


def test_a_user_has_every_member_that_the_parsers_ask_for() -> None:
    assert shapes.user(USER) == {
        "object": "user",
        "id": PUBLIC_USER_ID,
        "email": "ada@example.com",
        "email_verified": True,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "name": None,
        "locale": None,
        "profile_picture_url": None,
        "last_sign_in_at": None,
        "external_id": None,
        "metadata": {"plan": "pro"},
        "created_at": "2026-01-01T00:00:00.123Z",
        "updated_at": "2026-01-02T00:00:00.000Z",
    }


def test_a_user_without_an_address_has_an_empty_one() -> None:
    assert shapes.user({**USER, "email": None})["email"] == ""


def test_a_profile_is_the_same_for_the_same_user_and_names_the_connection_of_the_domain() -> None:
    profile = shapes.profile(USER, CONNECTION)
    assert profile["id"].startswith("prof_")
    assert profile["connection_id"] == shapes.connection(CONNECTION)["id"]
    assert profile == shapes.profile({**USER, "login_count": 7}, CONNECTION)
    assert (profile["connection_type"], profile["idp_id"], profile["raw_attributes"]) == ("MagicLink", "", {})
    assert {"organization_id", "first_name", "last_name", "name"} <= profile.keys()


def test_a_magic_auth_is_told_without_its_code() -> None:
    told = shapes.magic_auth(LINK, USER)
    assert told["user_id"] == PUBLIC_USER_ID
    assert "code" not in told
