"""Real answers of a running cluster, each in the states it can have, against the documents that the services serve."""

from typing import Any
from uuid import uuid4

import pytest

from tests.clusters import REDIRECT, code_of
from tests.conformance.directory_scenes import DIRECTORY_SCENES
from tests.conformance.documented import Documented, closed
from tests.conformance.passcode_scenes import PASSCODE_SCENES
from tests.conformance.second_factor_scenes import SECOND_FACTOR_SCENES
from tests.conformance.session_scenes import SESSION_SCENES


def address() -> str:
    return f"u{uuid4().hex}@example.com"


async def apps_and_keys(documented: Documented) -> None:
    made = await documented.call(
        "issuer", "POST /v1/apps", {"name": "Shop", "base_url": "https://shop.example"}
    )
    await documented.call("issuer", "POST /v1/apps", {"name": "", "colour": 1})
    app = str(made["id"])
    await documented.call("issuer", "GET /v1/apps", limit=2)
    await documented.call("issuer", "GET /v1/apps", limit=0)
    await documented.call("issuer", "GET /v1/apps/{id}", id=app)
    await documented.call("issuer", "GET /v1/apps/{id}", id=uuid4())
    await documented.call(
        "issuer", "PATCH /v1/apps/{id}", {"locale": "de", "branding": {"colour": "#aa0000"}}, id=app
    )
    wanted = {"name": "till", "scopes": ["links:create"]}
    once = str(uuid4())
    key = await documented.call("issuer", "POST /v1/apps/{id}/keys", wanted, id=app, key=once)
    await documented.call("issuer", "POST /v1/apps/{id}/keys", wanted, id=app, key=once)
    await documented.call("issuer", "POST /v1/apps/{id}/keys", {**wanted, "name": "other"}, id=app, key=once)
    await documented.call("issuer", "GET /v1/apps/{id}/keys", id=app)
    await documented.call("issuer", "DELETE /v1/apps/{id}/keys/{key_id}", id=app, key_id=key["id"])
    unknown = {"Authorization": "Bearer nonsense"}
    await documented.call("issuer", "GET /v1/apps", headers=unknown)


async def users(documented: Documented) -> None:
    email = address()
    user = await documented.call("issuer", "POST /v1/users", {"email": email, "metadata": {"plan": "gold"}})
    await documented.call("issuer", "POST /v1/users", {"email": email})
    await documented.call("issuer", "GET /v1/users", email=email)
    await documented.call("issuer", "GET /v1/users/{id}", id=user["id"])
    await documented.call("issuer", "PATCH /v1/users/{id}", {"metadata": {}}, id=user["id"])
    await documented.call("issuer", "DELETE /v1/users/{id}", id=user["id"])
    await documented.call("issuer", "DELETE /v1/users/{id}", id=user["id"])


async def links(documented: Documented) -> None:
    house = documented.house
    email = address()
    wanted = {
        "email": email,
        "channel": "email",
        "passcode": True,
        "state": {"a": [1]},
        "redirect_url": REDIRECT,
    }
    made = await documented.call("issuer", "POST /v1/links", wanted)
    await documented.call("issuer", "POST /v1/links", {**wanted, "redirect_url": "https://evil.example/"})
    results = await documented.call(
        "issuer", "POST /v1/links/batch", {"links": [{"email": address()}, {"email": "nonsense"}]}
    )
    assert [next(iter(result)) for result in results["results"]] == ["link", "error"]
    await house.until_caught(1, to=email)
    link = made["link"]
    await documented.call("issuer", "GET /v1/links/{id}", id=link["id"])
    await documented.call("issuer", "GET /v1/links/{id}", id=uuid4())
    await documented.call("issuer", "GET /v1/messages/{id}", id=made["message"]["id"])
    redeemed = await documented.call("verifier", "POST /v1/links/verify", {"token": link["token"]})
    assert redeemed["jwt"]
    await documented.call("verifier", "POST /v1/links/verify", {"token": link["token"]})
    await documented.call("verifier", "POST /v1/links/verify", {"token": "garbage", "jwt": False})
    await documented.call("issuer", "GET /v1/links/{id}", id=link["id"])
    await documented.call("issuer", "POST /v1/links/{id}/revoke", id=link["id"])
    await documented.call("verifier", "POST /v1/links/verify", {"token": link["token"]})
    await documented.call("verifier", "GET /.well-known/jwks.json")


async def links_afterwards(documented: Documented) -> None:
    wanted = {"email": address(), "redirect_url": REDIRECT, "passcode": True}
    await documented.call(
        "issuer", "POST /v1/links/explain", {**wanted, "channel": "email", "template": "nonsense"}
    )
    await documented.call(
        "issuer", "POST /v1/links/explain", {"email": "nonsense", "redirect_url": "https://evil.example"}
    )
    link = (await documented.call("issuer", "POST /v1/links", wanted))["link"]
    await documented.call("issuer", "POST /v1/links/{id}/resend", id=link["id"])
    await documented.call("issuer", "POST /v1/links/{id}/send", {"channel": "email"}, id=link["id"])
    await documented.call("issuer", "POST /v1/links/{id}/send", {"channel": "email"}, id=link["id"])
    await documented.call("issuer", "POST /v1/links/{id}/resend", id=link["id"])
    back = {"return_url": REDIRECT}
    await documented.call("verifier", "POST /v1/links/{id}/pairing", back, id=link["id"])
    await documented.call(
        "verifier", "POST /v1/links/{id}/pairing", {"return_url": "https://evil.example"}, id=link["id"]
    )
    await documented.call("issuer", "POST /v1/links/revoke", {"email": wanted["email"]})
    await documented.call("issuer", "POST /v1/links/revoke", {})
    await documented.call("issuer", "POST /v1/links/{id}/resend", id=link["id"])
    await documented.call("issuer", "GET /v1/links/{id}", id=link["id"])


async def passcodes(documented: Documented) -> None:
    wanted = {"email": address(), "redirect_url": REDIRECT, "passcode": True}
    link = (await documented.call("issuer", "POST /v1/links", wanted))["link"]
    right = {"passcode": link["passcode"], "link_id": link["id"]}
    await documented.call("verifier", "POST /v1/passcodes/verify", {**right, "passcode": "wrong"})
    await documented.call("verifier", "POST /v1/passcodes/verify", {**right, "email": wanted["email"]})
    await documented.call("verifier", "POST /v1/passcodes/verify", right)
    await documented.call("verifier", "POST /v1/passcodes/verify", right)


async def resent(documented: Documented) -> None:
    wanted = {"email": address(), "redirect_url": REDIRECT, "channel": "email"}
    link = (await documented.call("issuer", "POST /v1/links", wanted))["link"]
    connection = await documented.house.database()
    # A resend so soon after the first message is refused.
    await connection.execute(
        "UPDATE magiclink.messages SET created_at = created_at - interval '1 hour' WHERE link_id = $1",
        link["id"],
    )
    await connection.close()
    await documented.call("issuer", "POST /v1/links/{id}/resend", id=link["id"])


async def grants(documented: Documented) -> None:
    (link,) = await documented.house.make_links(1)
    url = f"{documented.house.verifier_url}/l/{link['token']}"
    async with documented.house.session.post(url, allow_redirects=False) as response:
        code = code_of(response.headers["Location"])
    await documented.call("verifier", "POST /v1/grants/exchange", {"code": code})
    await documented.call("verifier", "POST /v1/grants/exchange", {"code": code})


SCENES = (
    apps_and_keys,
    users,
    links,
    links_afterwards,
    passcodes,
    resent,
    grants,
    *DIRECTORY_SCENES,
    *PASSCODE_SCENES,
    *SESSION_SCENES,
    *SECOND_FACTOR_SCENES,
)


@pytest.mark.contract
async def test_every_answer_is_as_documented_and_every_operation_was_asked(documented: Documented) -> None:
    for scene in SCENES:
        await scene(documented)
    for service in documented.urls:
        await documented.call(service, "GET /openapi.json")
    assert documented.unseen() == set()


def test_a_field_that_is_not_documented_is_found() -> None:
    document: dict[str, Any] = {
        "paths": {"/x": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/X"}}}}}}}},
        "components": {"schemas": {"X": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}}},
    }  # fmt: skip
    nobody: Any = None
    documented = Documented(nobody, {}, {"issuer": closed(document)})
    headers = {"Content-Type": "application/json; charset=utf-8"}
    documented.check(("issuer", "GET", "/x"), 200, headers, {"id": "1"})
    for answer in ({}, {"id": 1}, {"id": "1", "more": 2}):
        with pytest.raises(AssertionError):
            documented.check(("issuer", "GET", "/x"), 200, headers, answer)
    with pytest.raises(AssertionError, match="404 is not documented"):
        documented.check(("issuer", "GET", "/x"), 404, headers, {})
