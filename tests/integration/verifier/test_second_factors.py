"""Second factors: made, confirmed, asked for after a link, and never a way around."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import asyncpg
import jwt
import pytest

from services.verifier import totp
from tests.integration.verifier.second_factor_steps import SECRET, Product, code_in, wrong_code
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import SeededApp, Seeds, one_row


@pytest.fixture
def product(verifier: RunningVerifier, app: SeededApp) -> Product:
    return Product(verifier, app)


def claims_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(answer.json["jwt"], options={"verify_signature": False})
    return found


async def test_a_factor_is_made_confirmed_and_listed_without_its_secret(
    product: Product, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    user_id = await seeds.user(product.app)
    path = f"/v1/users/{user_id}/second-factors"
    made = await product.post(path, {"type": "totp"})
    assert made.status == 201
    assert made.json["factor"]["confirmed_at"] is None
    assert made.json["uri"].startswith("otpauth://totp/Example:ann@example.com?secret=" + made.json["secret"])
    secret = totp.read_secret(made.json["secret"])
    one = made.json["factor"]["id"]
    confirm = f"/v1/users/{user_id}/second-factors/{one}/confirm"
    refused = await product.post(confirm, {"code": wrong_code(secret)})
    assert (refused.status, refused.code) == (400, "second_factor_invalid")
    confirmed = await product.post(confirm, {"code": code_in(0, secret)})
    assert confirmed.status == 200
    assert confirmed.json["confirmed_at"] is not None
    # Asked again, because the answer got lost.
    assert (await product.post(confirm, {"code": code_in(0, secret)})).json == confirmed.json
    listed = await product.ask("GET", path)
    assert listed.json == {"items": [confirmed.json]}
    stored = await one_row(owner, "SELECT * FROM magiclink.second_factors WHERE user_id = $1", user_id)
    assert secret not in stored["secret"]
    assert (await one_row(owner, "SELECT has_second_factor FROM magiclink.users WHERE id = $1", user_id))[0]


async def test_an_unconfirmed_factor_is_not_asked_for_and_is_replaced(product: Product, seeds: Seeds) -> None:
    link = await seeds.link(product.app)
    path = f"/v1/users/{link.user_id}/second-factors"
    first = await product.post(path, {"type": "totp"})
    second = await product.post(path, {"type": "totp"})
    listed = await product.ask("GET", path)
    assert [item["id"] for item in listed.json["items"]] == [second.json["factor"]["id"]]
    assert first.json["secret"] != second.json["secret"]
    assert (await product.verify(link.token)).status == 200


async def test_the_same_key_makes_one_factor_and_tells_the_same_secret(
    product: Product, seeds: Seeds
) -> None:
    path = f"/v1/users/{await seeds.user(product.app)}/second-factors"
    first = await product.post(path, {"type": "totp"}, key="k1")
    again = await product.post(path, {"type": "totp"}, key="k1")
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await product.post(path, {"type": "totp", "secret": totp.secret_text(SECRET)}, key="k1")
    assert (other.status, other.code) == (409, "idempotency_conflict")


async def test_a_user_has_five_factors_at_most(product: Product, seeds: Seeds) -> None:
    user_id = await seeds.user(product.app)
    for _ in range(5):
        await product.enrol(user_id, totp.new_secret())
    refused = await product.post(f"/v1/users/{user_id}/second-factors", {"type": "totp"})
    assert refused.status == 422
    assert refused.json["errors"][0]["rule"] == "too_many_second_factors"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"type": "totp", "secret": "not base32 at all!"}, "secret_format"),
        ({"type": "totp", "code": "123456"}, "secret_missing"),
        ({"type": "sms"}, "literal_error"),
    ],
)
async def test_a_bad_factor_is_refused_by_field_and_rule(
    product: Product, seeds: Seeds, body: dict[str, Any], rule: str
) -> None:
    refused = await product.post(f"/v1/users/{await seeds.user(product.app)}/second-factors", body)
    assert refused.status == 422
    assert refused.json["errors"][0]["rule"] == rule


async def test_a_link_of_a_user_with_a_factor_signs_nobody_in_by_itself(
    product: Product, seeds: Seeds
) -> None:
    link = await seeds.link(product.app)
    factor = await product.enrol(link.user_id)
    refused = await product.verify(link.token, key="k1", session={}, jwt_claims={"plan": "pro"})
    assert (refused.status, refused.code) == (403, "second_factor_required")
    assert refused.json["methods"] == [{"id": factor["id"], "type": "totp"}]
    assert not {"jwt", "session", "session_token", "user"} & refused.json.keys()
    # The link is consumed, and the same attempt hears the same again.
    assert (await product.verify(link.token)).code == "link_consumed"
    again = await product.verify(link.token, key="k1", session={})
    for name in ("code", "challenge", "challenge_expires_at", "methods"):
        assert again.json[name] == refused.json[name]

    done = await product.answer(refused.json["challenge"], code_in(0), key="k2")
    assert done.status == 200, done.text
    assert claims_of(done)["amr"] == ["link", "otp", "mfa"]
    # What the link was redeemed for carries on.
    assert claims_of(done)["plan"] == "pro"
    assert claims_of(done)["sid"] == done.json["session"]["id"]
    assert [factor["type"] for factor in done.json["session"]["factors"]] == ["magic_link", "totp"]
    assert done.json["link"]["id"] == str(link.id)
    assert done.json["trust_token"] is None
    # The link alone is worth nothing still.
    assert (await product.verify(link.token, key="k1", session={})).code == "second_factor_required"


async def test_the_same_attempt_gets_its_answer_again_and_nobody_else(product: Product, seeds: Seeds) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token, session={"refresh": True})
    code = code_in(0)
    first = await product.answer(challenge, code, key="k1", trust_device=True)
    again = await product.answer(challenge, code, key="k1", trust_device=True)
    for name in ("session_token", "refresh_token", "trust_token"):
        assert first.json[name] is not None
        assert again.json[name] == first.json[name]
    assert again.json["session"]["id"] == first.json["session"]["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await product.answer(challenge, code, key="k2")
    assert (other.status, other.code) == (404, "challenge_invalid")


async def test_of_many_who_type_the_same_code_one_gets_in(
    product: Product, second_verifier: RunningVerifier, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token, session={})
    # Right codes are not limited by tries here: five are what a challenge has.
    replicas = [product, Product(second_verifier, product.app)]
    answers = await asyncio.gather(
        *(replicas[n % 2].answer(challenge, code_in(0), key=f"k{n}") for n in range(20))
    )
    assert sorted(answer.status for answer in answers).count(200) == 1
    assert {a.code for a in answers if a.status != 200} <= {"challenge_invalid", "second_factor_invalid"}
    sessions = await owner.fetchval("SELECT count(*) FROM magiclink.sessions WHERE link_id = $1", link.id)
    assert sessions == 1


async def test_the_same_attempt_sent_many_times_at_once_is_one_sign_in(
    product: Product, second_verifier: RunningVerifier, seeds: Seeds
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token, session={})
    replicas, code = [product, Product(second_verifier, product.app)], code_in(0)
    answers = await asyncio.gather(*(replicas[n % 2].answer(challenge, code, key="k") for n in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["session_token"] for answer in answers}) == 1


async def test_a_code_works_once_whatever_the_challenge(product: Product, seeds: Seeds) -> None:
    first, second = await seeds.link(product.app), await seeds.link(product.app)
    await product.enrol(first.user_id)
    code = code_in(0)
    assert (await product.answer(await product.challenge(first.token), code)).status == 200
    refused = await product.answer(await product.challenge(second.token), code)
    assert (refused.status, refused.code) == (400, "second_factor_invalid")
    # Nor does an older one, which somebody may have looked at.
    challenge = await product.challenge((await seeds.link(product.app)).token)
    assert (await product.answer(challenge, code_in(-1))).code == "second_factor_invalid"


async def test_a_code_typed_for_many_challenges_at_once_works_for_one(
    product: Product, second_verifier: RunningVerifier, seeds: Seeds
) -> None:
    links = [await seeds.link(product.app) for _ in range(8)]
    await product.enrol(links[0].user_id)
    challenges = [await product.challenge(link.token) for link in links]
    replicas, code = [product, Product(second_verifier, product.app)], code_in(0)
    answers = await asyncio.gather(
        *(replicas[n % 2].answer(challenge, code) for n, challenge in enumerate(challenges))
    )
    assert [answer.status for answer in answers].count(200) == 1


async def test_a_challenge_takes_five_tries(product: Product, seeds: Seeds) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    for _ in range(5):
        assert (await product.answer(challenge, wrong_code())).code == "second_factor_invalid"
    # The right one comes too late.
    assert (await product.answer(challenge, code_in(0))).code == "challenge_invalid"


async def test_the_same_guess_asked_again_counts_once(product: Product, seeds: Seeds) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    for _ in range(8):
        assert (await product.answer(challenge, wrong_code(), key="k")).code == "second_factor_invalid"
    # Another guess under the same key is another guess.
    assert (await product.answer(challenge, code_in(0), key="k")).status == 200


async def test_the_same_text_in_another_step_is_another_guess(
    product: Product, seeds: Seeds, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    wrong, step_at = wrong_code(), totp.step_at
    for later in range(5):
        monkeypatch.setattr(totp, "step_at", lambda seconds, later=later: step_at(seconds) + 1000 * later)
        for _ in range(2):
            assert (await product.answer(challenge, wrong, key="k")).status == 400
    row = await one_row(owner, "SELECT tries FROM magiclink.challenges WHERE link_id = $1", link.id)
    assert row["tries"] == 5
    monkeypatch.setattr(totp, "step_at", lambda seconds: step_at(seconds) + 9000)
    assert (await product.answer(challenge, wrong, key="k")).code == "challenge_invalid"


async def test_confirming_a_confirmed_factor_tells_no_code_that_still_opens_a_challenge(
    product: Product, seeds: Seeds
) -> None:
    link = await seeds.link(product.app)
    factor = await product.enrol(link.user_id)
    confirm = f"/v1/users/{link.user_id}/second-factors/{factor['id']}/confirm"
    refused = await product.post(confirm, {"code": code_in(0)})
    assert (refused.status, refused.code) == (400, "second_factor_invalid")
    assert (await product.answer(await product.challenge(link.token), code_in(0))).status == 200
    # What was used is nobody's guess: who confirmed with it may ask again.
    assert (await product.post(confirm, {"code": code_in(0)})).status == 200


async def test_tries_at_once_are_five_at_most(
    product: Product, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    answers = await asyncio.gather(*(product.answer(challenge, wrong_code()) for _ in range(30)))
    assert [answer.code for answer in answers].count("second_factor_invalid") == 5
    row = await one_row(owner, "SELECT tries FROM magiclink.challenges WHERE link_id = $1", link.id)
    assert row["tries"] == 5


async def test_new_links_buy_no_more_guesses_than_the_day_has(
    verifier: RunningVerifier, seeds: Seeds
) -> None:
    product = Product(verifier, await seeds.app(passcode_tries_per_day=7))
    links = [await seeds.link(product.app) for _ in range(3)]
    await product.enrol(links[0].user_id)
    challenges = [await product.challenge(link.token) for link in links]
    for challenge in [challenges[0]] * 5 + [challenges[1]] * 2:
        assert (await product.answer(challenge, wrong_code())).code == "second_factor_invalid"
    assert (await product.answer(challenges[2], code_in(0))).code == "challenge_invalid"


async def test_right_codes_do_not_count_against_the_day(verifier: RunningVerifier, seeds: Seeds) -> None:
    product = Product(verifier, await seeds.app(passcode_tries_per_day=1))
    links = [await seeds.link(product.app) for _ in range(3)]
    secrets = [totp.new_secret() for _ in range(3)]
    for secret in secrets:
        await product.enrol(links[0].user_id, secret)
    for link, secret in zip(links, secrets, strict=True):
        assert (await product.answer(await product.challenge(link.token), code_in(0, secret))).status == 200


async def test_a_late_challenge_is_over(product: Product, seeds: Seeds, owner: asyncpg.Connection) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    await owner.execute("UPDATE magiclink.challenges SET expires_at = now() WHERE link_id = $1", link.id)
    assert (await product.answer(challenge, code_in(0))).code == "challenge_invalid"


async def test_a_challenge_of_another_app_is_unknown(
    product: Product, verifier: RunningVerifier, seeds: Seeds
) -> None:
    link = await seeds.link(product.app)
    factor = await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    foreign = Product(verifier, await seeds.app())
    assert (await foreign.answer(challenge, code_in(0))).code == "challenge_invalid"
    path = f"/v1/users/{link.user_id}/second-factors"
    assert (await foreign.ask("GET", path)).json == {"items": []}
    assert (await foreign.post(path, {"type": "totp"})).code == "not_found"
    assert (await foreign.ask("DELETE", f"{path}/{factor['id']}")).code == "not_found"
    assert (await foreign.ask("DELETE", path)).code == "not_found"
    assert (await foreign.post(f"{path}/{factor['id']}/confirm", {"code": code_in(0)})).code == "not_found"
    asked = await foreign.post("/v1/second-factors/challenge", {"user_id": str(link.user_id)})
    assert asked.json["errors"][0]["rule"] == "no_second_factor"
    assert (await product.answer(challenge, code_in(0))).status == 200


@pytest.mark.parametrize("text", ["x", "1" * 39, "1" + "z" * 38, "é" * 39])
async def test_garbage_is_no_challenge(product: Product, text: str) -> None:
    assert (await product.answer(text, "123456")).code == "challenge_invalid"


async def test_another_token_of_ours_is_no_challenge(product: Product, seeds: Seeds) -> None:
    link = await seeds.link(product.app)
    assert (await product.answer(link.token, "123456")).code == "challenge_invalid"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE magiclink.users SET status = 'locked' WHERE id = $1", "user_locked"),
        ("UPDATE magiclink.links SET revoked_at = now() WHERE user_id = $1", "challenge_invalid"),
        ("DELETE FROM magiclink.users WHERE id = $1", "challenge_invalid"),
        (
            "UPDATE magiclink.users SET password_change_required = true WHERE id = $1",
            "password_change_required",
        ),
    ],
)
async def test_what_happened_since_the_first_step_counts(
    product: Product, seeds: Seeds, owner: asyncpg.Connection, change: str, code: str
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    await owner.execute(change, link.user_id)
    assert (await product.answer(challenge, code_in(0))).code == code


async def test_a_deleted_factor_is_asked_for_no_more(
    product: Product, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(product.app)
    factor = await product.enrol(link.user_id)
    path = f"/v1/users/{link.user_id}/second-factors"
    challenge = await product.challenge(link.token)
    assert (await product.ask("DELETE", f"{path}/{factor['id']}")).status == 204
    assert (await product.ask("DELETE", f"{path}/{factor['id']}")).code == "not_found"
    assert (await product.answer(challenge, code_in(0))).code == "second_factor_invalid"
    assert (await product.verify((await seeds.link(product.app)).token)).status == 200
    await product.enrol(link.user_id)
    assert (await product.ask("DELETE", path)).status == 204
    assert (await product.ask("GET", path)).json == {"items": []}
    assert not (
        await one_row(owner, "SELECT has_second_factor FROM magiclink.users WHERE id = $1", link.user_id)
    )[0]


async def test_a_trusted_device_needs_no_second_factor_until_one_is_deleted(
    product: Product, seeds: Seeds
) -> None:
    first = await seeds.link(product.app)
    factor = await product.enrol(first.user_id)
    done = await product.answer(await product.challenge(first.token), code_in(0), trust_device=True)
    trust = done.json["trust_token"]
    assert trust is not None
    assert done.json["trust_expires_at"] is not None
    trusted = await product.verify((await seeds.link(product.app)).token, trust_token=trust)
    assert trusted.status == 200
    assert claims_of(trusted)["amr"] == ["link"]
    # Another user of the app gains nothing by it.
    other = await seeds.user(product.app, "bob@example.com")
    await product.enrol(other, totp.new_secret())
    bobs = await seeds.link(product.app, user_id=other)
    assert (await product.verify(bobs.token, trust_token=trust)).code == "second_factor_required"

    await product.enrol(first.user_id, totp.new_secret())
    await product.ask("DELETE", f"/v1/users/{first.user_id}/second-factors/{factor['id']}")
    late = await product.verify((await seeds.link(product.app)).token, trust_token=trust)
    assert late.code == "second_factor_required"


async def test_garbage_and_late_trust_tokens_are_worth_nothing(
    product: Product, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token, trust_token="1" * 39)
    trust = (await product.answer(challenge, code_in(0), trust_device=True)).json["trust_token"]
    await owner.execute(
        "UPDATE magiclink.trusted_devices SET expires_at = now() WHERE user_id = $1", link.user_id
    )
    again = await product.verify((await seeds.link(product.app)).token, trust_token=trust)
    assert again.code == "second_factor_required"


async def test_a_product_with_its_own_first_factor_asks_for_the_second(
    product: Product, seeds: Seeds
) -> None:
    user_id = await seeds.user(product.app)
    refused = await product.post("/v1/second-factors/challenge", {"user_id": str(user_id)})
    assert refused.json["errors"][0]["rule"] == "no_second_factor"
    factor = await product.enrol(user_id)
    opened = await product.post("/v1/second-factors/challenge", {"user_id": str(user_id)}, key="k")
    assert opened.status == 200
    assert opened.json["methods"] == [{"id": factor["id"], "type": "totp"}]
    again = await product.post("/v1/second-factors/challenge", {"user_id": str(user_id)}, key="k")
    assert again.json == opened.json
    done = await product.answer(opened.json["challenge"], code_in(0), key="k", session={})
    assert done.status == 200
    assert done.json["link"] is None
    assert claims_of(done)["amr"] == ["otp"]
    repeated = await product.answer(opened.json["challenge"], code_in(0), key="k", session={})
    assert repeated.json["session"] == done.json["session"]


async def test_the_answer_of_a_challenge_lives_five_minutes_from_the_code(
    product: Product, seeds: Seeds
) -> None:
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token)
    claims = claims_of(await product.answer(challenge, code_in(0)))
    assert abs(claims["exp"] - time.time() - 300) < 30
    assert claims["jti"] == str(link.id)


async def test_an_outage_between_the_steps_costs_nothing(
    product: Product, seeds: Seeds, owner: asyncpg.Connection
) -> None:
    # As if the answer, and the session, were lost: the challenge is done and nothing else.
    link = await seeds.link(product.app)
    await product.enrol(link.user_id)
    challenge = await product.challenge(link.token, session={})
    code, key = code_in(0), str(uuid4())
    done = await product.answer(challenge, code, key=key)
    await owner.execute("DELETE FROM magiclink.sessions WHERE link_id = $1", link.id)
    again = await product.answer(challenge, code, key=key)
    assert again.status == 200
    assert again.json["session"]["id"] == done.json["session"]["id"]
