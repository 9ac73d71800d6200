"""The environment of each service: only its own settings, its own database role, its own keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.dev.key_material import KeyMaterial
from services.dev.plan import KAFKA_CLIENTS, local_url, service_of
from services.dev.ports import HOST

# Numbers that libphonenumber takes for valid and nobody has: 555-01xx is kept for fiction.
DEV_SMS_FROM = "+12025550199"
DEV_WHATSAPP_FROM = "+12025550198"
DEV_MAIL_FROM = "Magic Link <sign-in@example.com>"

_MAIL = ("MAGICLINK_SMTP_", "MAGICLINK_MAIL_FROM")
_TWILIO = ("MAGICLINK_TWILIO_", "MAGICLINK_WHATSAPP_")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a service finds everything else. `database_urls` are by service; `own` is the launcher's environment."""

    database_urls: Mapping[str, str]
    redis_url: str
    kafka_bootstrap: str
    kafka_idempotence: bool
    ports: Mapping[str, int]
    keys: KeyMaterial
    own: Mapping[str, str]
    compat_api_key: str = field(default="", repr=False)


def service_environment(name: str, around: Surroundings) -> dict[str, str]:
    """Return the `MAGICLINK_…` settings of a replica, e.g. of `verifier-2`."""
    service = service_of(name)
    settings = {
        "MAGICLINK_ENVIRONMENT": "dev",
        "MAGICLINK_LOG_LEVEL": around.own.get("MAGICLINK_LOG_LEVEL", "info"),
        "MAGICLINK_LOG_FORMAT": "json",
        "MAGICLINK_HTTP_HOST": HOST,
        "MAGICLINK_HTTP_PORT": str(around.ports[name]),
        "MAGICLINK_OPS_HOST": HOST,
        "MAGICLINK_OPS_PORT": str(around.ports[f"{name}-ops"]),
        "MAGICLINK_DRAIN_SECONDS": "3",
        "MAGICLINK_REDIS_URL": around.redis_url,
    }
    if service == "compat":
        return settings | _compat(name, around)
    settings |= {
        "MAGICLINK_DATABASE_URL": around.database_urls[service],
        "MAGICLINK_KEYS_FILE": str(around.keys.ring_files[service]),
        # A tunnel to this machine may give the pages another address than the one they listen on.
        "MAGICLINK_PUBLIC_URL": around.own.get("MAGICLINK_PUBLIC_URL", local_url(around.ports["verifier"])),
    }
    if "MAGICLINK_DATABASE_URL" in around.own:
        settings |= _named(around.own, ("MAGICLINK_DATABASE_DIRECT_URL",))
    if service in KAFKA_CLIENTS:
        settings |= _kafka(around)
    if service == "verifier":
        settings["MAGICLINK_SIGNING_KEYS_FILE"] = str(around.keys.signing_keys_file)
    if service == "notifier":
        settings |= _mail(around) | _twilio(around)
    return settings


def uses_inbox(own: Mapping[str, str], channel: Literal["mail", "twilio"]) -> bool:
    """Say whether messages end in the inbox, because the launcher's environment names no real provider."""
    sign = "MAGICLINK_SMTP_HOST" if channel == "mail" else "MAGICLINK_TWILIO_ACCOUNT_SID"
    return sign not in own and f"{sign}_FILE" not in own


def _kafka(around: Surroundings) -> dict[str, str]:
    settings = _named(around.own, ("MAGICLINK_KAFKA_",)) if "MAGICLINK_KAFKA_BOOTSTRAP" in around.own else {}
    # The embedded broker answers an empty fetch only when its wait is over, and holds a new group back for half its
    # session timeout: both must be short.
    haste = {"MAGICLINK_KAFKA_FETCH_WAIT_MS": "20", "MAGICLINK_KAFKA_SESSION_TIMEOUT_MS": "2000"}
    return (
        settings
        | {
            "MAGICLINK_KAFKA_BOOTSTRAP": around.kafka_bootstrap,
            "MAGICLINK_KAFKA_IDEMPOTENCE": str(around.kafka_idempotence).lower(),
        }
        | ({} if around.kafka_idempotence else haste)
    )


def _compat(name: str, around: Surroundings) -> dict[str, str]:
    settings = {
        "MAGICLINK_ISSUER_URL": local_url(around.ports["issuer"]),
        "MAGICLINK_VERIFIER_URL": local_url(around.ports["verifier"]),
        "MAGICLINK_COMPAT_URL": around.own.get("MAGICLINK_COMPAT_URL", local_url(around.ports[name])),
        "MAGICLINK_COMPAT_API_KEY": around.compat_api_key,
    }
    return settings | _named(around.own, ("MAGICLINK_WEBHOOK_FORWARDS",))


def _mail(around: Surroundings) -> dict[str, str]:
    if not uses_inbox(around.own, "mail"):
        return _named(around.own, _MAIL)
    return {
        "MAGICLINK_SMTP_HOST": HOST,
        "MAGICLINK_SMTP_PORT": str(around.ports["inbox-smtp"]),
        "MAGICLINK_SMTP_TLS": "none",
        "MAGICLINK_MAIL_FROM": around.own.get("MAGICLINK_MAIL_FROM", DEV_MAIL_FROM),
    }


def _twilio(around: Surroundings) -> dict[str, str]:
    callback = {
        "MAGICLINK_CALLBACK_URL": around.own.get(
            "MAGICLINK_CALLBACK_URL", local_url(around.ports["notifier"])
        )
    }
    if not uses_inbox(around.own, "twilio"):
        return callback | _named(around.own, _TWILIO)
    return callback | {
        "MAGICLINK_TWILIO_ACCOUNT_SID": around.keys.twilio.account_sid,
        "MAGICLINK_TWILIO_AUTH_TOKEN": around.keys.twilio.auth_token,
        "MAGICLINK_TWILIO_FROM": DEV_SMS_FROM,
        "MAGICLINK_WHATSAPP_FROM": DEV_WHATSAPP_FROM,
        "MAGICLINK_TWILIO_API_URL": local_url(around.ports["inbox"]),
    }


def _named(own: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in own.items() if name.startswith(prefixes)}
