"""What a worker process gets from its parent (`shared.workers`): open sockets, and a pipe that ends with the parent."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

VARIABLE = "MAGICLINK_WORKER"


@dataclass(frozen=True, slots=True)
class Inheritance:
    """File descriptors: sockets for HTTP, one for operations, and the reading end of the parent's pipe."""

    http: Sequence[int]
    ops: int
    parent: int

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (*self.http, self.ops, self.parent)

    def http_sockets(self) -> list[socket.socket]:
        """Return the sockets to accept requests on. Call once: a socket owns its descriptor."""
        return [socket.socket(fileno=descriptor) for descriptor in self.http]

    def ops_socket(self) -> socket.socket:
        return socket.socket(fileno=self.ops)

    def variable(self) -> dict[str, str]:
        """Return the environment variable that tells a worker of it."""
        members = {"http": list(self.http), "ops": self.ops, "parent": self.parent}
        return {VARIABLE: orjson.dumps(members).decode()}


def inheritance(environment: Mapping[str, str] = os.environ) -> Inheritance | None:
    """Return what the parent left to this process; None in a process of its own."""
    text = environment.get(VARIABLE)
    return Inheritance(**orjson.loads(text)) if text else None
