"""What stands in a message of a link with a form of its own, and of a passcode without a link."""

from collections.abc import Callable

import asyncpg

from shared.tokens import make_passcode, make_poll_token
from tests.integration.notifier.test_delivering import House, Stand, houses, queued, record, row_of
from tests.seeds import PUBLIC_URL, RINGS, Seeds

__all__ = ["houses"]

FORM = "https://shop.example/in?x=ml.{poll_token}.user-7.{token}&id={link_id}"


async def test_a_message_has_the_url_that_the_answer_had(
    houses: Callable[..., House],
    seeds: Seeds,
) -> None:
    app = await seeds.app()
    link = await seeds.link(app, url_template=FORM)
    channel = Stand()
    await houses(channel).handle(record(await queued(seeds, link=link)))
    (sent,) = channel.sent
    poll = make_poll_token(RINGS["issuer"], link.ref)
    url = f"https://shop.example/in?x=ml.{poll}.user-7.{link.token}&id={link.id}"
    assert url in sent.content.text.split("\n")
    assert PUBLIC_URL not in sent.content.text


async def test_a_form_may_hold_the_passcode_of_the_newest_epoch(
    houses: Callable[..., House],
    seeds: Seeds,
) -> None:
    app = await seeds.app()
    form = "https://shop.example/in/{passcode}"
    link = await seeds.link(app, url_template=form, passcode_format="digits:6", passcode_epoch=2)
    channel = Stand()
    await houses(channel).handle(record(await queued(seeds, link=link)))
    code = make_passcode(RINGS["issuer"], link.ref, 2, "digits:6")
    assert f"https://shop.example/in/{code}" in channel.sent[0].content.text.split("\n")


async def test_a_passcode_without_a_link_is_sent_without_one(
    houses: Callable[..., House],
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    app = await seeds.app()
    link = await seeds.link(app, doors="passcode", passcode_format="digits:6")
    message_id = await queued(seeds, link=link)
    await owner.execute("UPDATE magiclink.messages SET template = 'passcode' WHERE id = $1", message_id)
    channel = Stand()
    await houses(channel).handle(record(message_id))
    content = channel.sent[0].content
    assert make_passcode(RINGS["issuer"], link.ref, 0, "digits:6") in content.text.replace(" ", "")
    assert link.token not in content.text + content.html + content.sms + content.whatsapp.body
    assert "http" not in content.text


async def test_a_template_with_a_link_cannot_be_sent_without_one(
    houses: Callable[..., House],
    seeds: Seeds,
    owner: asyncpg.Connection,
) -> None:
    app = await seeds.app()
    link = await seeds.link(app, doors="passcode", passcode_format="digits:6")
    message_id = await queued(seeds, link=link)
    channel = Stand()
    await houses(channel).handle(record(message_id))
    assert channel.sent == []
    row = await row_of(owner, message_id)
    assert (row["status"], "url" in row["last_error"]) == ("failed", True)
