"""What Passage's SDK and browser library are told when something is wrong: the vendor's own statuses and codes."""

from typing import Any

import pytest

from tests.conformance.passage.conftest import PassageHouse, fresh_email, fresh_phone, text_of

pytestmark = pytest.mark.conformance


def code_of(refusal: dict[str, Any]) -> tuple[int, str]:
    return refusal["status_code"], refusal["error_code"]


async def test_a_bad_key_is_an_invalid_access_token(passage: PassageHouse) -> None:
    stranger = passage.house.vendors["stytch"]["secret"]
    for key in ("garbage", "mlk_000000000000_" + "x" * 43, stranger):
        for function, args in (
            ("create_magic_link", {"by": {"email": fresh_email()}}),
            ("create_user", {"email": fresh_email()}),
            ("get_user", {"user_id": "nobody"}),
            ("revoke_refresh_tokens", {"user_id": "nobody"}),
        ):
            refusal = await passage.refused(function, api_key=key, **args)
            assert code_of(refusal) == (401, "invalid_access_token")


async def test_a_key_without_the_scope_is_refused_in_words_that_the_call_knows(passage: PassageHouse) -> None:
    app = await passage.house.app_of("passage")
    key = await passage.house.new_key(app, ["users:read"])
    refusal = await passage.refused("create_magic_link", by={"email": fresh_email()}, api_key=key)
    assert code_of(refusal) == (403, "operation_not_allowed")
    refusal = await passage.refused("create_user", email=fresh_email(), api_key=key)
    assert code_of(refusal) == (401, "invalid_access_token")


@pytest.mark.parametrize("user_id", ["nobody", "0" * 22, "../users", "a/b?c", "ä"])
async def test_an_unknown_user_is_not_found(passage: PassageHouse, user_id: str) -> None:
    for function, args in (
        ("get_user", {"user_id": user_id}),
        ("activate_user", {"user_id": user_id}),
        ("delete_user", {"user_id": user_id}),
        ("update_user", {"user_id": user_id, "email": fresh_email()}),
        ("revoke_refresh_tokens", {"user_id": user_id}),
        ("create_magic_link", {"by": {"user_id": user_id, "channel": "email"}}),
    ):
        assert code_of(await passage.refused(function, **args)) == (404, "user_not_found"), function


async def test_an_unknown_identifier_is_not_found(passage: PassageHouse) -> None:
    for identifier in (fresh_email(), "not an address", "+1"):
        refusal = await passage.refused("get_by_identifier", identifier=identifier)
        assert code_of(refusal) == (404, "user_not_found")


@pytest.mark.parametrize(
    "options",
    [
        {"redirect_url": "https://evil.example/"},
        {"redirect_url": "//evil.example"},
        {"magic_link_path": "/x y"},
        {"magic_link_path": "/{token}"},
        {"magic_link_path": "/{passcode}"},
        {"magic_link_path": "/a#b"},
        {"ttl": 10_000_000},
    ],
)
async def test_a_foreign_redirect_or_a_bad_path_is_an_invalid_request(
    passage: PassageHouse, options: dict[str, Any]
) -> None:
    refusal = await passage.refused("create_magic_link", by={"email": fresh_email()}, options=options)
    assert code_of(refusal) == (400, "invalid_request")
    assert next(iter(options)) in refusal["message"]


@pytest.mark.parametrize(
    "path", ["//evil.example/", ".evil.example/", "@evil.example", "https://evil.example/"]
)
async def test_a_path_never_leads_the_link_away_from_the_app(passage: PassageHouse, path: str) -> None:
    made = await passage.link({"email": fresh_email()}, options={"magic_link_path": path})
    assert made["url"].startswith(f"{passage.house.site_url}/")


@pytest.mark.parametrize("by", [{"email": "nonsense"}, {"phone": "12"}, {"email": "a@b@c.example"}])
async def test_a_bad_address_is_an_invalid_request(passage: PassageHouse, by: dict[str, str]) -> None:
    assert code_of(await passage.refused("create_magic_link", by=by)) == (400, "invalid_request")
    assert code_of(await passage.refused("create_user", **by)) == (400, "invalid_request")


async def test_an_address_that_somebody_has_is_an_invalid_request(passage: PassageHouse) -> None:
    email, phone = fresh_email(), fresh_phone()
    await passage.call("create_user", email=email, phone=phone)
    other = await passage.call("create_user", email=fresh_email())
    assert code_of(await passage.refused("create_user", email=email)) == (400, "invalid_request")
    refusal = await passage.refused("update_user", user_id=other["id"], phone=phone)
    assert code_of(refusal) == (400, "invalid_request")


@pytest.mark.parametrize("garbage", ["", "garbage", "ml.a.b.c", "ml.a.{user}.c", "ml.{id}.{user}.x{secret}"])
async def test_garbage_is_not_found_and_burns_nothing(passage: PassageHouse, garbage: str) -> None:
    made = await passage.link({"email": fresh_email()})
    parts = {"id": made["id"], "user": made["user_id"], "secret": made["secret"]}
    status, told, _ = await passage.browser(
        "PATCH", "/magic-link/activate", {"magic_link": garbage.format(**parts)}
    )
    assert (status, told["code"]) == (404, "magic_link_not_found")
    await passage.signed_in(made["url"])


async def test_a_link_with_another_users_part_is_refused_and_still_good(passage: PassageHouse) -> None:
    made, other = [await passage.link({"email": fresh_email()}) for _ in range(2)]
    url = made["url"].replace(made["user_id"], other["user_id"])
    status, told = await passage.activate(url)
    assert (status, told["code"]) == (404, "magic_link_not_found")
    await passage.signed_in(made["url"])


async def test_an_expired_link_is_invalid(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()}, options={"ttl": 1})
    user = (
        await passage.house.session.get(f"{passage.api_url}/users/{made['user_id']}", headers=passage.keyed)
    ).status
    assert user == 200
    await passage.house.execute(
        "UPDATE magiclink.links SET not_before = not_before - interval '1 hour', expires_at = now() - interval '1 second' "
        "WHERE user_id = (SELECT id FROM magiclink.users WHERE email = $1)",
        made["identifier"],
    )
    status, told = await passage.activate(made["url"])
    assert (status, told["code"]) == (401, "invalid_magic_link")
    status, told = await passage.waited(made["id"])
    assert (status, told["code"]) == (404, "magic_link_not_found")


async def test_an_inactive_user_cannot_activate_and_their_link_is_not_burnt(passage: PassageHouse) -> None:
    made = await passage.link({"email": fresh_email()})
    await passage.call("deactivate_user", user_id=made["user_id"])
    status, told = await passage.activate(made["url"])
    assert (status, told["code"]) == (403, "user_not_active")
    await passage.call("activate_user", user_id=made["user_id"])
    await passage.signed_in(made["url"])


async def test_another_apps_link_is_not_found(passage: PassageHouse) -> None:
    key = passage.house.vendors["fusionauth"]["api_key"]
    async with passage.house.session.post(
        f"{passage.house.issuer_url}/v1/links",
        json={"email": fresh_email()},
        headers={"Authorization": f"Bearer {key}"},
    ) as response:
        foreign = (await response.json())["link"]["token"]
    made = await passage.link({"email": fresh_email()})
    url = made["url"].replace(made["secret"], foreign)
    assert (await passage.activate(url))[0] == 404


async def test_what_cannot_be_read_is_an_invalid_request(passage: PassageHouse) -> None:
    headers = {**passage.keyed, "Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b'{"email": 5}', b'{"email": "a@b.co", "send": "yes"}'):
        async with passage.house.session.post(
            f"{passage.api_url}/magic-links", data=body, headers=headers
        ) as response:
            assert (response.status, (await response.json())["code"]) == (400, "invalid_request")


async def test_an_unknown_app_is_not_found(passage: PassageHouse) -> None:
    for path in ("nobody", "nobody/.well-known/jwks.json", "x" * 300, "%00"):
        url = f"{passage.house.compat_url}/v1/apps/{path}"
        async with passage.house.session.get(url) as response:
            assert (response.status, (await response.json())["code"]) == (404, "app_not_found")


async def test_only_the_products_pages_may_call_from_a_browser(passage: PassageHouse) -> None:
    asked = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "content-type,passage-version",
    }
    for path in ("/magic-link/activate", "/magic-link/status", "/tokens", ""):
        status, _, headers = await passage.browser("OPTIONS", path, **asked)
        assert status == 204
        assert headers["Access-Control-Allow-Origin"] == passage.house.site_url
        assert "PATCH" in headers["Access-Control-Allow-Methods"]
        _, _, headers = await passage.browser("OPTIONS", path, **{**asked, "Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in headers
    made = await passage.link({"email": fresh_email()})
    status, _, headers = await passage.browser(
        "PATCH", "/magic-link/activate", {"magic_link": text_of(made["url"]) + "x"}
    )
    assert (status, headers["Access-Control-Allow-Origin"]) == (404, passage.house.site_url)
