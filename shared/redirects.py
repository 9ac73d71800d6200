"""Where a link may lead: an app's allow-list of redirects.

An entry is an exact URL, or a path prefix written `https://host/path/*`. A link may also name a path under the app's base
URL (`/welcome`). Hosts are never wildcards. What an attacker tries is in the comments of `check_url`. An app with
`redirects_exact` has neither prefixes, queries nor paths: a redirect is an entry, to the letter (RFC 9700 §4.1.3).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

MAX_URL_LENGTH = 2048
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_IP6 = re.compile(r"[0-9a-f:.]+")
_SHOWN_ENTRIES = 20
_DEFAULT_PORTS = {"https": 443, "http": 80}


class RedirectRefused(ValueError):  # noqa: N818 - states the fact
    """The redirect is refused. `rule` is the stable name of the rule that refused it."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class RedirectPolicy:
    """What an app allows: its base URL, the entries of its list, whether http is allowed (dev only), and entries alone."""

    base_url: str | None
    entries: tuple[str, ...]
    allow_http: bool = False
    exact: bool = False

    def resolve(self, redirect_url: str) -> str:
        """Return the absolute URL that the link will lead to. Raises `RedirectRefused`."""
        return _resolved(self, redirect_url)

    def _resolve(self, redirect_url: str) -> str:
        if self.exact:
            return self._entry(redirect_url)
        if redirect_url.startswith("/"):
            return self._under_base(redirect_url)
        parts = check_url(redirect_url, allow_http=self.allow_http)
        if any(_matches(entry, redirect_url, parts) for entry in self.entries):
            return redirect_url
        if self.base_url and _under(self.base_url, parts):
            return redirect_url
        raise RedirectRefused("redirect_not_allowed", "matches no entry of the app's redirect_urls")

    def _entry(self, redirect_url: str) -> str:
        # The list may be older than the rule, so what stands in it is checked as well.
        parts = check_url(redirect_url, allow_http=self.allow_http)
        if redirect_url not in self.entries or parts.query or "*" in redirect_url:
            raise RedirectRefused("redirect_not_allowed", "is not an entry of the app's redirect_urls")
        return redirect_url

    def _under_base(self, path: str) -> str:
        if not self.base_url:
            raise RedirectRefused("redirect_needs_base_url", "is a path, and the app has no base_url")
        url = self.base_url.rstrip("/") + path
        # `//evil.example` and `/\evil.example` would leave the site in a browser.
        if path.startswith(("//", "/\\")):
            raise RedirectRefused("redirect_not_a_path", "must not begin with two slashes")
        if not _under(self.base_url, check_url(url, allow_http=self.allow_http)):
            raise RedirectRefused("redirect_not_a_path", "must stay under the app's base_url")
        return url


# Nearly all links of an app lead to a few places: judging one again takes 0.3 µs instead of 7. At most 4 MB.
@lru_cache(maxsize=2_000)
def _resolved(policy: RedirectPolicy, redirect_url: str) -> str:
    return policy._resolve(redirect_url)  # noqa: SLF001 - the other half of `resolve`


def check_url(url: str, *, allow_http: bool) -> SplitResult:
    """Return the parts of an absolute http(s) URL that means the same to every parser. Raises `RedirectRefused`."""
    # Browsers drop tabs and line ends and turn `\` into `/`: what Python reads is not what they open.
    if len(url) > MAX_URL_LENGTH or re.search(r"[\x00-\x20\x7f\\]", url) or not url.isascii():
        raise RedirectRefused(
            "redirect_malformed", "must be an absolute URL in ASCII without spaces or backslashes"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RedirectRefused("redirect_malformed", "is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        raise RedirectRefused("redirect_scheme", "must be an https URL")
    if parts.scheme == "http" and not allow_http:
        raise RedirectRefused("redirect_https_only", "must be https outside the dev environment")
    # `https://good.example@evil.example/` leads to evil.example.
    if "@" in parts.netloc:
        raise RedirectRefused("redirect_userinfo", "must not carry a user name or password")
    host_form = _IP6 if parts.netloc.startswith("[") else _HOST
    if not host_form.fullmatch(parts.hostname or "") or port == 0:
        raise RedirectRefused("redirect_host", "must name a host, without wildcards")
    # The code is put into the query; what stands behind `#` would swallow it or leak it to scripts.
    if "#" in url:
        raise RedirectRefused("redirect_fragment", "must not have a fragment")
    return parts


def check_entry(entry: str, *, allow_http: bool, exact: bool = False) -> None:
    """Raise `RedirectRefused` unless `entry` may stand in an app's list; `exact`: of one with `redirects_exact`."""
    url = entry.removesuffix("*") if entry.endswith("/*") else entry
    parts = check_url(url, allow_http=allow_http)
    if exact and "*" in entry:
        raise RedirectRefused("redirect_wildcard", "must have no `*`: the app's redirects_exact is on")
    if exact and "?" in entry:
        raise RedirectRefused("redirect_query", "must have no query: the app's redirects_exact is on")
    if "*" in url:
        raise RedirectRefused("redirect_wildcard", "may have one `*`, at the end of the path")
    if url is not entry and parts.query:
        raise RedirectRefused("redirect_wildcard", "must not have a query before the `*`")


def explain_refusal(entries: Iterable[str], url: str) -> str:
    """Return, in words, which entries a refused URL could have matched, and by what it misses the nearest one.

    A base URL goes in as the entry `<base URL>/*`.
    """
    known = list(entries)
    if not known:
        return "there are no entries"
    shown = ", ".join(known[:_SHOWN_ENTRIES]) + (", …" if len(known) > _SHOWN_ENTRIES else "")
    try:
        missed = {entry: _differences(entry, urlsplit(url)) for entry in known}
    except ValueError:
        return f"entries: {shown}"
    nearest = min(missed, key=lambda entry: (len(missed[entry]), -_likeness(entry, url)))
    return f"entries: {shown}; the nearest is {nearest}, which differs by {' and '.join(missed[nearest])}"


def origin(url: str) -> str:
    """Return `scheme://host[:port]` of a checked URL, as a browser serializes it (RFC 6454 §6.2)."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port not in (None, _DEFAULT_PORTS[parts.scheme]) else ""
    host = f"[{parts.hostname}]" if "[" in parts.netloc else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def _matches(entry: str, url: str, parts: SplitResult) -> bool:
    if entry.endswith("/*"):
        return _under(entry.removesuffix("*"), parts)
    return url == entry or (_site(url) == _site(entry) and _rest(parts) == _rest(urlsplit(entry)))


def _under(prefix: str, parts: SplitResult) -> bool:
    wanted = urlsplit(prefix)
    if _site_of(parts) != _site_of(wanted):
        return False
    folder = wanted.path.rstrip("/") + "/"
    path = parts.path or "/"
    # `/app/../admin` and its percent-encoded spellings, once and twice, leave the folder; so does `/app/..;/admin` on servers
    # that take what stands behind `;` for a parameter of the segment.
    decoded = unquote(unquote(path)).replace("\\", "/")
    if any(segment.partition(";")[0] in (".", "..") for segment in decoded.split("/")):
        return False
    return path.startswith(folder) or path == wanted.path


def _site(url: str) -> tuple[str, str, int]:
    return _site_of(urlsplit(url))


def _site_of(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]


def _rest(parts: SplitResult) -> tuple[str, str]:
    return parts.path or "/", parts.query


def _differences(entry: str, parts: SplitResult) -> list[str]:
    is_prefix = entry.endswith("/*")
    wanted = urlsplit(entry.removesuffix("*") if is_prefix else entry)
    found = []
    if parts.scheme != wanted.scheme:
        found.append(f"scheme ({parts.scheme or 'none'}, not {wanted.scheme})")
    if (parts.hostname or "") != wanted.hostname:
        found.append(f"host ({parts.hostname or 'none'}, not {wanted.hostname})")
    ports = [part.port or _DEFAULT_PORTS.get(part.scheme) for part in (parts, wanted)]
    if ports[0] != ports[1] and (parts.port or wanted.port):
        found.append(f"port ({ports[0]}, not {ports[1]})")
    here, there = parts.path or "/", wanted.path or "/"
    if is_prefix and not _under(wanted.geturl(), parts._replace(scheme=wanted.scheme, netloc=wanted.netloc)):
        found.append(f"path ({here} is not under {there})")
    elif not is_prefix and here != there:
        found.append(f"path ({here}, not {there})")
    if not is_prefix and parts.query != wanted.query:
        # A query may hold what the product passes on: its value is not repeated.
        found.append("query")
    return found or ["its spelling"]


def _likeness(entry: str, url: str) -> float:
    return SequenceMatcher(None, entry, url).ratio()


def entries_problem(entries: Iterable[str], *, allow_http: bool) -> str | None:
    """Return what is wrong with the first bad entry of a list, or None."""
    for entry in entries:
        try:
            check_entry(entry, allow_http=allow_http)
        except RedirectRefused as refused:
            return f"{entry!r} {refused}"
    return None
