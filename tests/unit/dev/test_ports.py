"""Ports: fixed defaults, the next free one, and never another part's."""

import socket

import pytest

from services.dev import ports


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Ports that seem taken."""
    busy: set[int] = set()
    monkeypatch.setattr(ports, "is_free", lambda port: port not in busy)
    return busy


def test_free_defaults_are_used(taken: set[int]) -> None:
    assert ports.choose_fixed(["issuer", "verifier"]) == {"issuer": 8001, "verifier": 8002}


def test_a_taken_default_moves_only_its_own_part(taken: set[int]) -> None:
    taken.add(8001)
    assert ports.choose_fixed(["issuer", "verifier"]) == {"issuer": 8009, "verifier": 8002}


def test_a_taken_ops_port_moves_past_the_other_ops_ports(taken: set[int]) -> None:
    taken.add(9001)
    assert ports.choose_fixed(["issuer-ops"]) == {"issuer-ops": 9005}


def test_a_second_clone_gets_ports_of_its_own(taken: set[int]) -> None:
    first = ports.choose_fixed(ports.DEFAULTS)
    taken.update(first.values())
    second = ports.choose_fixed(ports.DEFAULTS)
    assert not set(first.values()) & set(second.values())
    assert len(set(second.values())) == len(ports.DEFAULTS)


def test_names_without_a_default_get_distinct_ports(taken: set[int]) -> None:
    chosen = ports.choose_fixed(["verifier-2", "verifier-3"])
    assert len(set(chosen.values())) == 2


def test_a_listening_socket_makes_its_port_taken() -> None:
    with socket.create_server((ports.HOST, 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


def test_a_socket_that_shares_its_port_makes_it_taken_too() -> None:
    with socket.create_server((ports.HOST, 0), reuse_port=True) as server:
        assert not ports.is_free(server.getsockname()[1])
