"""Who asked for a link, in words: the browser and system by a fixed list, and the IP address. Both are the asker's to forge."""

import ipaddress

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_words(user_agent: str | None) -> dict[str, str | None]:
    """Return browser and system, each from a fixed list or None: the header itself is the asker's to forge."""
    agent = user_agent or ""
    return {
        "browser": next((name for mark, name in _BROWSERS if mark in agent), None),
        "system": next((name for mark, name in _SYSTEMS if mark in agent), None),
    }


def ip_words(address: str | None) -> str | None:
    """Return the address in its usual spelling, or None for anything that is not one."""
    try:
        return str(ipaddress.ip_address(address or ""))
    except ValueError:
        return None
