"""The client against a stand-in that plays back answers over a real socket."""

import json
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from shared.client import ApiError, IssuedLink, MagicLinkClient, UnreachableError, calls, request_id

KEY = "mlk_test_verysecretkey"
TOKEN = "1secretTokenThatNobodyMaySee"
LINK = {
    "id": "0190b0c4-0000-7000-8000-000000000001",
    "app_id": "demo",
    "user_id": "u1",
    "type": "login",
    "status": "issued",
    "url": f"http://127.0.0.1:8002/l/{TOKEN}",
    "token": TOKEN,
    "passcode": None,
    "state": {"cart": 7},
    "metadata": {"a": 1},
    "channel": "email",
    "expires_at": "2026-01-02T03:04:05.678Z",
    "a_field_of_next_year": True,
}
ISSUED = {"link": LINK, "message": {"id": "m1", "channel": "email", "status": "queued"}}
VERIFIED = {
    "link": LINK,
    "user": {"id": "u1", "email": "ada@example.com", "phone": None},
    "state": {"cart": 7},
    "metadata": {"a": 1},
    "jwt": "eyJhbGciOi.secret.jwt",
    "jwt_expires_at": "2026-01-02T03:09:05Z",
}


@dataclass
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class StandIn:
    """Answers with the scripted answers in turn, the last one for ever; `None` hangs up without an answer."""

    url: str = ""
    answers: list[Callable[[], web.Response] | None] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if text else None
        self.seen.append(Seen(request.method, request.path_qs, request.headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return answer()

    def keys(self) -> list[str | None]:
        return [seen.headers.get("Idempotency-Key") for seen in self.seen]


def good(body: Any, status: int = 200) -> Callable[[], web.Response]:
    return lambda: web.json_response(body, status=status)


def problem(status: int, code: str, **more: Any) -> Callable[[], web.Response]:
    headers = {"X-Request-Id": "req-of-server", **more.pop("headers", {})}
    body = json.dumps({"status": status, "code": code, "title": "No.", **more})
    return lambda: web.Response(
        status=status, headers=headers, text=body, content_type="application/problem+json"
    )


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", stand_in.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand_in.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stand_in
    await runner.cleanup()


@pytest.fixture
async def client(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MagicLinkClient]:
    monkeypatch.setattr(calls, "FIRST_PAUSE_SECONDS", 0.001)
    async with MagicLinkClient(server.url, server.url, KEY, timeout_seconds=3.0) as made:
        yield made


async def test_a_link_request_goes_out_and_comes_back_as_types(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [good(ISSUED, 201)]
    send_at = datetime(2026, 1, 2, tzinfo=UTC)
    issued = await client.create_link(email="ada@example.com", channel="email", send_at=send_at)
    seen = server.seen[0]
    assert (seen.method, seen.path) == ("POST", "/v1/links")
    assert seen.body == {
        "email": "ada@example.com",
        "channel": "email",
        "send_at": "2026-01-02T00:00:00+00:00",
    }
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert UUID(seen.headers["Idempotency-Key"]).version == 4
    assert issued.link.url == LINK["url"]
    assert issued.link.state == {"cart": 7}
    assert issued.link.expires_at == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert issued.message is not None
    assert issued.message.status == "queued"


async def test_an_explanation_is_asked_for_with_the_same_words_as_a_link(
    server: StandIn, client: MagicLinkClient
) -> None:
    told = {
        "would_issue": False,
        "problems": [
            {"field": "redirect_url", "rule": "redirect_not_allowed", "message": "matches no entry"}
        ],
        "link": {"type": "login", "slot": "default"},
        "user": None,
        "message": None,
        "limits": [],
        "a_field_of_next_year": 1,
    }
    server.answers = [good(told)]
    explained = await client.explain_link(email="ada@example.com", slot="default")
    assert (server.seen[0].path, server.seen[0].body) == (
        "/v1/links/explain", {"email": "ada@example.com", "slot": "default"},
    )  # fmt: skip
    assert not explained.would_issue
    assert explained.problems[0]["rule"] == "redirect_not_allowed"
    assert explained.link["slot"] == "default"


async def test_a_link_is_sent_and_sent_again_by_its_id(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [good(ISSUED)]
    await client.send_link("l/1", channel="sms", passcode=True)
    await client.resend_link("l1", channel="whatsapp")
    sent = await client.resend_link("l1", idempotency_key="again")
    assert [(seen.path, seen.body) for seen in server.seen] == [
        ("/v1/links/l%2F1/send", {"channel": "sms", "passcode": True}),
        ("/v1/links/l1/resend", {"channel": "whatsapp"}),
        ("/v1/links/l1/resend", {}),
    ]
    assert server.keys()[2] == "again"
    assert isinstance(sent, IssuedLink)


async def test_a_passcode_goes_out_and_comes_back_as_a_type_and_shows_no_code(
    server: StandIn, client: MagicLinkClient
) -> None:
    passcode = {
        "id": "l1", "user_id": "u1", "channel": "email", "code": "482913",
        "expires_at": "2026-01-02T03:14:05Z", "created_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    server.answers = [good({"passcode": passcode, "user_created": True, "message": ISSUED["message"]}, 201)]
    made = await client.create_passcode(email="ada@example.com", channel="email", create_user=False)
    assert (made.id, made.code, made.user_created) == ("l1", "482913", True)
    assert made.message is not None
    assert made.message.id == "m1"
    assert "482913" not in repr(made)
    body = {"email": "ada@example.com", "channel": "email", "create_user": False}
    assert (server.seen[0].path, server.seen[0].body) == ("/v1/passcodes", body)


async def test_a_link_is_sent_by_its_passcode_and_revealed_by_its_id(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [good({**ISSUED, "user_created": True}), good({"link": LINK})]
    sent = await client.send_by_passcode("482913", "email", locale="de")
    revealed = await client.reveal_link("l/1")
    assert (sent.user_created, revealed.token) == (True, TOKEN)
    assert [(seen.path, seen.body) for seen in server.seen] == [
        ("/v1/passcodes/send", {"passcode": "482913", "channel": "email", "locale": "de"}),
        ("/v1/links/l%2F1/reveal", {}),
    ]


async def test_all_links_of_a_user_are_revoked_in_one_call(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [good({"revoked": 2, "link_ids": ["l1", "l2"]})]
    assert await client.revoke_links(email="ada@example.com", type="login") == ["l1", "l2"]
    assert (server.seen[0].path, server.seen[0].body) == (
        "/v1/links/revoke", {"email": "ada@example.com", "type": "login"},
    )  # fmt: skip


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_refusal_is_retried_with_the_same_idempotency_key(
    server: StandIn, client: MagicLinkClient, status: int
) -> None:
    server.answers = [problem(status, "unavailable"), problem(status, "unavailable"), good(ISSUED, 201)]
    await client.create_link(email="ada@example.com")
    assert len(server.seen) == 3
    assert len(set(server.keys())) == 1
    assert server.keys()[0]
    assert len({seen.headers["X-Request-Id"] for seen in server.seen}) == 1


async def test_a_lost_answer_is_asked_for_again_as_the_same_attempt(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [None, good(VERIFIED)]
    verified = await client.verify_link(TOKEN)
    assert verified.user.email == "ada@example.com"
    assert len(set(server.keys())) == 1


async def test_a_passcode_whose_answer_got_lost_is_typed_again_as_the_same_attempt(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [None, problem(503, "unavailable", headers={"Retry-After": "0"}), good(VERIFIED)]
    verified = await client.verify_passcode("123456", email="ada@example.com")
    assert verified.user.email == "ada@example.com"
    assert len(server.seen) == 3
    assert len(set(server.keys())) == 1


async def test_a_link_in_progress_is_waited_for(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [problem(409, "link_in_progress", headers={"Retry-After": "0"}), good(VERIFIED)]
    assert (await client.verify_link(TOKEN)).state == {"cart": 7}


async def test_two_calls_are_two_attempts(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [good(ISSUED, 201)]
    await client.create_link(email="ada@example.com")
    await client.create_link(email="ada@example.com")
    assert len(set(server.keys())) == 2


async def test_a_caller_may_continue_an_attempt_with_its_own_key(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [good(VERIFIED)]
    await client.exchange_grant("the-code", idempotency_key="mine")
    assert server.keys() == ["mine"]


async def test_a_final_refusal_is_not_retried_and_says_everything(
    server: StandIn, client: MagicLinkClient
) -> None:
    errors = [{"field": "email", "rule": "email", "message": "is not valid"}]
    server.answers = [problem(422, "invalid_request", detail="email: is not valid", errors=errors)]
    with pytest.raises(ApiError) as caught:
        await client.create_link(email="nonsense")
    error = caught.value
    assert len(server.seen) == 1
    assert (error.status, error.code, error.title) == (422, "invalid_request", "No.")
    assert (error.detail, error.request_id) == ("email: is not valid", "req-of-server")
    assert list(error.errors) == errors
    assert error.idempotency_key == server.keys()[0]


async def test_retries_are_bounded_in_number(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [problem(503, "unavailable")]
    with pytest.raises(ApiError) as caught:
        await client.verify_link(TOKEN)
    assert caught.value.status == 503
    assert len(server.seen) == calls.MAX_TRIES


async def test_retries_are_bounded_in_time(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_SECONDS", 0.2)
    server.answers = [problem(503, "unavailable")]
    async with MagicLinkClient(server.url, server.url, KEY, timeout_seconds=0.3) as impatient:
        with pytest.raises(ApiError):
            await impatient.verify_link(TOKEN)
    assert len(server.seen) == 2


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured_and_never_outwaits_the_time_limit(
    server: StandIn, client: MagicLinkClient, form: str
) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    retry_after = "60" if form == "seconds" else in_a_minute
    server.answers = [problem(429, "rate_limited", headers={"Retry-After": retry_after}), good(ISSUED)]
    with pytest.raises(ApiError) as caught:
        await client.create_link(email="ada@example.com")
    assert len(server.seen) == 1
    assert caught.value.retry_after_seconds == pytest.approx(60, abs=2)


async def test_a_short_retry_after_is_waited_out(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [problem(503, "unavailable", headers={"Retry-After": "1"}), good(ISSUED)]
    started = datetime.now(UTC)
    await client.create_link(email="ada@example.com")
    assert datetime.now(UTC) - started >= timedelta(seconds=1)


async def test_nobody_there_is_an_error_of_its_own_that_names_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_SECONDS", 0.001)
    async with MagicLinkClient("http://127.0.0.1:9", "http://127.0.0.1:9", KEY) as alone:
        with pytest.raises(UnreachableError, match="/v1/links/verify got no answer") as caught:
            await alone.verify_link(TOKEN)
    assert caught.value.idempotency_key
    assert KEY not in "".join(traceback.format_exception(caught.value))


async def test_no_secret_shows_in_errors_or_values_even_if_a_proxy_echoes_it(
    server: StandIn, client: MagicLinkClient
) -> None:
    echo = f"no route for {TOKEN} with {KEY}"
    server.answers = [problem(400, "bad", detail=echo, errors=[{"field": "token", "input": TOKEN}])]
    with pytest.raises(ApiError) as caught:
        await client.verify_link(TOKEN)
    server.answers = [lambda: web.Response(status=403, text=f"<h1>{echo}</h1>")]
    with pytest.raises(ApiError) as page:
        await client.verify_link(TOKEN)
    server.answers = [good(ISSUED)]
    issued = await client.create_link(email="ada@example.com")
    server.answers = [good(VERIFIED)]
    verified = await client.verify_link(TOKEN)
    for shown in (caught.value, page.value, issued, verified, client):
        for text in (str(shown), repr(shown)):
            assert TOKEN not in text
            assert KEY not in text
            assert "secret.jwt" not in text
    assert page.value.code == "answer_unreadable"


async def test_a_good_status_without_json_is_an_error(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [lambda: web.Response(text="<h1>Welcome to the hotel network</h1>")]
    with pytest.raises(ApiError, match="answer_unreadable"):
        await client.verify_link(TOKEN)


async def test_a_redirect_is_not_followed(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [lambda: web.Response(status=307, headers={"Location": "/elsewhere"})]
    with pytest.raises(ApiError):
        await client.verify_link(TOKEN)
    assert len(server.seen) == 1


async def test_an_error_names_the_request_even_if_the_answer_does_not(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [lambda: web.Response(status=403)]
    with pytest.raises(ApiError) as caught:
        await client.verify_link(TOKEN)
    assert caught.value.request_id == server.seen[0].headers["X-Request-Id"]


async def test_the_request_id_of_the_caller_is_passed_on(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [good(ISSUED)]
    before = request_id.set("req-of-caller")
    try:
        await client.create_link(email="ada@example.com")
    finally:
        request_id.reset(before)
    assert server.seen[0].headers["X-Request-Id"] == "req-of-caller"


async def test_a_batch_answers_in_order_and_one_bad_item_refuses_itself_only(
    server: StandIn, client: MagicLinkClient
) -> None:
    bad = {"error": {"status": 422, "code": "invalid_request", "title": "No."}}
    server.answers = [good({"results": [ISSUED, bad, ISSUED]})]
    first, second, third = await client.create_links([{"email": "a@example.com"}] * 3)
    assert isinstance(first, IssuedLink)
    assert isinstance(second, ApiError)
    assert (second.status, second.code) == (422, "invalid_request")
    assert isinstance(third, IssuedLink)
    assert server.seen[0].path == "/v1/links/batch"


async def test_a_deletion_whose_answer_got_lost_is_done(server: StandIn, client: MagicLinkClient) -> None:
    server.answers = [None, problem(404, "not_found")]
    await client.delete_user("u1")
    assert [seen.method for seen in server.seen] == ["DELETE", "DELETE"]


async def test_an_id_from_outside_cannot_lead_to_another_route(
    server: StandIn, client: MagicLinkClient
) -> None:
    server.answers = [problem(404, "not_found")]
    with pytest.raises(ApiError):
        await client.get_link("../apps/demo?x=1")
    assert server.seen[0].path == "/v1/links/..%2Fapps%2Fdemo%3Fx=1"
    with pytest.raises(ValueError, match="not an id"):
        await client.get_link("..")


@pytest.mark.parametrize("url", ["127.0.0.1:8001", "ftp://a", "http://user:pw@a", "http://a/?q", "http://"])
def test_a_wrong_base_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="base URL") as caught:
        MagicLinkClient(url, url, KEY)
    assert url not in str(caught.value)


@pytest.mark.parametrize("key", ["", "with space", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="API key"):
        MagicLinkClient("http://a", "http://a", key)
