"""Settings of the issuer."""

from functools import cached_property
from typing import Annotated

from pydantic import Field, SecretStr

from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.settings import KafkaSettings, PublicUrlSettings, ServiceSettings, key_ring_of


class IssuerSettings(ServiceSettings, PublicUrlSettings, KafkaSettings):
    """What the issuer needs on top of every service."""

    keys: Annotated[SecretStr, key_ring_of("issuer")] = Field(
        description="The issuer's key ring, from `magiclink keys derive issuer`."
    )
    queue_lease_seconds: int = Field(
        60,
        ge=1,
        description="How long a queued message may stay unclaimed before it is queued again; doubles each time.",
    )
    callback_wait_seconds: int = Field(
        300,
        ge=1,
        description="How long an SMS or WhatsApp message of unknown outcome waits for its status callback.",
    )
    sweep_seconds: float = Field(
        5, gt=0, description="Between two looks for messages that outlived their lease."
    )
    sweep_batch: int = Field(200, ge=1, le=10_000, description="Messages queued again at one look, at most.")
    event_retention_days: int = Field(
        30, ge=1, le=365, description="How long event ids are remembered; older events are refused."
    )

    @cached_property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.keys.get_secret_value(), SERVICE_PURPOSES["issuer"])
