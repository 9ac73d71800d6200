"""Settings of compat. It has no database and no key ring: all that it knows it asks the native API."""

from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator

from shared.settings import BaseUrl, HttpSettings


class WebhookForward(BaseModel):
    """One endpoint of a product that is told of events in its vendor's form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendor: str
    vendor_id: str
    secret: SecretStr
    """Of the native webhook endpoint whose URL is compat's `/webhooks/<vendor>/<vendor_id>`: `whsec_…`."""
    target_url: BaseUrl
    target_secret: SecretStr
    """What the vendor's SDK verifies with."""


_FORWARDS = TypeAdapter(list[WebhookForward])


class CompatSettings(HttpSettings):
    """What compat needs on top of every process that takes requests."""

    issuer_url: BaseUrl = Field(description="The issuer, as compat reaches it.")
    verifier_url: BaseUrl = Field(description="The verifier, as compat reaches it.")
    compat_url: BaseUrl = Field(
        description="Compat as vendors' SDKs and browsers reach it; the base URL to give them."
    )
    compat_api_key: SecretStr = Field(
        description="An API key with `apps:act`, for calls that carry no key: it acts for apps that answer as a vendor's, and for no other."
    )
    webhook_forwards: SecretStr | None = Field(
        None,
        description="JSON list of `{vendor, vendor_id, secret, target_url, target_secret}`: webhooks told on in the vendor's form.",
    )

    @field_validator("compat_url")
    @classmethod
    def _https(cls, value: str, info: Any) -> str:
        # API keys and codes go there.
        if not value.startswith("https://") and info.data.get("environment") != "dev":
            raise ValueError("must be https outside the dev environment")
        return value

    @field_validator("webhook_forwards")
    @classmethod
    def _forwards(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            _FORWARDS.validate_json(value.get_secret_value())
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in problem["loc"]) or "the text"
            raise ValueError(f"{where}: {problem['msg']}") from None
        return value

    @cached_property
    def forwards(self) -> list[WebhookForward]:
        return (
            []
            if self.webhook_forwards is None
            else _FORWARDS.validate_json(self.webhook_forwards.get_secret_value())
        )
