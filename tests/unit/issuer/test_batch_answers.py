from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
import pytest

from services.issuer.api_links import LinksApi
from services.issuer.issue import Issue
from services.issuer.lanes import Lanes
from services.issuer.new_links import Groups, NewLink, issued_links
from services.issuer.orders import Issued
from services.issuer.policy import App, Apps, draft_link
from services.issuer.reach import FoundUser
from shared.http.routes import json_response
from shared.links import LinkRequest
from shared.tokens import new_link_id
from tests.unit.issuer.test_api_links import APP, RING, answer, call

AT = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
TRICKY = {"a": "100 % %s %(token)s %%", 'q"\\': "é\n\u2028</script>"}


def made(count: int, app: App = APP, **request: Any) -> list[Issued]:
    """Return links of one group, as an order makes them. The first of them has a new user."""
    groups, links = Groups("1"), list[NewLink]()
    form = draft_link(app, LinkRequest(email="ann@example.com", **request), "bulk").form
    for number in range(count):
        user = FoundUser(new_link_id(), f"u{number}@example.com", "+4930123456", None, number == 0)
        draft = draft_link(app, LinkRequest(email="ann@example.com"), "bulk")._replace(form=form)
        link = groups.link(draft, user, new_link_id(), "{}")
        assert isinstance(link, NewLink)
        links.append(link)
    return list(issued_links(links, AT).values())


def both(links: list[Issued], app: App, *scopes: str) -> tuple[list[Any], list[Any]]:
    """Return the results as a batch writes them, and each as it would be told alone."""
    api = LinksApi(
        cast(Issue, None), cast(Apps, None), cast(Lanes, None), RING, "https://login.example/%(id)s"
    )
    asked = call({}, *scopes)
    grouped = api.answers(app, asked)
    together = answer(json_response({"results": [grouped.result(link) for link in links]}))["results"]
    return together, [answer(json_response(api.view(link, app, asked))) for link in links]


@pytest.mark.parametrize("scopes", [(), ("links:reveal",)])
@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"channel": "email", "passcode": True},
        {"state": TRICKY, "metadata": TRICKY, "redirect_url": "/a%20b?c=%(token)s", "channel": "sms"},
        {"send_at": datetime.now(UTC) + timedelta(days=2), "channel": "email"},
        {"url_template": "https://shop.example/in?t={token}&u={user_id}&l={link_id}"},
        {"url_template": "https://shop.example/in?p={passcode}", "passcode": True},
        {"slot": "one"},
    ],
)
def test_a_batch_tells_of_each_link_what_would_be_told_of_it_alone(
    request_: dict[str, Any], scopes: tuple[str, ...]
) -> None:
    links = made(3, **request_)
    together, alone = both(links, APP, *scopes)
    assert together == alone
    assert [result["link"]["id"] for result in together] == [str(link.id) for link in links]
    assert ("token" in together[0]["link"]) == bool(scopes)


def test_new_users_landing_pages_and_replays_are_told_as_they_are() -> None:
    landing = replace(APP, landing_url="https://shop.example/in?x=%s")
    links = [
        *made(3, landing),
        *(link._replace(group=None) for link in made(2)),
    ]
    together, alone = both(links, landing, "links:reveal")
    assert together == alone
    assert [result["user_created"] for result in together] == [True, False, False, True, False]


def test_older_links_of_one_slot_are_superseded_in_the_answer() -> None:
    first = made(1, slot="one")[0]
    groups, user = Groups("1"), FoundUser(new_link_id(), "ann@example.com", None)
    form = draft_link(APP, LinkRequest(email="ann@example.com", slot="one"), "bulk").form
    links = []
    for _ in range(3):
        draft = draft_link(APP, LinkRequest(email="ann@example.com"), "bulk")._replace(form=form)
        link = groups.link(draft, user, new_link_id(), "{}")
        assert isinstance(link, NewLink)
        links.append(link)
    told = [*issued_links(links, AT).values()]
    assert [link.status for link in told] == ["superseded", "superseded", "issued"]
    together, alone = both([first, *told], APP, "links:reveal")
    assert together == alone
    assert orjson.dumps(together)
