from tests.integration.issuer_tenancy.bench import Caller

EVERYTHING = {
    "name": "Shop",
    "base_url": "https://shop.example",
    "redirect_urls": ["https://shop.example/in", "https://www.shop.example/app/*"],
    "default_redirect_url": "https://shop.example/in",
    "landing_url": "https://shop.example/landing",
    "ttl_seconds": 600,
    "max_ttl_seconds": 1200,
    "grant_ttl_seconds": 120,
    "passcode_strategy": "letters",
    "passcode_length": 8,
    "jwt_algorithm": "ES256",
    "locale": "de-AT",
    "sender": "Shop <login@shop.example>",
    "branding": {"product_name": "The Shop", "colour": "#0a0B0c", "support_url": "https://shop.example/help"},
    "intake": True,
    "interactive_per_minute": 60,
}


async def test_an_app_comes_back_as_it_was_given(operator: Caller) -> None:
    made = await operator.ask("POST", "/v1/apps", EVERYTHING)
    assert made.status == 201
    read = await operator.ask("GET", f"/v1/apps/{made.body['id']}")
    assert read.body == made.body
    assert {name: read.body[name] for name in EVERYTHING} == EVERYTHING


async def test_every_field_error_is_told_at_once(operator: Caller) -> None:
    answer = await operator.ask(
        "POST",
        "/v1/apps",
        {"name": "", "redirect_urls": ["http://shop.example/"], "sender": "x", "colour": 1, "locale": "??"},
    )
    assert answer.status == 422
    assert set(answer.rules) == {"name", "redirect_urls", "sender", "colour", "locale"}
    assert answer.rules["redirect_urls"] == "redirect_https_only"


async def test_only_an_administrator_makes_apps(shop: Caller) -> None:
    answer = await shop.ask("POST", "/v1/apps", {"name": "Mine"})
    assert (answer.status, answer.code) == (403, "forbidden")


async def test_an_app_reads_and_changes_itself_and_no_other(shop: Caller, stranger: Caller) -> None:
    changed = await shop.ask("PATCH", f"/v1/apps/{shop.app_id}", {"ttl_seconds": 300})
    assert (changed.status, changed.body["ttl_seconds"]) == (200, 300)
    for method, body in (("GET", None), ("PATCH", {"ttl_seconds": 600})):
        refused = await stranger.ask(method, f"/v1/apps/{shop.app_id}", body)
        assert (refused.status, refused.code) == (404, "not_found")
    assert (await shop.ask("GET", f"/v1/apps/{shop.app_id}")).body["ttl_seconds"] == 300


async def test_a_foreign_app_is_answered_like_an_unknown_one(shop: Caller, stranger: Caller) -> None:
    foreign = await stranger.ask("GET", f"/v1/apps/{shop.app_id}")
    unknown = await stranger.ask("GET", "/v1/apps/00000000-0000-7000-8000-000000000000")
    for answer in (foreign, unknown):
        del answer.body["request_id"]
    assert foreign.body == unknown.body


async def test_a_change_is_checked_with_what_it_leaves_alone(shop: Caller) -> None:
    too_long = await shop.ask("PATCH", f"/v1/apps/{shop.app_id}", {"max_ttl_seconds": 60})
    assert (too_long.status, too_long.rules) == (422, {"ttl_seconds": "ttl_too_long"})
    elsewhere = await shop.ask(
        "PATCH", f"/v1/apps/{shop.app_id}", {"default_redirect_url": "https://evil.example/"}
    )
    assert elsewhere.rules == {"default_redirect_url": "redirect_not_allowed"}
    unknown = await shop.ask("PATCH", f"/v1/apps/{shop.app_id}", {"id": shop.app_id})
    assert unknown.status == 422
    assert (await shop.ask("PATCH", f"/v1/apps/{shop.app_id}", ["ttl_seconds"])).status == 422


async def test_a_listing_holds_the_own_app_or_all_for_an_administrator(
    shop: Caller, operator: Caller
) -> None:
    own = await shop.ask("GET", "/v1/apps")
    assert [app["id"] for app in own.body["items"]] == [shop.app_id]
    found: set[str] = set()
    cursor = ""
    while True:
        answer = await operator.ask("GET", f"/v1/apps?limit=2{cursor}")
        found |= {app["id"] for app in answer.body["items"]}
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
    assert {shop.app_id, operator.app_id} <= found


async def test_an_app_is_made_once_for_each_idempotency_key(operator: Caller) -> None:
    first = await operator.ask("POST", "/v1/apps", {"name": "Once"}, idempotency_key="app-1")
    again = await operator.ask("POST", "/v1/apps", {"name": "Once"}, idempotency_key="app-1")
    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
