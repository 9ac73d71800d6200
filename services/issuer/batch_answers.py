"""The answer to a batch: what links of one group have in common is written as JSON once, with slots for what differs."""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import orjson

from services.issuer.orders import Issued
from services.issuer.reveal import Secrets

# Nobody can guess it, so no state or metadata of a caller's can be taken for a slot.
_SLOT: Final = uuid4().hex
# Ids and letters and digits: none of them needs an escape in JSON.
_SECRETS: Final = ("passcode", "token", "poll_token")


class GroupedAnswers:
    """Writes the results of a batch: 4 µs a link, member after member 9. `view` is what each link is told as."""

    def __init__(self, view: Callable[[Issued], dict[str, Any]], secrets: Secrets | None) -> None:
        self._view = view
        self._secrets = secrets
        self._written: dict[tuple[object, str, bool], str] = {}

    def result(self, link: Issued) -> object:
        """Return what orjson writes as the link's result."""
        if link.group is None or link.url_template is not None:
            return self._view(link)
        alike = (link.group, link.status, link.user_created)
        written = self._written.get(alike)
        if written is None:
            written = self._written[alike] = _with_slots(self._view(link))
        texts = {"id": link.id, "user_id": link.user_id, "message_id": link.message_id}
        secrets = self._secrets.texts(link) if self._secrets else {}
        return orjson.Fragment(written % (texts | secrets))


def _with_slots(view: dict[str, Any]) -> str:
    """Return the JSON of a view as a format of `%`, with the names of the slots in it."""
    link, message = dict(view["link"]), view["message"]
    link["app_id"] = str(link["app_id"])
    if "url" in link:
        link["url"] = link["url"].replace(link["token"], _slot("token"))
    link |= {name: _slot(name) for name in ("id", "user_id")}
    link |= {name: _slot(name) for name in _SECRETS if link.get(name) is not None}
    if message is not None:
        message = {**message, "id": _slot("message_id")}
    written = orjson.dumps({**view, "link": link, "message": message}, option=orjson.OPT_UTC_Z).decode()
    return written.replace("%", "%%").replace(_SLOT, "%")


def _slot(name: str) -> str:
    return f"{_SLOT}({name})s"
