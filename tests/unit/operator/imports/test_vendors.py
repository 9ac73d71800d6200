"""What becomes of a record of each system; the records are shaped as those systems' documents show them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.issuer.user_fields import UserCreate
from services.operator.imports.mapping import Refused, without_empty
from services.operator.imports.vendors import MAPPINGS, fusionauth, passage, stytch, supabase, table, workos

STYTCH: dict[str, Any] = {
    "user_id": "user-live-c1ebd3a8-8fd4-4a4c-9c10-2f8ae6f2c1a1",
    "emails": [
        {"email_id": "email-live-1", "email": "old@example.com", "verified": False},
        {"email_id": "email-live-2", "email": "ada@example.com", "verified": True},
    ],
    "phone_numbers": [{"phone_id": "p", "phone_number": "+12025550123", "verified": False}],
    "name": {"first_name": "Ada", "middle_name": "", "last_name": "Lovelace"},
    "status": "active",
    "is_locked": False,
    "roles": ["stytch_user"],
    "trusted_metadata": {"plan": "gold"},
    "untrusted_metadata": {},
    "external_id": "crm-7",
    "created_at": "2024-03-01T12:00:00Z",
    "totps": [{"totp_id": "t"}],
    "password": None,
}
WORKOS: dict[str, Any] = {
    "object": "user",
    "id": "user_01HZXY5W4C6QF3A0T9M2R8KJ7N",
    "email": "ada@example.com",
    "email_verified": True,
    "first_name": "Ada",
    "last_name": None,
    "profile_picture_url": "https://example.com/ada.png",
    "external_id": None,
    "metadata": {"plan": "gold"},
    "created_at": "2024-03-01T12:00:00.000Z",
}
PASSAGE: dict[str, Any] = {
    "id": "M6SNdnnS6ZRjT2BctV67If9K",
    "email": "ada@example.com",
    "email_verified": True,
    "phone": "",
    "phone_verified": False,
    "status": "active",
    "user_metadata": None,
    "external_id": "",
    "created_at": "2024-03-01T12:00:00Z",
    "webauthn_devices": [{"id": "d"}],
}
FUSIONAUTH: dict[str, Any] = {
    "id": "00000000-0000-0001-0000-000000000000",
    "active": True,
    "email": "ada@example.com",
    "verified": True,
    "username": "ada",
    "firstName": "Ada",
    "mobilePhone": "+12025550123",
    "timezone": "Europe/London",
    "insertInstant": 1709294400000,
    "expiry": 1900000000000,
    "passwordChangeRequired": True,
    "data": {"plan": "gold"},
    "registrations": [
        {
            "applicationId": "10000000-0000-0002-0000-000000000001",
            "roles": ["admin"],
            "verified": True,
            "data": {"seen": 1},
        }
    ],
    "twoFactor": {"methods": [{"method": "authenticator"}]},
}
SUPABASE: dict[str, Any] = {
    "id": "c1ebd3a8-8fd4-4a4c-9c10-2f8ae6f2c1a1",
    "email": "ada@example.com",
    "phone": "12025550123",
    "email_confirmed_at": "2024-03-01 12:00:00+00",
    "phone_confirmed_at": None,
    "raw_user_meta_data": '{"full_name": "Ada Lovelace"}',
    "raw_app_meta_data": {"provider": "email"},
    "encrypted_password": "$2a$10$…",
    "created_at": "2024-03-01 12:00:00+00",
    "is_anonymous": "false",
}
MADE = datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_a_stytch_user_keeps_the_verified_address() -> None:
    mapped = stytch(STYTCH)
    assert mapped.source_id == STYTCH["user_id"]
    assert (mapped.body["email"], mapped.body["email_verified"]) == ("ada@example.com", True)
    assert (mapped.body["phone"], mapped.body["phone_verified"]) == ("+12025550123", False)
    assert mapped.body["profile"] == {"given_name": "Ada", "family_name": "Lovelace"}
    assert mapped.body["metadata"] == {"trusted": {"plan": "gold"}}
    assert mapped.body["external_id"] == "crm-7"
    assert mapped.created_at == MADE
    assert list(mapped.left_out) == ["1 more e-mail addresses", "totps"]


def test_a_locked_stytch_user_stays_locked() -> None:
    assert stytch({**STYTCH, "is_locked": True}).body["status"] == "locked"


def test_a_workos_user() -> None:
    mapped = workos(WORKOS)
    assert mapped.source_id == WORKOS["id"]
    assert mapped.body["email_verified"] is True
    assert mapped.body["profile"] == {"given_name": "Ada", "picture": "https://example.com/ada.png"}


def test_a_passage_user_without_a_phone() -> None:
    mapped = passage(PASSAGE)
    assert (mapped.body["phone"], mapped.body["external_id"]) == (None, None)
    assert list(mapped.left_out) == ["webauthn_devices"]


def test_a_fusionauth_user_with_registrations() -> None:
    mapped = fusionauth(FUSIONAUTH)
    assert mapped.body["password_change_required"] is True
    assert mapped.body["expires_at"] == "2030-03-17T17:46:40+00:00"
    assert mapped.body["profile"] == {"given_name": "Ada", "zoneinfo": "Europe/London"}
    assert mapped.created_at == MADE
    (registration,) = mapped.registrations
    assert registration["application_id"] == "10000000-0000-0002-0000-000000000001"
    assert (registration["roles"], registration["metadata"]) == (["admin"], {"seen": 1})
    assert list(mapped.left_out) == ["two-factor methods"]


def test_a_deactivated_fusionauth_user_stays_so() -> None:
    assert fusionauth({**FUSIONAUTH, "active": False}).body["status"] == "inactive"


def test_a_supabase_user_from_json_or_csv() -> None:
    mapped = supabase(SUPABASE)
    assert mapped.body["phone"] == "+12025550123"
    assert (mapped.body["email_verified"], mapped.body["phone_verified"]) == (True, False)
    assert mapped.body["metadata"] == {"user": {"full_name": "Ada Lovelace"}, "app": {"provider": "email"}}
    assert mapped.body["profile"] == {"name": "Ada Lovelace"}
    assert list(mapped.left_out) == ["password"]


@pytest.mark.parametrize("change", [{"deleted_at": "2024-03-01 12:00:00+00"}, {"is_anonymous": "true"}])
def test_a_supabase_user_who_is_nobody_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Refused):
        supabase({**SUPABASE, **change})


def test_a_line_of_a_table() -> None:
    mapped = table(
        {"id": "7", "email": "ada@example.com", "email_verified": "TRUE", "roles": "admin, user",
         "metadata.plan": "gold", "profile": '{"given_name": "Ada"}', "created_at": "2024-03-01T12:00:00Z"}
    )  # fmt: skip
    assert mapped.body["email_verified"] is True
    assert mapped.body["roles"] == ["admin", "user"]
    assert mapped.body["metadata"] == {"plan": "gold"}
    assert mapped.body["profile"] == {"given_name": "Ada"}
    assert mapped.created_at == MADE


@pytest.mark.parametrize(
    ("source", "record", "fields"),
    [
        ("csv", {"mail": "ada@example.com", "fone": "1"}, ["fone", "mail"]),
        ("csv", {"email": "ada@example.com", "email_verified": "perhaps"}, ["email_verified"]),
        ("csv", {"email": "ada@example.com", "metadata": "{"}, ["metadata"]),
        ("stytch", {"user_id": "u", "emails": "ada@example.com"}, ["emails"]),
        ("stytch", {**STYTCH, "status": "gone"}, ["status"]),
        ("workos", {**WORKOS, "email": 7}, ["email"]),
        ("passage", {**PASSAGE, "created_at": "yesterday"}, ["created_at"]),
        ("fusionauth", {**FUSIONAUTH, "insertInstant": 10**30}, ["insertInstant"]),
    ],
)
def test_a_record_of_another_shape_is_refused_by_field(
    source: str, record: dict[str, Any], fields: list[str]
) -> None:
    with pytest.raises(Refused) as refused:
        MAPPINGS[source](record)
    assert [problem.field for problem in refused.value.problems] == fields
    assert "ada@example.com" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "record"),
    [("stytch", STYTCH), ("workos", WORKOS), ("passage", PASSAGE), ("fusionauth", FUSIONAUTH), ("supabase", SUPABASE)],
)  # fmt: skip
def test_what_is_made_of_a_record_is_what_the_api_takes(source: str, record: dict[str, Any]) -> None:
    UserCreate.model_validate(without_empty(MAPPINGS[source](record).body))
