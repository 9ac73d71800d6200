"""The URL of a link: the page's own, the app's landing page, or a form of the request's, its `url_template`.

`https://shop.example/in?t={token}`: one `{token}` or `{passcode}`, behind the host, and what else of `PLACEHOLDERS` it wants.
What an attacker tries with a form: to send the token to a place of theirs. So the host is never filled in; the part before the query must
be allowed by the app (url_rules.py), and takes nothing that somebody chose: a state of `..` would leave the folder that is allowed.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import orjson

PLACEHOLDERS: Final = ("token", "passcode", "poll_token", "link_id", "user_id", "state")
MAX_TEMPLATE_CHARS: Final = 2048
MAX_STATE_CHARS: Final = 512

_SECRETS = ("token", "passcode")
# Known when the link is made, and the same for a link that takes its place: these are filled in then. The others are derived.
_LASTING = ("user_id", "state")
_BRACES = re.compile(r"\{([^{}]*)\}")
_ORIGIN = re.compile(r"https?://[^/?#{}\\\s]+(?=[/?])")


class TemplateRefused(ValueError):  # noqa: N818 - states the fact
    """The form is refused. `rule` is the stable name of the rule that refused it."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def check_template(template: str) -> None:
    """Raise `TemplateRefused` unless the text is a form of a link's URL. Where it leads is the app's to judge."""
    names = _BRACES.findall(template)
    rest = _BRACES.sub("", template)
    unknown = [name for name in names if name not in PLACEHOLDERS]
    if unknown or "{" in rest or "}" in rest:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise TemplateRefused("url_template_placeholder", f"may have no braces but those of {known}")
    if sum(names.count(name) for name in _SECRETS) != 1:
        raise TemplateRefused("url_template_secret", "needs {token} or {passcode}, exactly one of them, once")
    if not _ORIGIN.match(template):
        raise TemplateRefused(
            "url_template_host", "must begin with https:// and a host, all of it before the first brace"
        )
    if names_in(template.partition("?")[0]).intersection(_LASTING):
        raise TemplateRefused("url_template_path", "may have {user_id} and {state} behind its `?` only")
    if re.search(r"[\x00-\x20\x7f\\#]", template) or not template.isascii():
        raise TemplateRefused(
            "url_template_malformed", "must be ASCII without spaces, backslashes and a fragment"
        )


def names_in(template: str | None) -> frozenset[str]:
    """Return the placeholders of a form."""
    return frozenset(_BRACES.findall(template or ""))


def page_of(template: str) -> str:
    """Return the part before the query, with letters for what is filled in: what must be allowed."""
    return _BRACES.sub("x", template).partition("?")[0]


def fill_lasting(template: str | None, user_id: str, state: str | None) -> str | None:
    """Return the form as it is kept: with the user's public id and the state (as JSON text) in it, and no secret."""
    if template is None or not names_in(template).intersection(_LASTING):
        return template
    text = "" if state is None else orjson.loads(state)
    return _fill(template, {"user_id": user_id, "state": text})


def fill_secrets(template: str, secrets: Mapping[str, str]) -> str:
    """Return the URL: a kept form with the link's id and what is derived of it."""
    return _fill(template, secrets)


def link_url(public_url: str, landing_url: str | None, token: str) -> str:
    """Return the URL of a link that has no form: the verifier's page, or the app's own landing page with `?token=`."""
    if landing_url is None:
        return f"{public_url}/l/{token}"
    separator = "&" if "?" in landing_url else "?"
    return f"{landing_url}{separator}token={token}"


def _fill(template: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        # What stands in one part of a URL must not become another part of it.
        return quote(values[found[1]], safe="") if found[1] in values else found[0]

    return _BRACES.sub(value, template)
