"""What narrower keys may ask for: less than their app allows, by type, redirect, life and recipient (`KeyLimits`)."""

from collections.abc import Iterator

from shared.database import Row
from shared.errors import FieldProblem
from shared.http.routes import KeyLimits
from shared.link_urls import page_of
from shared.links import LinkRequest
from shared.recipients import domain_of
from shared.redirects import RedirectPolicy, RedirectRefused

_DOMAIN_RULE = "recipient_domain_not_allowed"


def within_key(
    limits: KeyLimits, request: LinkRequest, redirect_url: str | None, *, allow_http: bool
) -> list[FieldProblem]:
    """Return every limit of the key that a request goes past. `redirect_url` is where the link would lead."""
    return list(_past_limits(limits, request, redirect_url, allow_http))


def recipient_problem(limits: KeyLimits, email: str | None) -> FieldProblem | None:
    """Return what is wrong with a user whom a request named by id: this is their address today, None without one."""
    if limits.recipient_domains is None:
        return None
    if email is None:
        return FieldProblem(
            "user_id", _DOMAIN_RULE, "has no e-mail address, and this key reaches no other users"
        )
    if domain_of(email) not in limits.recipient_domains:
        return FieldProblem("user_id", _DOMAIN_RULE, "has an address outside the domains of this key")
    return None


def link_problems(limits: KeyLimits, link: Row, *, allow_http: bool) -> list[FieldProblem]:
    """Return why a key may not send a link, or see its URL, whoever made it. `link` has `type`, `redirect_url`, `url_template`, `ttl_seconds`.

    Else a narrow key could bring about, and see the URL of, what it could not ask for.
    """
    problems, most = [], limits.max_ttl_seconds
    if limits.types is not None and link["type"] not in limits.types:
        words = f"this key may not send links of the type {link['type']}"
        problems.append(FieldProblem("type", "type_not_allowed", words))
    template = link["url_template"]
    if template is not None and not _leads_within(limits, page_of(template), allow_http):
        words = "of the link matches no entry of this key's redirect_urls"
        problems.append(FieldProblem("url_template", "url_template_not_allowed_for_key", words))
    if link["redirect_url"] is not None and not _leads_within(limits, link["redirect_url"], allow_http):
        words = "of the link matches no entry of this key's redirect_urls"
        problems.append(FieldProblem("redirect_url", "redirect_not_allowed_for_key", words))
    if most is not None and link["ttl_seconds"] > most:
        words = f"of the link is more than this key's max_ttl_seconds, {most}"
        problems.append(FieldProblem("ttl_seconds", "ttl_too_long", words))
    return problems


def channel_problems(limits: KeyLimits, channel: str, recipient: str | None) -> list[FieldProblem]:
    """Return why a key may not send to the address that a link's user has today, by this channel."""
    domains = limits.recipient_domains
    if domains is not None and channel != "email":
        return [_no_texts()]
    if domains is not None and recipient is not None and domain_of(recipient) not in domains:
        return [
            FieldProblem("channel", _DOMAIN_RULE, "the user's address is outside the domains of this key")
        ]
    return []


def wider_limits(granted: KeyLimits, own: KeyLimits) -> list[str]:
    """Return the limits by which a key would go further than the one that makes it."""
    return [
        name
        for name, fits in {
            "types": _is_part(granted.types, own.types),
            "redirect_urls": _leads_no_further(granted.redirect_urls, own.redirect_urls),
            "max_ttl_seconds": own.max_ttl_seconds is None
            or (granted.max_ttl_seconds is not None and granted.max_ttl_seconds <= own.max_ttl_seconds),
            "recipient_domains": _is_part(granted.recipient_domains, own.recipient_domains),
        }.items()
        if not fits
    ]


def _past_limits(
    limits: KeyLimits,
    request: LinkRequest,
    redirect_url: str | None,
    allow_http: bool,  # noqa: FBT001
) -> Iterator[FieldProblem]:
    if limits.types is not None and request.type not in limits.types:
        yield FieldProblem("type", "type_not_allowed", f"this key may ask for {_listed(limits.types)} only")
    if redirect_url is not None and not _leads_within(limits, redirect_url, allow_http):
        named = "" if request.redirect_url else "the app's default_redirect_url "
        words = f"{named}matches no entry of this key's redirect_urls"
        yield FieldProblem("redirect_url", "redirect_not_allowed_for_key", words)
    most = limits.max_ttl_seconds
    if most is not None and request.ttl_seconds is not None and request.ttl_seconds > most:
        yield FieldProblem("ttl_seconds", "ttl_too_long", f"is more than this key's max_ttl_seconds, {most}")
    if limits.recipient_domains is not None:
        yield from _past_domains(limits.recipient_domains, request)


def _leads_within(limits: KeyLimits, redirect_url: str, allow_http: bool) -> bool:  # noqa: FBT001
    if limits.redirect_urls is None:
        return True
    try:
        RedirectPolicy(None, limits.redirect_urls, allow_http).resolve(redirect_url)
    except RedirectRefused:
        return False
    return True


def _past_domains(domains: frozenset[str], request: LinkRequest) -> Iterator[FieldProblem]:
    if request.phone is not None:
        yield FieldProblem(
            "phone", _DOMAIN_RULE, f"this key reaches e-mail addresses in {_listed(domains)} only"
        )
    elif request.channel in ("sms", "whatsapp"):
        yield _no_texts()
    if request.email is not None and domain_of(request.email) not in domains:
        yield FieldProblem("email", _DOMAIN_RULE, f"is outside the domains of this key: {_listed(domains)}")


def _no_texts() -> FieldProblem:
    return FieldProblem("channel", _DOMAIN_RULE, "this key reaches e-mail addresses only")


def _is_part(granted: frozenset[str] | None, own: frozenset[str] | None) -> bool:
    return own is None or (granted is not None and granted <= own)


def _leads_no_further(granted: tuple[str, ...] | None, own: tuple[str, ...] | None) -> bool:
    if own is None:
        return True
    return granted is not None and all(_is_covered(entry, own) for entry in granted)


def _is_covered(entry: str, own: tuple[str, ...]) -> bool:
    # A prefix is covered by prefixes only: `https://a.example/x/*` leads further than the exact `https://a.example/x/`.
    covering = tuple(mine for mine in own if mine.endswith("/*")) if entry.endswith("/*") else own
    try:
        RedirectPolicy(None, covering, allow_http=True).resolve(entry.removesuffix("*"))
    except RedirectRefused:
        return False
    return True


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values))
