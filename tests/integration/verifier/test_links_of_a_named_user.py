"""`user_id` at verification: whose link it must be. Another's is unknown, and burns nothing."""

from uuid import uuid4

from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import SeededApp, Seeds


async def test_the_link_of_the_user_who_was_named_is_redeemed(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link = await seeds.link(app)
    answer = await verifier.verify(app, link.token, user_id=str(link.user_id))
    assert (answer.status, answer.json["user"]["id"]) == (200, str(link.user_id))


async def test_another_users_link_is_unknown_and_not_burnt(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    link, other = await seeds.link(app), await seeds.user(app, "bob@example.com")
    for user_id in (str(other), str(uuid4())):
        answer = await verifier.verify(app, link.token, user_id=user_id)
        assert (answer.status, answer.code) == (404, "link_invalid")
    assert (await verifier.verify(app, link.token, user_id=str(link.user_id))).status == 200


async def test_who_extends_a_session_cannot_name_another_user(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    first, link = await seeds.link(app), await seeds.link(app)
    other = await seeds.user(app, "bob@example.com")
    opened = await verifier.verify(app, first.token, session={})
    session = {"extends": opened.json["session_token"]}
    answer = await verifier.verify(app, link.token, session=session, user_id=str(other))
    assert (answer.status, answer.code) == (404, "session_invalid")
    assert (await verifier.verify(app, link.token)).status == 200
