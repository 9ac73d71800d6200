"""Compat's own key: whether the native API takes it, and whether it may act for apps."""

from services.compat.native import Native, NativeRefusal


class OwnKeyUnfit(Exception):  # noqa: N818 - states the fact
    """Calls without a vendor's key will fail. The text says what to do, and never the key."""


class OwnKeyRefused(OwnKeyUnfit):
    """The native API does not know it."""


class OwnKeyCannotAct(OwnKeyUnfit):
    """It is a key of some app, which acts for that app only."""


async def check_own_key(native: Native) -> None:
    """Ask the issuer about the key. Raises `OwnKeyUnfit`, and `Unavailable` when no answer comes."""
    advice = "make one with `magiclink vendors compat-key`"
    try:
        found = await native.with_key(native.own_key).issuer("GET", "/v1/keys/self")
    except NativeRefusal as refusal:
        if refusal.native_code != "unauthorized":
            raise
        raise OwnKeyRefused(f"MAGICLINK_COMPAT_API_KEY is refused: {advice}") from None
    if "apps:act" not in found["scopes"]:
        raise OwnKeyCannotAct(f"MAGICLINK_COMPAT_API_KEY lacks the scope apps:act: {advice}")
