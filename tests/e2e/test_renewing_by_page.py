"""An expired link's page sends a new one: through Kafka, to the original recipient, once, and to the same destination."""

import asyncio
from typing import Any
from uuid import uuid4

from yarl import URL

from tests.clusters import REDIRECT, House
from tests.e2e.browsing import look, press


async def expire(house: House, link: dict[str, Any]) -> None:
    """End a link's life, which the shortest one would take half a minute for."""
    owner = await house.database()
    await owner.execute(
        "UPDATE magiclink.links SET expires_at = now() - interval '1 second' WHERE id = $1", link["id"]
    )
    await owner.close()


async def renewed_links(house: House, link: dict[str, Any]) -> int:
    owner = await house.database()
    count = await owner.fetchval("SELECT count(*) FROM magiclink.links WHERE renewed_from = $1", link["id"])
    await owner.close()
    return int(count)


async def test_an_expired_link_renewed_five_times_by_two_clients_sends_one_mail_that_leads_where_the_old_one_led(
    house: House,
) -> None:
    email = f"late-{uuid4().hex}@example.com"
    state = {"return_to": "/deep/page?x=1", "n": [1, 2.5]}
    old = await house.ask(email=email, channel="email", state=state, metadata={"plan": "pro"})
    await house.until_caught(1, to=email)
    await expire(house, old)
    status, page = await look(house, old["url"])
    assert (status, "/renew" in page, email in page) == (410, True, False)

    # Two clients at two replicas, and somebody impatient.
    other = str(URL(old["url"]).with_port(URL(house.cluster.verifier_urls[1]).port))
    pressed = await asyncio.gather(
        *(press(house, f"{url}/renew") for url in (old["url"], other, old["url"], other, old["url"]))
    )
    assert [status for status, _, _ in pressed] == [200] * 5
    assert len({page for _, _, page in pressed}) == 1
    mails = await house.until_caught(2, to=email)
    await asyncio.sleep(2)
    assert (await press(house, f"{old['url']}/renew"))[
        0
    ] == 200  # the limit of a minute is not all that holds
    await asyncio.sleep(2)  # anything too much would come now
    assert len(await house.inbox(to=email)) == 2
    assert await renewed_links(house, old) == 1

    # A page's own button leads on, with the state that the product gave a link ago.
    (url,) = [found for found in mails[0]["links"] if "/l/" in found]
    assert url != old["url"]
    status, location, _ = await press(house, url)
    assert (status, location is not None) == (303, True)
    landed = URL(str(location))
    assert str(landed.with_query(None)) == f"{house.cluster.site_url}{REDIRECT}"
    assert landed.query["state"] == '{"return_to":"/deep/page?x=1","n":[1,2.5]}'
    _, answer, _ = await house.call(
        "POST", f"{house.verifier_url}/v1/grants/exchange", {"code": landed.query["code"]}
    )
    assert (answer["user"]["email"], answer["state"], answer["metadata"]) == (email, state, {"plan": "pro"})
    assert "renewed" in [entry["event"] for entry in (await house.history(old))["timeline"]]


async def test_a_foreign_site_a_live_link_and_a_consumed_one_renew_nothing(house: House) -> None:
    email = f"eve-{uuid4().hex}@example.com"
    expired, live, used = [await house.ask(email=email, channel="email") for _ in range(3)]
    await house.until_caught(3, to=email)
    await expire(house, expired)
    assert (await house.verify(used["token"]))[0] == 200
    foreign = await press(house, f"{expired['url']}/renew", **{"Sec-Fetch-Site": "cross-site"})
    assert foreign[0] == 403
    for link in (live, used):
        assert (await press(house, f"{link['url']}/renew"))[0] == 200
    await asyncio.sleep(2.5)
    assert len(await house.inbox(to=email)) == 3
    assert [await renewed_links(house, link) for link in (expired, live, used)] == [0, 0, 0]
