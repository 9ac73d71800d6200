"""E-mails prepared once and filled: those of one app, template and language differ by a few values.

Rendering one takes 250 µs, half of it to move the styles to their tags; filling one takes 30. A mail is prepared only where filling gives the
very bytes that rendering gives: from templates that show values and do nothing else with them (`plain_templates`), on pages where a
value stands as text or in the address of a link (`prepared_pages`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from services.notifier.content import CannotRender, Content, MessageContext, WhatsAppTemplate
from services.notifier.languages import formats_of
from services.notifier.prepared_pages import as_written, takes_slots
from services.notifier.template_set import TemplateSet
from services.notifier.variables import own_variables, shared_variables
from services.notifier.wording import subject_line
from shared.slots import Slotted, slot

_MOST = 1024  # mails of 6 KB
_SHOWN = ("url", "recipient", "passcode", "passcode_aloud", "valid_until", "asked_at", "inviter")
_CHANNEL = "email"
_NO_WHATSAPP = WhatsAppTemplate(None, {}, "")


class _Unprepared(Enum):
    ONCE = "came once: what comes only once, as a link with an odd life, is not worth preparing"
    NEVER = "cannot be prepared"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A mail with slots. It holds no link, passcode or address."""

    subject: Slotted
    text: Slotted
    page: Slotted

    def filled(self, values: Sequence[str]) -> Content | None:
        """Return the mail with these values, None for such as must be rendered."""
        written = [as_written(value) for value in values]
        if None in written:
            return None
        return Content(
            subject=subject_line(self.subject.filled(values)),
            text=self.text.filled(values),
            html=self.page.filled(cast("list[str]", written)),
            sms="",
            whatsapp=_NO_WHATSAPP,
        )


class PreparedMails:
    """Renders e-mails; those of a kind that came before are filled."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], _Prepared | _Unprepared] = {}

    def render(self, found: TemplateSet, context: MessageContext, asked_locale: str) -> Content:
        """Return what `found` renders for the e-mail of this context. Raises as rendering does."""
        formats = formats_of(asked_locale, found.locale)
        own = own_variables(context, formats)
        values = _values(own)
        # All that `shared_variables` are made of, and which values there are.
        kind = (found.place, asked_locale, context.brand, context.ttl_seconds, *values)
        kept = self._kept.get(kind)
        if isinstance(kept, _Prepared) and (content := kept.filled(list(values.values()))) is not None:
            return content
        variables = shared_variables(context, found.locale, formats) | own
        rendered = found.render(variables, _CHANNEL)
        if kept is None:
            self._keep(kind, _Unprepared.ONCE)
        elif kept is _Unprepared.ONCE:
            self._keep(kind, _prepared(found, variables, values, rendered))
        return rendered

    def _keep(self, kind: tuple[object, ...], mail: _Prepared | _Unprepared) -> None:
        if kind not in self._kept and len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]  # the oldest
        self._kept[kind] = mail


def _prepared(
    found: TemplateSet, variables: Mapping[str, object], values: Mapping[str, str], rendered: Content
) -> _Prepared | _Unprepared:
    """Return the mail with slots in place of the values."""
    slotted = {**variables, **_slots_of(variables)}
    try:
        content = found.render(slotted, _CHANNEL)
        if not takes_slots(found.page(slotted)):
            return _Unprepared.NEVER
    except CannotRender:
        return _Unprepared.NEVER
    names = list(values)
    prepared = _Prepared(
        subject=Slotted(found.subject_source(slotted), names),
        text=Slotted(content.text, names),
        page=Slotted(content.html, names),
    )
    # Not needed by what is known of templates and pages; and a mail is no place to find out that something is not known.
    filled = prepared.filled(list(values.values()))
    if filled is None:
        return _Unprepared.ONCE
    return prepared if filled == rendered else _Unprepared.NEVER


def _values(own: Mapping[str, object]) -> dict[str, str]:
    """Return what may be shown of a message's own variables, by the names of the slots; what is empty has none."""
    values = {name: str(own[name]) for name in _SHOWN if own.get(name)}
    groups = cast("list[str]", own["passcode_groups"])
    values.update({f"group{index}": group for index, group in enumerate(groups)})
    asker = cast("dict[str, str | None] | None", own["asker"]) or {}
    values.update({f"asker_{name}": text for name, text in asker.items() if text})
    return values


def _slots_of(own: Mapping[str, object]) -> dict[str, object]:
    groups = cast("list[str]", own["passcode_groups"])
    asker = cast("dict[str, str | None] | None", own["asker"])
    return {
        **{name: slot(name) for name in _SHOWN if own.get(name)},
        "passcode_groups": [slot(f"group{index}") for index in range(len(groups))],
        "asker": asker and {name: slot(f"asker_{name}") if text else text for name, text in asker.items()},
    }
