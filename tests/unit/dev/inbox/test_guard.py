import pytest

from services.dev.inbox.guard import is_local, is_own


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8005", "localhost:1", "LOCALHOST", "[::1]:8005"])
def test_this_machine_is_served(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "evil@localhost",
        "localhost:x",
        "[::1",
        "10.0.0.1",
    ],
)
def test_any_other_name_is_refused(host: str) -> None:
    assert not is_local(host)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:8005"},
        {"Host": "127.0.0.1:8005", "Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Host": "127.0.0.1:8005", "Sec-Fetch-Site": "none"},
        {"Host": "127.0.0.1:8005", "Origin": "http://127.0.0.1:8005"},
    ],
)
def test_our_own_pages_and_programs_may_change_the_inbox(headers: dict[str, str]) -> None:
    assert is_own(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1:8005", "Sec-Fetch-Site": "cross-site"},
        {"Host": "127.0.0.1:8005", "Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8005"},
        {"Host": "127.0.0.1:8005", "Origin": "http://127.0.0.1:8000"},
        {"Host": "127.0.0.1:8005", "Origin": "null"},
    ],
)
def test_another_sites_page_may_not(headers: dict[str, str]) -> None:
    assert not is_own(headers)
