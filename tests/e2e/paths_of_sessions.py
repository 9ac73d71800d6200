"""Every way that the secrets of sessions, second factors, polling, standing passcodes and webhooks take: rightly used, wrongly used, and twice."""

import asyncio
import base64
import time
from typing import Any
from uuid import uuid4

from services.dev.ports import choose_unfixed
from services.verifier import totp
from tests.clusters import House


async def take_the_paths_of_sessions(house: House) -> dict[str, str]:
    """Sign in by all that there is; return the secrets that there were."""
    # Passcodes that are found by themselves are as long as tokens.
    standing = {"passcode_strategy": "bytes", "passcode_length": 32, "passcode_standalone": True}
    urls = {"redirect_urls": [f"{house.cluster.site_url}/signed-in"]}
    app = await house.new_app(**standing, **urls)
    webhook = await make_webhook(house, app)
    secrets = [
        webhook,
        await hold_a_session(app),
        await wait_for_a_link(app),
        await use_a_second_factor(app),
        await type_standing_passcodes(app),
        await reveal(app),
    ]
    return {name: secret for some in secrets for name, secret in some.items()}


async def post(app: House, path: str, body: dict[str, Any], *expected: int) -> Any:
    """POST to the verifier; the status must be the expected one, by default 200."""
    url = f"{app.verifier_url}{path}"
    status, answer, _ = await app.call("POST", url, body, key=uuid4().hex)
    assert status in (expected or (200,)), f"{path}: {status} {answer}"
    return answer


async def misuse(app: House, secret: str) -> None:
    """Show a secret wherever it does not belong: in paths, in queries, as another's, as a key."""
    for url in (f"{app.verifier_url}/v1/sessions", f"{app.issuer_url}/v1/users"):
        await app.call("GET", f"{url}/{secret}")
        await app.call("GET", f"{url}?user_id={secret}&email={secret}")
        await app.call("GET", url, Authorization=f"Bearer {secret}")
    for name in ("session_token", "jwt", "refresh_token", "user_id"):
        await app.call("POST", f"{app.verifier_url}/v1/sessions/revoke", {name: f"{secret}x"})
    for path, name in (
        ("links/verify", "token"),
        ("links/poll", "poll_token"),
        ("sessions/refresh", "refresh_token"),
    ):
        await app.call("POST", f"{app.verifier_url}/v1/{path}", {name: f"{secret[:-1]}!", secret: secret})
    await app.call("POST", f"{app.issuer_url}/v1/links", {"email": secret, "locale": secret, "type": secret})


async def new_token(app: House, email: str) -> str:
    return str((await app.ask(email=email))["token"])


async def hold_a_session(app: House) -> dict[str, str]:
    token = await new_token(app, f"session-{uuid4().hex}@example.com")
    asked = {"token": token, "jwt": True, "session": {"refresh": True, "claims": {"cart": 7}}}
    first = await post(app, "/v1/links/verify", asked)
    await post(app, "/v1/links/verify", asked, 409)
    session = f"/v1/sessions/{first['session']['id']}"
    shown = await post(app, "/v1/sessions/authenticate", {"session_token": first["session_token"]})
    signed = await post(app, f"{session}/jwt", {"jwt_claims": {"cart": 8}})
    await post(app, "/v1/jwts/introspect", {"jwt": signed["jwt"]})
    await post(app, "/v1/sessions/authenticate", {"jwt": signed["jwt"]})
    fresh = await post(app, "/v1/sessions/refresh", {"refresh_token": first["refresh_token"], "rotate": True})
    secrets = {
        "session token": first["session_token"], "jwt of a session": first["jwt"], "second jwt": signed["jwt"],
        "refresh token": first["refresh_token"], "rotated refresh token": fresh["refresh_token"],
        "session token again": shown["session_token"],
    }  # fmt: skip
    for secret in secrets.values():
        await misuse(app, secret)
    # The older token, stolen: it ends the session.
    await post(app, "/v1/sessions/refresh", {"refresh_token": first["refresh_token"], "rotate": True}, 400)
    await post(app, "/v1/sessions/authenticate", {"session_token": first["session_token"]}, 404)
    return secrets


async def wait_for_a_link(app: House) -> dict[str, str]:
    link = await app.ask(email=f"waits-{uuid4().hex}@example.com", channel="email")
    wanted = {"poll_token": link["poll_token"], "jwt": True, "session": {"refresh": True}}
    assert (await post(app, "/v1/links/poll", wanted))["status"] == "issued"
    await post(app, "/v1/links/verify", {"token": link["token"]})
    polled = await post(app, "/v1/links/poll", wanted)
    await misuse(app, link["poll_token"])
    return {
        "poll token": link["poll_token"], "polled session token": polled["session_token"],
        "polled refresh token": polled["refresh_token"], "polled jwt": polled["jwt"],
    }  # fmt: skip


async def use_a_second_factor(app: House) -> dict[str, str]:
    email = f"factor-{uuid4().hex}@example.com"
    first = await post(app, "/v1/links/verify", {"token": await new_token(app, email), "session": {}})
    factors = f"/v1/users/{first['user']['id']}/second-factors"
    made = await post(app, factors, {"type": "totp"}, 201)
    secret = totp.read_secret(made["secret"])
    await post(app, f"{factors}/{made['factor']['id']}/confirm", {"code": "000000"}, 400, 200)
    await post(app, f"{factors}/{made['factor']['id']}/confirm", {"code": _code(secret, -1)}, 200, 400)
    refused = await post(app, "/v1/links/verify", {"token": await new_token(app, email)}, 403)
    challenge = refused["challenge"]
    answer = {"challenge": challenge, "trust_device": True, "jwt": True, "session": {"refresh": True}}
    await post(app, "/v1/second-factors/verify", {**answer, "code": "12345"}, 400)
    done = await post(app, "/v1/second-factors/verify", {**answer, "code": _code(secret, 0)})
    trusted = {"token": await new_token(app, email), "trust_token": done["trust_token"], "session": {}}
    third = await post(app, "/v1/links/verify", trusted)
    for shown in (challenge, done["trust_token"], made["secret"]):
        await misuse(app, shown)
    return {
        "totp secret": made["secret"], **forms_of(secret), "challenge": challenge, "trust token": done["trust_token"],
        "session token of a factor": done["session_token"], "trusted session token": third["session_token"],
        "jwt of a factor": done["jwt"],
    }  # fmt: skip


def forms_of(secret: bytes) -> dict[str, str]:
    """Return the forms that bytes may take in a table, a log or a record."""
    return {
        "totp bytes": secret.decode("latin-1"),
        "totp bytes as Python shows them": repr(secret)[2:-1],
        "totp hex": secret.hex(),
        "totp base64": base64.b64encode(secret).decode().rstrip("="),
    }


def _code(secret: bytes, steps: int) -> str:
    return totp.code_of(secret, totp.step_at(time.time()) + steps)


async def type_standing_passcodes(app: House) -> dict[str, str]:
    email = f"standing-{uuid4().hex}@example.com"
    sent, used = [await app.ask(email=email, passcode=True) for _ in range(2)]
    send = f"{app.issuer_url}/v1/passcodes/send"
    for code in (sent["passcode"], sent["passcode"], f"{sent['passcode']}0", used["token"]):
        await app.call("POST", send, {"passcode": code, "channel": "email"}, key=uuid4().hex)
    await app.until_caught(1, to=email)
    verify = "/v1/passcodes/verify"
    for code in (f"{used['passcode'][:-1]}g", used["passcode"].upper(), used["token"]):
        await post(app, verify, {"passcode": code, "client": {"ip": "203.0.113.9"}}, 200, 400, 422)
    await post(app, verify, {"passcode": used["passcode"], "client": {"ip": "203.0.113.9"}}, 200, 400)
    flow = {"email": email, "channel": "email"}
    status, asked, _ = await app.call("POST", f"{app.issuer_url}/v1/passcodes", flow, key=uuid4().hex)
    assert status == 201, asked
    await app.until_caught(2, to=email)
    for secret in (sent["passcode"], asked["passcode"]["code"]):
        await misuse(app, secret)
    return {
        "standing passcode that was sent": sent["passcode"], "standing passcode": used["passcode"],
        "passcode of the flow": asked["passcode"]["code"],
    }  # fmt: skip


async def reveal(app: House) -> dict[str, str]:
    template = f"{app.cluster.site_url}/signed-in?token={{token}}&poll={{poll_token}}"
    email = f"reveals-{uuid4().hex}@example.com"
    link = await app.ask(email=email, channel="email", passcode=True, url_template=template)
    url = f"{app.issuer_url}/v1/links/{link['id']}/reveal"
    status, told, _ = await app.call("POST", url, {}, key="reveal")
    again, _, _ = await app.call("POST", url, {}, key="reveal")
    assert (status, again, told["link"]["token"]) == (200, 200, link["token"])
    await app.until_caught(1, to=email)
    await misuse(app, link["token"])
    return {"revealed token": told["link"]["token"], "revealed passcode": told["link"]["passcode"]}


async def make_webhook(house: House, app: House) -> dict[str, str]:
    """Make an endpoint where nobody listens: what is sent there fails, and is written down."""
    key = await house.new_key(app.app_id, ["apps:write", "apps:read"])
    admin = House(house.cluster, app.app_id, key, house.session)
    hooks, port = f"{house.issuer_url}/v1/webhooks", choose_unfixed(["hooks"])["hooks"]
    body = {"url": f"http://127.0.0.1:{port}/hooks", "events": []}
    status, made, _ = await admin.call("POST", hooks, body, key="hook")
    assert status == 201, made
    await admin.call("POST", hooks, body, key="hook")
    await admin.call("POST", f"{hooks}/{made['id']}/test", {})
    await admin.call("GET", f"{hooks}/{made['secret']}?secret={made['secret']}")
    await admin.call("POST", hooks, {"url": made["secret"], "events": [made["secret"]]})
    await until_failed(house, made["id"])
    return {
        "webhook secret": made["secret"],
        "webhook secret's base64": made["secret"].partition("_")[2].rstrip("="),
    }


async def until_failed(house: House, endpoint_id: str) -> None:
    owner = await house.database()
    wanted = "SELECT last_error FROM magiclink.webhook_deliveries WHERE endpoint_id = $1::uuid AND last_error IS NOT NULL"
    async with asyncio.timeout(30):
        while await owner.fetchval(wanted, endpoint_id) is None:
            await asyncio.sleep(0.1)
    await owner.close()
