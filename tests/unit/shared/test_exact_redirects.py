import pytest

from shared.redirects import RedirectPolicy, RedirectRefused, check_entry

ENTRY = "https://app.example/callback"
EXACT = RedirectPolicy("https://app.example", (ENTRY, "https://old.example/*", "https://q.example/x?a=1"), exact=True)  # fmt: skip


def refused_by(url: str) -> str | None:
    try:
        EXACT.resolve(url)
    except RedirectRefused as refused:
        return refused.rule
    return None


def test_an_entry_is_led_to() -> None:
    assert EXACT.resolve(ENTRY) == ENTRY


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        (f"{ENTRY}/", "redirect_not_allowed"),
        (f"{ENTRY}?next=1", "redirect_not_allowed"),
        ("https://APP.example/callback", "redirect_not_allowed"),
        ("https://app.example:443/callback", "redirect_not_allowed"),
        # A path under the base URL, and entries from before the rule was on.
        ("https://app.example/elsewhere", "redirect_not_allowed"),
        ("/callback", "redirect_scheme"),
        ("https://old.example/anything", "redirect_not_allowed"),
        ("https://old.example/*", "redirect_not_allowed"),
        ("https://q.example/x?a=1", "redirect_not_allowed"),
        ("http://app.example/callback", "redirect_https_only"),
    ],
)
def test_nothing_but_an_entry_to_the_letter_is_led_to(url: str, rule: str) -> None:
    # The entry with a wildcard matches itself as a text, and leads nowhere.
    assert refused_by(url) == rule


@pytest.mark.parametrize(
    ("entry", "rule"),
    [("https://app.example/*", "redirect_wildcard"), ("https://app.example/in?a=1", "redirect_query"),
     ("https://app.example/in?", "redirect_query"), ("http://app.example/in", "redirect_https_only")],
)  # fmt: skip
def test_a_list_of_exact_entries_has_neither_wildcards_nor_queries(entry: str, rule: str) -> None:
    with pytest.raises(RedirectRefused) as caught:
        check_entry(entry, allow_http=False, exact=True)
    assert caught.value.rule == rule
