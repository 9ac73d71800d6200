"""Drafts of many requests: what differs by its e-mail address only is judged once.

The items of a batch, and the requests that a job puts on Kafka, say the same of all their links but whom each is for. Checking the
fields and the rules of one took 12 µs, looking up what was found for one like it takes 3.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError

from services.issuer.policy import App, Draft, Form, UserKey, draft_link
from shared.http.routes import NO_LIMITS, KeyLimits, validate
from shared.links import Email, LinkRequest
from shared.tokens import new_link_ids

# Requests past so many kinds are judged one by one: what is kept for a batch of any is small.
_MOST_KINDS: Final = 64
_IDS_AT_ONCE: Final = 500
_EMAIL: Final = TypeAdapter[str](Email)


class Alike:
    """Drafts the requests of one app and one key that come together, within a moment: rules of time are not judged again."""

    def __init__(
        self, app: App, default_lane: str, model: type[LinkRequest], limits: KeyLimits = NO_LIMITS
    ) -> None:
        self._app = app
        self._default_lane = default_lane
        self._model = model
        self._limits = limits
        self._forms: dict[bytes, Form] = {}
        self._ids = new_link_ids(0)

    def draft(self, data: dict[str, Any], prefix: str = "") -> Draft:
        """Return the draft of an allowed link. Raises `Invalid` with every problem, each field's name after the prefix."""
        kind = self._kind(data)
        form = self._forms.get(kind) if kind else None
        email = _spelled(data["email"]) if form else None
        if form and email:
            return Draft(self._next_id(), UserKey(self._app.id, "email", email), form)
        request = validate(self._model, data, prefix)
        draft = draft_link(self._app, request, self._default_lane, self._limits)
        if kind and len(self._forms) < _MOST_KINDS:
            # Without the address of the one that was first.
            form = replace(draft.form, request=request.model_copy(update={"email": None}))
            self._forms[kind] = form
            draft = draft._replace(form=form)
        return draft

    def _kind(self, data: Mapping[str, Any]) -> bytes | None:
        """Return what is the same for all that this one is like; None: it has to be judged by itself."""
        # Of a key for some domains the rules are about the address, too.
        if not isinstance(data.get("email"), str) or self._limits.recipient_domains is not None:
            return None
        try:
            return orjson.dumps({**data, "email": None})
        except orjson.JSONEncodeError:
            return None

    def _next_id(self) -> UUID:
        if not self._ids:
            self._ids = new_link_ids(_IDS_AT_ONCE)
        return self._ids.pop()


def _spelled(email: str) -> str | None:
    """Return the one spelling of an address; None: it is none."""
    try:
        return _EMAIL.validate_python(email)
    except ValidationError:
        return None
