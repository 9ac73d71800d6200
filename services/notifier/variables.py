"""The variables of templates, made of a `MessageContext`: everything from outside is harmless in them.

Each form of a message sees them a little differently: in right-to-left texts addresses and passcodes are isolated, or
the digits of "482 913" would change their places; in HTML they are marked up for that.
"""

import re
from collections.abc import Callable, Mapping

from babel import Locale
from markupsafe import Markup, escape

from services.notifier.content import CannotRender, MessageContext
from services.notifier.languages import duration_words, formats_of, is_right_to_left, moment_words
from services.notifier.wording import button_colours, harmless, one_line, passcode_groups
from shared.asker import device_words, ip_words

_URL = re.compile(r"https?://[!-~]+")
_SAFE_URL = re.compile(r"https://[^\s\"'<>\\]+")
_LEFT_TO_RIGHT, _FIRST_STRONG, _END = "\u2066", "\u2068", "\u2069"


def variables_of(context: MessageContext, locale: str, asked_locale: str | None = None) -> dict[str, object]:
    """Return what templates of `locale` see; dates are written as in `asked_locale`.

    `data` is the request's `template_data`, one line each and without links; `raw_data` is the same as it came, for
    templates whose product vouches for the values.

    Raises:
        CannotRender: The link is not an absolute http(s) URL.
    """
    formats = formats_of(asked_locale or locale, locale)
    return shared_variables(context, locale, formats) | own_variables(context, formats)


def shared_variables(context: MessageContext, locale: str, formats: Locale) -> dict[str, object]:
    """Return those that are alike in many messages: they follow from the app's brand, the language and `ttl_seconds`."""
    brand = context.brand
    button, button_text = button_colours(brand.colour)
    app_name = one_line(brand.app_name, max_chars=80)
    return {
        "locale": locale,
        "direction": "rtl" if is_right_to_left(locale) else "ltr",
        "duration": duration_words(context.ttl_seconds, formats),
        "ttl_minutes": context.ttl_seconds // 60,
        "app_name": app_name,
        "sender_name": one_line(brand.sender_name or "", max_chars=80) or app_name,
        "button_colour": button,
        "button_text_colour": button_text,
        # Shown and followed in our name: a scheme like `javascript:` or plain http has no place here.
        "support_url": _safe_url(brand.support_url),
        "logo_url": _safe_url(brand.logo_url),
        "footer": one_line(brand.footer or "", max_chars=300) or None,
    }


def own_variables(context: MessageContext, formats: Locale) -> dict[str, object]:
    """Return those that differ from message to message. Raises as `variables_of` does."""
    if context.url is not None and not _URL.fullmatch(context.url):
        raise CannotRender("the link is not an absolute http or https URL")
    until = context.valid_until
    groups = passcode_groups(context.passcode or "")
    data = harmless(dict(context.template_data))
    return {
        # Not there at all without a link: a template that shows one must fail, not print "None".
        **({} if context.url is None else {"url": context.url}),
        "recipient": one_line(context.recipient),
        "passcode": context.passcode,
        "passcode_groups": groups,
        "passcode_aloud": " ".join(groups),
        "valid_until": moment_words(until, context.time_zone, formats) if until else None,
        "asked_at": moment_words(context.asked_at, context.time_zone, formats),
        "asker": _asker(context),
        "inviter": _inviter(data),
        "data": data,
        "raw_data": dict(context.template_data),
    }


def text_variables(variables: Mapping[str, object]) -> dict[str, object]:
    """Return the variables for running text: in right-to-left languages with isolates (Unicode UAX #9)."""
    if variables["direction"] == "ltr":
        return dict(variables)
    return dict(variables) | {
        "recipient": _isolated(variables["recipient"], _LEFT_TO_RIGHT),
        "passcode_aloud": _isolated(variables["passcode_aloud"], _LEFT_TO_RIGHT),
        "app_name": _isolated(variables["app_name"], _FIRST_STRONG),
        "inviter": _isolated(variables["inviter"], _FIRST_STRONG),
        "asker": _asker_with(variables["asker"], lambda text: _isolated(text, _LEFT_TO_RIGHT)),
    }


def html_variables(variables: Mapping[str, object]) -> dict[str, object]:
    """Return the variables for phrases of HTML: the recipient stands out, foreign writing keeps its direction."""
    return dict(variables) | {
        "recipient": _marked('<bdi class="name" dir="ltr">{}</bdi>', variables["recipient"]),
        "inviter": _marked("<bdi>{}</bdi>", variables["inviter"]),
        "asker": _asker_with(variables["asker"], lambda text: _marked('<bdi dir="ltr">{}</bdi>', text)),
    }


def _asker(context: MessageContext) -> dict[str, str | None] | None:
    ip = ip_words(context.asker_ip)
    if ip is None:
        return None
    device = device_words(context.asker_user_agent)
    known = device["browser"] and device["system"]
    return {"ip": ip, **device, "device": f"{device['browser']}, {device['system']}" if known else None}


def _asker_with(asker: object, change: Callable[[object], str]) -> object:
    if not isinstance(asker, dict):
        return asker
    return {name: change(text) if text else text for name, text in asker.items()}


def _inviter(data: object) -> str:
    name = data.get("inviter_name") if isinstance(data, dict) else None
    return one_line(name, max_chars=80) if isinstance(name, str) else ""


def _isolated(text: object, mark: str) -> str:
    return f"{mark}{text}{_END}" if text else ""


def _marked(tag: str, text: object) -> str:
    return Markup(tag).format(escape(text)) if text else Markup()  # noqa: S704 - a constant of this module


def _safe_url(url: str | None) -> str | None:
    return url if url is not None and _SAFE_URL.fullmatch(url) else None
