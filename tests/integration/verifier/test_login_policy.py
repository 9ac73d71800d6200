"""What stands against a sign-in although its link is good, in its order; and that it costs nobody else anything."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.tokens import make_passcode
from tests.integration.verifier.second_factor_steps import Product, code_in
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import RINGS, SeededApp, Seeds


@pytest.fixture
async def strict(verifier: RunningVerifier, seeds: Seeds) -> Product:
    """An app that signs in verified addresses only."""
    return Product(verifier, await seeds.app(require_verified=True))


async def register(
    owner: asyncpg.Connection,
    app: SeededApp,
    user_id: UUID | None,
    *,
    verified: bool = False,
    asks: bool = True,
) -> str:
    """Make an application that asks for verified registrations, and one at it; return the application's id."""
    application_id = uuid4()
    await owner.execute(
        "INSERT INTO magiclink.applications (id, app_id, name, require_verified_registration) VALUES ($1, $2, 'Shop', $3)",
        application_id,
        app.id,
        asks,
    )
    if user_id is not None:
        await owner.execute(
            "INSERT INTO magiclink.registrations (user_id, application_id, app_id, id, verified) VALUES ($1, $2, $3, $4, $5)",
            user_id,
            application_id,
            app.id,
            uuid4(),
            verified,
        )
    return str(application_id)


async def test_an_unverified_address_signs_nobody_in_where_the_app_asks_for_one(
    strict: Product, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(strict.app, channel="email")
    refused = await strict.verify(link.token, key="k", session={})
    assert (refused.status, refused.code) == (403, "address_unverified")
    assert refused.json["user"]["id"] == str(link.user_id)
    assert not {"jwt", "session", "session_token"} & refused.json.keys()
    assert (await strict.verify(link.token, key="k")).json["user"] == refused.json["user"]
    assert (await strict.verify(link.token)).code == "link_consumed"
    await owner.execute("UPDATE magiclink.users SET email_verified = true WHERE id = $1", link.user_id)
    assert (await strict.verify(link.token, key="k")).status == 200


async def test_a_link_that_verifies_its_address_is_enough(strict: Product, seeds: Seeds) -> None:
    link = await seeds.link(strict.app, channel="email", verifies="email")
    answer = await strict.verify(link.token)
    assert answer.status == 200
    assert answer.json["user"]["email_verified"] is True


@pytest.mark.parametrize(("verified", "status"), [(True, 200), (False, 403)])
async def test_who_has_a_phone_only_is_known_by_it_where_nothing_was_sent(
    strict: Product, seeds: Seeds, owner: asyncpg.Connection, *, verified: bool, status: int
) -> None:
    link = await seeds.link(strict.app, channel="none")
    await owner.execute(
        "UPDATE magiclink.users SET email = NULL, phone = '+12025550177', phone_verified = $2 WHERE id = $1",
        link.user_id,
        verified,
    )
    assert (await strict.verify(link.token)).status == status


@pytest.mark.parametrize(
    ("channel", "email_verified", "phone_verified", "status"),
    [
        ("email", True, False, 200),
        ("email", False, True, 403),
        ("sms", True, False, 403),
        ("sms", False, True, 200),
        ("whatsapp", True, False, 403),
        ("none", False, True, 403),
        ("none", True, False, 200),
    ],
)
async def test_the_address_of_this_sign_in_is_the_one_that_counts(
    strict: Product,
    seeds: Seeds,
    owner: asyncpg.Connection,
    channel: str,
    *,
    email_verified: bool,
    phone_verified: bool,
    status: int,
) -> None:
    link = await seeds.link(strict.app, channel=channel)
    await owner.execute(
        "UPDATE magiclink.users SET phone = '+12025550123', email_verified = $2, phone_verified = $3 WHERE id = $1",
        link.user_id,
        email_verified,
        phone_verified,
    )
    assert (await strict.verify(link.token)).status == status


async def test_an_unverified_registration_is_told_with_the_user(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    product, user_id = Product(verifier, app), await seeds.user(app)
    application_id = await register(owner, app, user_id)
    refused = await product.verify((await seeds.link(app)).token, application_id=application_id)
    assert (refused.status, refused.code) == (403, "registration_unverified")
    assert refused.json["registration"]["application_id"] == application_id
    assert refused.json["user"]["id"] == str(user_id)


@pytest.mark.parametrize(("verified", "asks"), [(True, True), (False, False)])
async def test_a_registration_that_is_good_enough_is_answered(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection, *, verified: bool, asks: bool
) -> None:  # fmt: skip
    user_id = await seeds.user(app)
    application_id = await register(owner, app, user_id, verified=verified, asks=asks)
    link = await seeds.link(app)
    answer = await Product(verifier, app).verify(link.token, application_id=application_id)
    assert answer.status == 200
    assert answer.json["registration"]["application_id"] == application_id


async def test_no_registration_is_no_refusal(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    application_id = await register(owner, app, None)
    link = await seeds.link(app)
    answer = await Product(verifier, app).verify(link.token, application_id=application_id)
    assert answer.status == 200
    assert answer.json["registration"] is None


async def test_a_due_password_change_is_told_before_a_second_factor_is_asked_for(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    product, link = Product(verifier, app), await seeds.link(app)
    await product.enrol(link.user_id)
    await owner.execute(
        "UPDATE magiclink.users SET password_change_required = true WHERE id = $1", link.user_id
    )
    refused = await product.verify(link.token)
    assert (refused.status, refused.code) == (403, "password_change_required")
    assert refused.json["user"]["password_change_required"] is True


async def test_another_application_named_in_the_second_step_is_checked_there(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    # Else a registration that is not verified would be passed by not naming it at first.
    product, link = Product(verifier, app), await seeds.link(app)
    await product.enrol(link.user_id)
    application_id = await register(owner, app, link.user_id)
    challenge = await product.challenge(link.token)
    refused = await product.answer(challenge, code_in(0), application_id=application_id)
    assert refused.code == "registration_unverified"
    unknown = await product.answer(challenge, code_in(0), application_id=str(uuid4()))
    assert unknown.json["errors"][0]["rule"] == "application_unknown"
    # Neither the code nor the challenge was spent by that.
    assert (await product.answer(challenge, code_in(0))).status == 200


@pytest.mark.parametrize("door", ["passcode", "grant"])
async def test_every_way_to_redeem_asks_for_the_second_factor(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, door: str
) -> None:
    product = Product(verifier, app)
    link = await seeds.link(app, passcode_format="digits:6")
    await product.enrol(link.user_id)
    refused: Any
    if door == "grant":
        grant = (await verifier.press(link.token)).grant
        refused = await product.post("/v1/grants/exchange", {"code": grant})
    else:
        passcode = make_passcode(RINGS["verifier"], link.ref, 0, "digits:6")
        refused = await product.post("/v1/passcodes/verify", {"passcode": passcode, "link_id": str(link.id)})
    assert (refused.status, refused.code) == (403, "second_factor_required"), refused.text
    done = await product.answer(refused.json["challenge"], code_in(0))
    assert done.status == 200


async def test_who_has_no_second_factor_costs_no_further_query(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await seeds.link(app)
    asked: list[str] = []
    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        original = getattr(asyncpg.Pool, name)

        def counted(self: Any, query: str, *args: Any, original: Any = original, **options: Any) -> Any:
            asked.append(query)
            return original(self, query, *args, **options)

        monkeypatch.setattr(asyncpg.Pool, name, counted)
    assert (await Product(verifier, app).verify(link.token)).status == 200
    policy = ("second_factors", "challenges", "trusted_devices", "registrations")
    assert [query for query in asked if any(f"magiclink.{table}" in query for table in policy)] == []
