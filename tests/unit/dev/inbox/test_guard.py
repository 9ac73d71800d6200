import pytest

from services.dev.inbox.guard import is_local


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
