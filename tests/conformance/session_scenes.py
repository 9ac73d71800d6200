"""What sessions, refresh tokens, JWTs and polls answer, in the states that they can have."""

from typing import Any
from uuid import uuid4

from tests.clusters import REDIRECT
from tests.conformance.documented import Documented

LINK, SESSION = "POST /v1/links", "POST /v1/sessions"


async def signed_in(documented: Documented, **wanted: Any) -> dict[str, Any]:
    """Redeem a new link; return the answer."""
    (link,) = await documented.house.make_links(1)
    body = {"token": link["token"], **wanted}
    answer: dict[str, Any] = await documented.call("verifier", "POST /v1/links/verify", body)
    return answer


async def sessions(documented: Documented) -> None:
    user = await documented.call("issuer", "POST /v1/users", {"username": uuid4().hex})
    client = {"ip": "192.0.2.1", "user_agent": "Safari"}
    wanted = {"user_id": user["id"], "claims": {"plan": "gold"}, "client": client, "refresh": True}
    wanted["factors"] = [{"type": "password"}]
    made = await documented.call("verifier", SESSION, wanted, key=(once := str(uuid4())))
    await documented.call("verifier", SESSION, wanted, key=once)
    assert (await documented.call("verifier", SESSION, {"user_id": user["id"]}))["refresh_token"] is None
    await documented.refused("not_found", "verifier", SESSION, {"user_id": str(uuid4())})
    unknown = {"user_id": user["id"], "application_id": str(uuid4())}
    await documented.refused("invalid_request", "verifier", SESSION, unknown)
    await documented.call("verifier", "GET /v1/sessions", user_id=user["id"])
    await documented.refused("invalid_request", "verifier", "GET /v1/sessions")
    await documented.call("verifier", "GET /v1/sessions/{id}", id=made["session"]["id"])
    await documented.refused("session_invalid", "verifier", "GET /v1/sessions/{id}", id=uuid4())
    authenticate = "POST /v1/sessions/authenticate"
    more = {
        "session_token": made["session_token"],
        "expires_in_seconds": 31_000_000,
        "claims": {"plan": None},
    }
    used = await documented.call("verifier", authenticate, more)
    assert used["session"]["claims"] == {}
    await documented.refused("session_invalid", "verifier", authenticate, {"session_token": "garbage"})
    await documented.refused("session_invalid", "verifier", authenticate, {"jwt": "gar.ba.ge"})
    await documented.refused("invalid_request", "verifier", authenticate, {})


async def barred_sessions(documented: Documented) -> None:
    started = await signed_in(documented, session={"refresh": True})
    user, wanted = started["user"]["id"], {"session_token": started["session_token"]}
    for change in (
        {"status": "locked"},
        {"status": "suspended", "status_reason": "unpaid"},
        {"status": "active", "expires_at": "2020-01-01T00:00:00Z"},
    ):
        await documented.call("issuer", "PATCH /v1/users/{id}", change, id=user)
        code = "user_expired" if "expires_at" in change else f"user_{change['status']}"
        await documented.refused(code, "verifier", "POST /v1/sessions/authenticate", wanted)
        await documented.refused(code, "verifier", SESSION, {"user_id": user})
        again = {"refresh_token": started["refresh_token"], "rotate": False}
        await documented.refused(code, "verifier", "POST /v1/sessions/refresh", again)
        one = {"id": started["session"]["id"]}
        await documented.refused(code, "verifier", "POST /v1/sessions/{id}/jwt", {}, **one)
    # This ends them.
    gone = {"status": "inactive", "expires_at": None}
    await documented.call("issuer", "PATCH /v1/users/{id}", gone, id=user)
    await documented.refused("session_invalid", "verifier", "POST /v1/sessions/authenticate", wanted)
    await documented.refused("user_inactive", "verifier", SESSION, {"user_id": user})


async def refreshing(documented: Documented) -> None:
    application = await documented.call("issuer", "POST /v1/applications", {"name": "Web"})
    at = {"application_id": application["id"]}
    started = await signed_in(documented, **at, session={"refresh": True})
    assert started["registration"] is None
    of_user = {"id": started["user"]["id"]}
    refresh, first = "POST /v1/sessions/refresh", {"refresh_token": started["refresh_token"]}
    await documented.call("verifier", refresh, {**first, "rotate": False, **at})
    await documented.call("issuer", "POST /v1/users/{id}/registrations", at, **of_user)
    registered = await documented.call("verifier", refresh, {**first, "rotate": False, **at})
    assert registered["registration"]["application_id"] == application["id"]
    await documented.call("verifier", refresh, {**first, "rotate": True})
    await documented.refused("refresh_token_invalid", "verifier", refresh, {**first, "rotate": True})
    garbage = {"refresh_token": "garbage", "rotate": True}
    await documented.refused("refresh_token_invalid", "verifier", refresh, garbage)
    await documented.refused("invalid_request", "verifier", refresh, {"refresh_token": "x"})


async def revoking_sessions(documented: Documented) -> None:
    revoke, started = "POST /v1/sessions/revoke", await signed_in(documented, session={"refresh": True})
    names = ("session_token", "refresh_token", "jwt")
    for name in names:
        token = (await signed_in(documented, session={"refresh": True}))[name]
        assert (await documented.call("verifier", revoke, {name: token})) == {"revoked": 1}
        assert (await documented.call("verifier", revoke, {name: token})) == {"revoked": 0}
    await documented.call("verifier", revoke, {"user_id": started["user"]["id"]})
    await documented.call("verifier", revoke, {"application_id": str(uuid4())})
    await documented.call("verifier", revoke, {"session_id": started["session"]["id"]})
    await documented.refused("session_invalid", "verifier", revoke, {"session_id": str(uuid4())})
    for name in names:
        await documented.refused("session_invalid", "verifier", revoke, {name: "gar.ba.ge"})
    await documented.refused("invalid_request", "verifier", revoke, {})


async def jwts(documented: Documented) -> None:
    started = await signed_in(documented, session={}, jwt_claims={"plan": "gold"})
    one, make, introspect = (
        {"id": started["session"]["id"]},
        "POST /v1/sessions/{id}/jwt",
        "POST /v1/jwts/introspect",
    )
    made = await documented.call("verifier", make, {"jwt_claims": {"a": 1}, "ttl_seconds": 60}, **one)
    await documented.refused("invalid_request", "verifier", make, {"audience": "another"}, **one)
    await documented.refused("invalid_request", "verifier", make, {"jwt_claims": {"iss": "me"}}, **one)
    await documented.refused("session_invalid", "verifier", make, {}, id=uuid4())
    told = await documented.call("verifier", introspect, {"jwt": made["jwt"]})
    assert (told["active"], told["session"]) == (True, "live")
    told = await documented.call("verifier", introspect, {"jwt": (await signed_in(documented))["jwt"]})
    assert (told["active"], told["session"]) == (True, "none")
    await documented.call("verifier", "POST /v1/sessions/revoke", {"session_id": one["id"]})
    told = await documented.call("verifier", introspect, {"jwt": made["jwt"]})
    assert (told["active"], told["session"]) == (False, "over")
    await documented.call("verifier", introspect, {"jwt": "garbage"})
    await documented.refused("invalid_request", "verifier", introspect, {})


async def polls(documented: Documented) -> None:
    (link,) = await documented.house.make_links(1, channel="email")
    poll, named = "POST /v1/links/poll", {"poll_token": link["poll_token"]}
    await documented.refused("link_invalid", "verifier", poll, {"poll_token": "garbage"})
    await documented.refused("invalid_request", "verifier", poll, {**named, "jwt_claims": {"sub": "x"}})
    told = await documented.call("verifier", poll, {**named, "session": {}})
    assert told["status"] == "issued"
    await documented.call("verifier", "POST /v1/links/verify", {"token": link["token"], "session": {}})
    told = await documented.call("verifier", poll, {**named, "session": {"refresh": True}})
    assert told["status"] == "consumed"
    await documented.call("verifier", poll, {**named, "jwt": False})
    await documented.call("issuer", "PATCH /v1/users/{id}", {"status": "locked"}, id=link["user_id"])
    await documented.refused("user_locked", "verifier", poll, named)
    await documented.call("issuer", "POST /v1/links/{id}/revoke", id=link["id"])
    assert (await documented.call("verifier", poll, named))["status"] == "revoked"


async def sign_ins_with_terms(documented: Documented) -> None:
    """What a redemption may ask for, and what it is refused for."""
    house, verify = documented.house, "POST /v1/links/verify"
    asked_by = {"ip": "192.0.2.7", "user_agent": "Safari"}
    # The challenge is that of RFC 7636, appendix B.
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    (link,) = await house.make_links(1, client=asked_by, code_challenge=challenge)
    named = {"token": link["token"], "session": {}}
    elsewhere = {"client": {**asked_by, "ip": "192.0.2.8"}, "match_client": {"ip": True}}
    verifier = {"code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
    await documented.refused("client_mismatch", "verifier", verify, {**named, **verifier, **elsewhere})
    await documented.refused("code_verifier_invalid", "verifier", verify, named)
    await documented.refused("invalid_request", "verifier", verify, {**named, "match_client": {"ip": True}})
    await documented.refused(
        "link_invalid", "verifier", verify, {**named, **verifier, "user_id": str(uuid4())}
    )
    extended = {"session": {"extends": "garbage"}}
    await documented.refused("session_invalid", "verifier", verify, {**named, **verifier, **extended})
    here = {"client": asked_by, "match_client": {"ip": True, "user_agent": True}}
    first = await documented.call("verifier", verify, {**named, **verifier, **here})
    wanted = {"user_id": link["user_id"], "redirect_url": REDIRECT}
    second = (await documented.call("issuer", LINK, wanted))["link"]
    more = {"token": second["token"], "session": {"extends": first["session_token"], "claims": {"step": 2}}}
    answer = await documented.call("verifier", verify, {**more, "trust_token": "garbage"})
    assert len(answer["session"]["factors"]) == 2


SESSION_SCENES = (
    sessions,
    barred_sessions,
    refreshing,
    revoking_sessions,
    jwts,
    polls,
    sign_ins_with_terms,
)
