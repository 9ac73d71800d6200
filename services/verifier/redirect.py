"""Where the browser goes once the link is consumed."""

from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import orjson


def redirect_location(redirect_url: str, code: str, state: Any) -> str:
    """Return the redirect URL with `code` and `state` added; what its query held stays as it was (RFC 6749 §4.1.2).

    A state that is a text goes verbatim, None not at all, anything else as compact JSON.
    """
    added = {"code": code}
    if state is not None:
        added["state"] = state if isinstance(state, str) else orjson.dumps(state).decode()
    parts = urlsplit(redirect_url)
    query = urlencode(added, quote_via=quote, safe="")
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
