"""Every way that a secret takes past the first link of `test_no_secret_is_kept.py`: rightly used, wrongly used, and twice."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from services.issuer.intake import EVENT_TYPE
from shared.bus import LINK_REQUESTS, Event, encode_event
from tests.clusters import House
from tests.e2e.browsing import look, press
from tests.programs import Program


async def take_every_other_path(house: House) -> dict[str, str]:
    """Use passcodes, resends, pairings, renewals, narrow keys and dead letters; return the secrets that there were."""
    # Passcodes so long that they are found wherever they stand.
    long = {"passcode_strategy": "alphanumeric", "passcode_length": 24}
    app = await house.new_app(
        **long, latest_only=["login"], redirect_urls=[f"{house.cluster.site_url}/signed-in"]
    )
    secrets = [
        await guess_and_resend(app),
        await pair(app),
        await renew(app),
        await make_narrow_keys(house, app),
        await replay_a_dead_letter(house, app),
    ]
    found = {name: secret for some in secrets for name, secret in some.items()}
    assert all(len(secret) >= 20 for secret in found.values()), "too short to be told from chance"
    return found


async def guess_and_resend(app: House) -> dict[str, str]:
    email = f"guesses-{uuid4().hex}@example.com"
    link = await app.ask(email=email, channel="email", passcode=True)
    await app.until_message(link, "accepted")
    verify = f"{app.verifier_url}/v1/passcodes/verify"
    other = await app.ask(email=f"other-{uuid4().hex}@example.com", passcode=True)
    holders: tuple[dict[str, str], ...] = (
        {"link_id": other["id"]},
        {"email": "nobody@example.com"},
        {"phone": link["passcode"]},
        {},
    )
    for holder in holders:
        await app.call("POST", verify, {"passcode": link["passcode"], **holder}, key=uuid4().hex)
    await app.call("POST", verify, {"passcode": other["token"], "link_id": link["id"]})
    await move(app, "messages", "created_at", link["id"], "link_id")
    _, resent, _ = await app.call("POST", f"{app.issuer_url}/v1/links/{link['id']}/resend", key="resend")
    await app.call("POST", f"{app.issuer_url}/v1/links/{link['id']}/resend", key="resend")
    fresh = resent["link"]["passcode"]
    assert fresh != link["passcode"]
    status, answer, _ = await app.call("POST", verify, {"passcode": fresh, "email": email}, key="redeem")
    assert status == 200
    return {
        "passcode before": link["passcode"], "passcode after": fresh, "other passcode": other["passcode"],
        "other token": other["token"], "jwt of a passcode": answer["jwt"],
    }  # fmt: skip


async def pair(app: House) -> dict[str, str]:
    site = app.cluster.site_url
    link = await app.ask(email=f"paired-{uuid4().hex}@example.com", binding="require")
    url = f"{app.verifier_url}/v1/links/{link['id']}/pairing"
    _, made, _ = await app.call("POST", url, {"return_url": f"{site}/signed-in"}, key="pair")
    ticket = made["pairing_url"].rpartition("/")[2]
    for text in (ticket[:-2], f"{ticket}?ticket={ticket}"):
        await look(app, f"{app.verifier_url}/pair/{text}")
    headers = {"Referer": f"{site}/sent", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with app.session.get(made["pairing_url"], headers=headers, allow_redirects=False) as response:
        (cookie,) = response.cookies.values()
    await look(app, made["pairing_url"], **headers)
    assert (await press(app, link["url"]))[0] == 403
    status, location, _ = await press(app, link["url"], Cookie=f"{cookie.key}={cookie.value}")
    assert (status, "code=" in str(location)) == (303, True)
    return {"ticket": ticket, "proof": cookie.value, "paired token": link["token"]}


async def renew(app: House) -> dict[str, str]:
    email = f"renews-{uuid4().hex}@example.com"
    old = await app.ask(email=email, channel="email", passcode=True)
    await app.until_caught(1, to=email)
    await move(app, "links", "expires_at", old["id"], "id", "1 hour")
    for path in ("/renew", "/renew?again=1"):
        assert (await press(app, f"{old['url']}{path}"))[0] == 200
    (mail, _) = await app.until_caught(2, to=email)
    (url,) = [found for found in mail["links"] if "/l/" in found]
    await look(app, url)
    (passcode,) = re.findall(r"passcode.*: (\S+(?: \S+)*)\s*$", mail["text"], re.MULTILINE)
    return {"renewed token": url.rpartition("/")[2], "renewed passcode": re.sub(r"\s", "", passcode)}


async def make_narrow_keys(house: House, app: House) -> dict[str, str]:
    scopes = ["links:create", "links:reveal"]
    key = await house.new_key(app.app_id, scopes, types=["login"], recipient_domains=["example.com"])
    bodies: tuple[dict[str, Any], ...] = (
        {"email": "a@example.com"},
        {"email": "a@evil.example", "redirect_url": key},
    )
    for path in ("/v1/links", "/v1/links/explain", "/v1/users"):
        for body in bodies:
            await app.call("POST", f"{app.issuer_url}{path}", body, Authorization=f"Bearer {key}")
    await app.call("GET", f"{app.issuer_url}/v1/links/{key}?key={key}", Authorization=f"Bearer {key[:-1]}")
    return {"narrow key": key}


async def replay_a_dead_letter(house: House, app: House) -> dict[str, str]:
    email, backends = f"dead-{uuid4().hex}@example.com", house.cluster.backends
    data = {"app_id": app.app_id, "email": email, "channel": "email", "passcode": True}
    producer = AIOKafkaProducer(bootstrap_servers=backends.kafka_bootstrap)
    await producer.start()
    event = encode_event(Event(EVENT_TYPE, uuid4().hex, "/tests", "", data))
    await producer.send_and_wait(LINK_REQUESTS, event, key=b"k")
    await producer.stop()
    letter = await until_put_aside(app)
    status, _, _ = await house.call("PATCH", f"{app.issuer_url}/v1/apps/{app.app_id}", {"intake": True})
    assert status == 200
    program = Program(MAGICLINK_DATABASE_URL=backends.database_url)
    ended = await program("dlq", "replay", str(letter["id"]))
    assert ended.status == 0, ended.err
    (mail,) = await app.until_caught(1, to=email)
    (url,) = [found for found in mail["links"] if "/l/" in found]
    return {"replayed token": url.rpartition("/")[2]}


async def until_put_aside(app: House) -> Mapping[str, Any]:
    owner = await app.database()
    for _ in range(150):
        row = await owner.fetchrow(
            "SELECT id FROM magiclink.dead_letters WHERE strpos(convert_from(value, 'UTF8'), $1) > 0",
            app.app_id,
        )
        if row is not None:
            await owner.close()
            return dict(row)
        await asyncio.sleep(0.1)
    raise AssertionError("the request was not put aside")


async def move(
    house: House, table: str, column: str, link_id: str, by: str, back: str = "31 seconds"
) -> None:
    """Let time pass for one row."""
    owner = await house.database()
    await owner.execute(
        f"UPDATE magiclink.{table} SET {column} = {column} - $1::text::interval WHERE {by} = $2",
        back,
        link_id,
    )
    await owner.close()
