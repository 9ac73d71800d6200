"""Every way that a secret takes through compat: in the vendors' bodies, headers, cookies, paths and queries; rightly used, wrongly used, and twice."""

import base64
import re
import time
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from services.verifier import totp
from tests.clusters import House, code_of
from tests.e2e.browsing import look, press
from tests.e2e.paths_of_sessions import forms_of
from tests.vendor_calls import FusionAuth, Passage, Stytch, Vendor, WorkOS, somebody

Secrets = dict[str, str]


async def take_the_vendors_paths(house: House) -> Secrets:
    """Sign in as the users of each vendor do; return the secrets that there were, vendors' keys and compat's own too."""
    apps = house.cluster.vendor_apps
    assert apps is not None
    # Codes so long that they are found wherever they stand; FusionAuth's are.
    for vendor in ("stytch", "workos"):
        await lengthen_passcodes(house, vendor)
    found = {
        "key of compat": apps.compat_api_key,
        **await as_stytch(Stytch.of(house)),
        **await as_workos(WorkOS.of(house)),
        **await as_passage(Passage.of(house)),
        **await as_fusionauth(FusionAuth.of(house)),
    }
    await show_keys_where_they_do_not_belong(house, found)
    return found


async def lengthen_passcodes(house: House, vendor: str) -> None:
    owner = await house.database()
    app_id = await owner.fetchval("SELECT id FROM magiclink.apps WHERE vendor = $1", vendor)
    await owner.close()
    longer = {"passcode_strategy": "alphanumeric", "passcode_length": 24}
    status, answer, _ = await house.call("PATCH", f"{house.issuer_url}/v1/apps/{app_id}", longer)
    assert status == 200, answer


async def mailed(house: House, email: str, pattern: str) -> str:
    """Return what a pattern finds in the message to an address."""
    (mail, *_) = await house.until_caught(1, to=email)
    found = re.search(pattern, mail["text"])
    assert found is not None, mail["text"]
    return re.sub(r"\s", "", found[1])


async def redeem_badly(vendor: Vendor, proof: dict[str, Any], secret: str) -> None:
    """Redeem again, and with the secret cut, in the place of everything else, and as a query."""
    await vendor.redeem(proof)
    await vendor.redeem({name: f"{value}x" for name, value in proof.items()})
    await vendor.redeem({**proof, secret: secret, "state": {"\0": secret}})
    for path in ("/v1/magic_links/authenticate", "/sso/token", f"/v1/apps/{secret}", f"/api/{secret}"):
        await vendor.call("GET", f"{path}?token={secret}&code={secret}", {})
        await vendor.call("POST", path, {"code": [secret]}, Authorization=f"Bearer {secret}")


async def as_stytch(vendor: Stytch) -> Secrets:
    house, proof = vendor.house, await vendor.begin()
    _, answer = await vendor.redeem(proof)
    await redeem_badly(vendor, proof, proof["token"])
    for form in ({"session_token": answer["session_token"]}, {"session_jwt": answer["session_jwt"]}):
        await vendor.call("POST", "/v1/sessions/authenticate", form, **vendor.credentials)
        await vendor.call(
            "GET", f"/v1/sessions?user_id={next(iter(form.values()))}", {}, **vendor.credentials
        )
    email = somebody()
    url = {"login_magic_link_url": f"{house.cluster.site_url}/authenticate"}
    await vendor.done("/v1/magic_links/email/login_or_create", {"email": email, **url}, **vendor.credentials)
    by_mail = await mailed(house, email, r"token=([0-9A-Za-z]{39})")
    _, whole = await vendor.redeem({"token": by_mail, "session_custom_claims": {"a": 1}})
    other = somebody()
    sent = await vendor.done("/v1/otps/email/login_or_create", {"email": other}, **vendor.credentials)
    code = await mailed(house, other, r"(?m)\b((?:[2-9A-Z]+\s)*[2-9A-Z]+)\s*$")
    otp = {"method_id": sent["email_id"], "code": code, "session_duration_minutes": 5}
    _, typed = await vendor.call("POST", "/v1/otps/authenticate", otp, **vendor.credentials)
    await vendor.call("POST", "/v1/otps/authenticate", otp | {"code": f"{code}X"}, **vendor.credentials)
    basic = vendor.credentials["Authorization"].partition(" ")[2]
    return {
        "stytch token": proof["token"], "stytch mailed token": by_mail, "stytch otp": code, "stytch secret": vendor.given["secret"],
        "stytch credentials": basic.rstrip("="), "stytch session token": answer["session_token"],
        "stytch jwt": answer["session_jwt"], "stytch mailed session token": whole["session_token"],
        "stytch otp session token": typed["session_token"],
    }  # fmt: skip


async def as_workos(vendor: WorkOS) -> Secrets:
    house, email = vendor.house, somebody()
    repeated = {"Idempotency-Key": uuid4().hex}
    session = await vendor.new_session(email, "s", **repeated)
    await vendor.new_session(email, "s", **repeated)
    send = f"/passwordless/sessions/{session['id']}/send"
    await vendor.call("POST", send, {}, **vendor.credentials)
    await look(house, session["link"])
    _, location, _ = await press(house, session["link"])
    code = code_of(str(location))
    client = {"client_id": vendor.given["client_id"], "client_secret": vendor.given["api_key"]}
    exchange = {"grant_type": "authorization_code", "code": code, **client}
    token = await vendor.done("/sso/token", exchange)
    await vendor.call("POST", "/sso/token", exchange)
    await vendor.call("GET", "/sso/profile", {}, Authorization=f"Bearer {token['access_token']}")
    await vendor.call("GET", f"/sso/profile?access_token={token['access_token']}", {})
    proof = await vendor.begin()
    _, signed_in = await vendor.redeem(proof)
    await redeem_badly(vendor, proof, proof["code"])
    refresh = {"grant_type": "refresh_token", "refresh_token": signed_in["refresh_token"], **client}
    fresh = await vendor.done("/user_management/authenticate", refresh)
    await vendor.call("POST", "/user_management/authenticate", refresh)
    live = await vendor.new_code(somebody())
    await vendor.call("GET", f"/user_management/magic_auth/{live['id']}", {}, **vendor.credentials)
    return {
        "workos link": session["link"].rpartition("/")[2], "workos grant": code, "workos access token": token["access_token"],
        "workos session token": token["access_token"].rpartition(".")[2], "workos code": proof["code"],
        "workos revealed code": live["code"], "workos key": vendor.given["api_key"], "workos jwt": signed_in["access_token"],
        "workos refresh token": signed_in["refresh_token"], "workos rotated refresh token": fresh["refresh_token"],
    }  # fmt: skip


async def as_passage(vendor: Passage) -> Secrets:
    proof = await vendor.begin()
    poll_token, secret = proof["magic_link"].split(".")[1], proof["magic_link"].rpartition(".")[2]
    status, waiting = f"{vendor.app}/magic-link/status", {"id": poll_token}
    await vendor.call("POST", status, waiting)
    _, answer = await vendor.redeem(proof)
    _, polled = await vendor.call("POST", status, waiting)
    await redeem_badly(vendor, proof, proof["magic_link"])
    signed_in = answer["auth_result"]
    asked = {"refresh_token": signed_in["refresh_token"]}
    fresh = (await vendor.done(f"{vendor.app}/tokens", asked))["auth_result"]
    await vendor.call("POST", f"{vendor.app}/tokens", asked)
    # Signing out has the token in its query (VENDORS §3.5).
    for token in (fresh["refresh_token"], signed_in["refresh_token"], "garbage"):
        await vendor.call("DELETE", f"{vendor.app}/tokens?refresh_token={token}", {})
    return {
        "passage link": secret, "passage poll token": poll_token, "passage jwt": signed_in["auth_token"],
        "passage refresh token": signed_in["refresh_token"], "passage rotated refresh token": fresh["refresh_token"],
        "passage polled jwt": polled["auth_result"]["auth_token"], "passage key": vendor.given["api_key"],
    }  # fmt: skip


async def as_fusionauth(vendor: FusionAuth) -> Secrets:
    house, email = vendor.house, await vendor.new_user()
    proof = await vendor.begin_for(email)
    status, answer = await vendor.redeem(proof)
    assert status == 200, answer
    await redeem_badly(vendor, proof, proof["code"])
    await vendor.call("GET", "/api/jwt/validate", {}, Authorization=f"Bearer {answer['token']}")
    refresh = {"refreshToken": answer["refreshToken"]}
    renewed = await vendor.done("/api/jwt/refresh", refresh)
    return {
        "fusionauth code": proof["code"], "fusionauth jwt": answer["token"], "fusionauth key": vendor.given["api_key"],
        "fusionauth refresh token": answer["refreshToken"], "fusionauth renewed jwt": renewed["token"],
        **await by_the_mails_page(vendor, house, email), **await by_two_factors(vendor, email),
    }  # fmt: skip


async def by_the_mails_page(vendor: FusionAuth, house: House, email: str) -> Secrets:
    proof = await vendor.begin_for(email, state="s", redirect_uri=f"{house.cluster.site_url}/callback")
    status, _ = await vendor.call("POST", "/api/passwordless/send", {"code": proof["code"]})
    assert status == 200
    (mail,) = await house.until_caught(1, to=email)
    (url,) = [found for found in mail["links"] if "/oauth2/passwordless/" in found]
    for wrong in ("?postMethod=", f"?code={proof['code']}&postMethod="):
        await look(house, url.replace("?postMethod=", wrong))
    assert (await look(house, url))[0] == 200
    assert (await press(house, url, **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
    async with house.session.post(
        url, headers={"Sec-Fetch-Site": "same-origin"}, allow_redirects=False
    ) as response:
        assert response.status == 303
        cookies = {name: cookie.value for name, cookie in response.cookies.items()}
    assert (await press(house, url))[0] == 404
    return {
        "fusionauth mailed code": proof["code"], "fusionauth access cookie": cookies["access_token"],
        "fusionauth refresh cookie": cookies["refresh_token"],
    }  # fmt: skip


async def by_two_factors(vendor: FusionAuth, email: str) -> Secrets:
    key = {"Authorization": vendor.given["api_key"]}
    _, made = await vendor.call("GET", "/api/two-factor/secret", {}, **key)
    secret = base64.b64decode(made["secret"])
    _, found = await vendor.call("GET", f"/api/user?email={quote(email)}", {}, **key)
    path = f"/api/user/two-factor/{found['user']['id']}"
    wrong = {"method": "authenticator", "code": "12345", "secretBase32Encoded": made["secretBase32Encoded"]}
    await vendor.call("POST", path, wrong, **key)
    await vendor.done(path, wrong | {"code": _code(secret, -1)}, **key)
    status, waiting = await vendor.redeem(await vendor.begin_for(email))
    assert status == 242, waiting
    two_factor_id = waiting["twoFactorId"]
    await vendor.call("POST", f"/api/two-factor/send/{two_factor_id}", {"methodId": "x"})
    asked = {
        "twoFactorId": two_factor_id,
        "trustComputer": True,
        "applicationId": vendor.given["application_id"],
    }
    await vendor.call("POST", "/api/two-factor/login", asked | {"code": "12345"})
    done = await vendor.done("/api/two-factor/login", asked | {"code": _code(secret, 0)})
    await vendor.call("POST", "/api/two-factor/login", asked | {"code": _code(secret, 0)})
    named = {f"fusionauth {name}": text for name, text in forms_of(secret).items()}
    return {
        "fusionauth totp secret": made["secretBase32Encoded"], **named, "fusionauth challenge": two_factor_id,
        "fusionauth trust token": done["twoFactorTrustId"], "fusionauth jwt of two factors": done["token"],
    }  # fmt: skip


def _code(secret: bytes, steps: int) -> str:
    return totp.code_of(secret, totp.step_at(time.time()) + steps)


async def show_keys_where_they_do_not_belong(house: House, secrets: Secrets) -> None:
    """Send every key in queries, paths and wrong headers, to compat and to the native services."""
    keys = [secret for name, secret in secrets.items() if name.split()[-1] in ("key", "secret", "compat")]
    for base in (house.cluster.compat_urls[0], house.issuer_url, house.verifier_url):
        for key in keys:
            for path in ("/v1/users", "/user_management/users", "/api/user", "/v1/keys/self"):
                url = f"{base}{path}/{quote(key)}?api_key={quote(key)}"
                for headers in ({"Authorization": f"Basic {key}"}, {"Authorization": f"{key}x"}):
                    async with house.session.get(url, headers=headers) as response:
                        await response.read()
    assert all(len(secret) >= 20 for secret in secrets.values()), "too short to be told from chance"
