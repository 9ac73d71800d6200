"""Settings of the notifier."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from services.notifier.channels.mail import Unsendable, mailbox
from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.settings import (
    BaseUrl,
    KafkaSettings,
    Port,
    PrefixedSettings,
    PublicUrlSettings,
    ServiceSettings,
    key_ring_of,
)


class TemplateSettings(PrefixedSettings):
    """Where templates come from; all that `magiclink template` needs."""

    # NoDecode: read by the validator below, so that it may come from a file, and a mistake is listed with the others.
    whatsapp_content_sids: Annotated[dict[str, dict[str, str]], NoDecode] = Field(
        default_factory=dict,
        description='Approved templates, as JSON: `{"login": {"en": "HX…"}, "<app id>/login": …}`.',
    )
    template_folders: str = Field(
        "", description="Comma-separated folders of own templates, before the built-in ones."
    )

    @field_validator("whatsapp_content_sids", mode="before")
    @classmethod
    def _json(cls, value: Any) -> Any:
        try:
            return orjson.loads(value) if isinstance(value, str) else value
        except orjson.JSONDecodeError:
            raise ValueError("is not JSON") from None

    @property
    def folders(self) -> list[Path]:
        return [Path(part.strip()) for part in self.template_folders.split(",") if part.strip()]


class NotifierSettings(TemplateSettings, ServiceSettings, PublicUrlSettings, KafkaSettings):
    """What the notifier needs on top of every service. SMS and WhatsApp are on when a Twilio account is set."""

    keys: Annotated[SecretStr, key_ring_of("notifier")] = Field(
        description="The notifier's key ring, from `magiclink keys derive notifier`."
    )
    smtp_host: str = Field(description="The mail server that takes messages for delivery.")
    smtp_port: Port = Field(587, description="Its port: 587 for submission with STARTTLS, 465 for TLS.")
    smtp_username: str | None = Field(
        None, description="User at the mail server; without one nobody logs in."
    )
    smtp_password: SecretStr | None = Field(None, description="Password of that user.")
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        description="`starttls`: TLS is demanded after the greeting; `tls`: from the first byte; `none`: no protection, for a server on the same machine.",
    )
    smtp_pool_size: int = Field(8, ge=1, le=100, description="Connections a lane.")
    smtp_timeout_seconds: float = Field(
        20, gt=0, le=120, description="How long one step of the SMTP dialogue may take."
    )
    mail_from: str = Field(description="Sender of apps without their own, `Example <login@example.com>`.")
    twilio_account_sid: str | None = Field(
        None, description="The Twilio account; with it SMS and WhatsApp can be sent."
    )
    twilio_auth_token: SecretStr | None = Field(
        None, description="Its auth token: sends messages, and proves status callbacks."
    )
    twilio_from: str | None = Field(
        None, description="The number that SMS come from, as +12025550199; or name a messaging service."
    )
    twilio_messaging_service_sid: str | None = Field(
        None, description="The messaging service that chooses the number of an SMS."
    )
    whatsapp_from: str | None = Field(
        None, description="The WhatsApp number that messages come from, as +12025550198."
    )
    twilio_api_url: BaseUrl = Field("https://api.twilio.com", description="Where Twilio's API is.")
    twilio_timeout_seconds: float = Field(15, gt=0, le=120, description="How long a call to Twilio may take.")
    callback_url: BaseUrl | None = Field(
        None, description="This service as Twilio reaches it, for status callbacks."
    )
    delivery_concurrency: int = Field(48, ge=1, le=500, description="Messages being sent at once, a lane.")
    retry_base_seconds: float = Field(
        2, gt=0, description="The first back-off; doubles each attempt, with jitter."
    )
    retry_cap_seconds: float = Field(
        300, gt=0, description="The longest pause between two attempts at a message."
    )
    queue_lease_seconds: int = Field(60, ge=1, description="As the issuer's.")
    callback_wait_seconds: int = Field(300, ge=1, description="As the issuer's.")
    sending_lease_seconds: int = Field(120, ge=2, description="Longer than every channel's timeout.")

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, value: str) -> str:
        try:
            mailbox(value)
        except Unsendable as unsendable:
            raise ValueError(str(unsendable)) from None
        return value

    @field_validator("smtp_tls")
    @classmethod
    def _no_password_in_the_clear(cls, value: str, info: ValidationInfo) -> str:
        if value == "none" and info.data.get("smtp_password") and info.data.get("environment") != "dev":
            raise ValueError("must be starttls or tls when a password is sent")
        return value

    @field_validator("twilio_timeout_seconds", "sending_lease_seconds")
    @classmethod
    def _lease_outlives_timeouts(cls, value: Any, info: ValidationInfo) -> Any:
        # A lease that ends while a channel still waits would let a second worker send the same message.
        if info.field_name == "sending_lease_seconds":
            longest = max(
                info.data.get("smtp_timeout_seconds", 0), info.data.get("twilio_timeout_seconds", 0)
            )
            if value <= longest + 1:
                raise ValueError(
                    f"must be more than a second longer than the channels' timeouts ({longest:g} s)"
                )
        return value

    @field_validator("twilio_api_url")
    @classmethod
    def _complete_twilio(cls, value: str, info: ValidationInfo) -> str:
        given = info.data
        if bool(given.get("twilio_account_sid")) != bool(given.get("twilio_auth_token")):
            raise ValueError(
                "set both MAGICLINK_TWILIO_ACCOUNT_SID and MAGICLINK_TWILIO_AUTH_TOKEN, or neither"
            )
        sender = given.get("twilio_from") or given.get("twilio_messaging_service_sid")
        if given.get("twilio_account_sid") and not sender:
            raise ValueError(
                "MAGICLINK_TWILIO_FROM or MAGICLINK_TWILIO_MESSAGING_SERVICE_SID is required with an account"
            )
        return value

    @cached_property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.keys.get_secret_value(), SERVICE_PURPOSES["notifier"])

    @property
    def channel_names(self) -> list[str]:
        """The channels that are configured."""
        return ["email", *(["sms", "whatsapp"] if self.twilio_account_sid and self.twilio_auth_token else [])]
