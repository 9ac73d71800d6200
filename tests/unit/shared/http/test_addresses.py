import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.addresses import client_address
from shared.settings import parse_networks

PROXIES = parse_networks("10.0.0.0/8, 2001:db8::/32")


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        # Whoever connects without a proxy of ours may write what it likes.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown", "unknown"),
        ("2001:db8::1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:203.0.113.9", "198.51.100.1", "::ffff:203.0.113.9"),
        ("", "198.51.100.1", ""),
        (None, "198.51.100.1", ""),
    ],
)
def test_the_address_is_the_nearest_that_is_no_proxy_of_ours(
    remote: str | None, forwarded_for: str | None, address: str
) -> None:
    assert client_address(remote, forwarded_for, PROXIES) == address


@given(st.text(max_size=50))
def test_without_trusted_proxies_the_header_counts_for_nothing(forwarded_for: str) -> None:
    assert client_address("203.0.113.9", forwarded_for, ()) == "203.0.113.9"
