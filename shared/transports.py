"""What a library raises when it writes to a connection whose other end has just gone."""

from typing import Final

# uvloop/handles/handle.pyx, `_ensure_alive`. asyncio's own loop says nothing there, and the next read raises an OSError.
_CLOSED: Final = "the handler is closed"


def is_gone(error: BaseException) -> bool:
    """Say whether the connection failed: an `OSError`, or what uvloop raises in its place.

    uvloop raises a bare `RuntimeError` at a write to a transport that was closed since the last await. redis-py and aiokafka turn an
    `OSError` into one of their own and let this one through: a server killed in the middle of their handshake stopped a service.
    """
    return isinstance(error, OSError) or (isinstance(error, RuntimeError) and _CLOSED in str(error))
