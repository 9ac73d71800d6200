import pytest

from services.dev.inbox.callbacks import is_on_this_machine


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8003/callbacks/twilio?a=1", "https://localhost/x", "http://[::1]:9/"]
)
def test_callbacks_go_to_this_machine(url: str) -> None:
    assert is_on_this_machine(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@example.com/",
        "http://user@127.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://0.0.0.0/",
        "file://localhost/etc/passwd",
        "http://[::1",
        "http://localhost:x/",
    ],
)
def test_callbacks_go_nowhere_else(url: str) -> None:
    assert not is_on_this_machine(url)
