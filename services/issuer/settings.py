"""Settings of the issuer."""

from functools import cached_property
from typing import Annotated

from pydantic import Field, SecretStr

from services.issuer.housekeeping import Keeping
from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.settings import KafkaSettings, PublicUrlSettings, ServiceSettings, key_ring_of

# No link ends later than 60 days after its making (`MAX_AHEAD_SECONDS`), and its partition is not dropped before.
RETENTION_DAYS = Field(
    100,
    ge=61,
    le=3650,
    description="How many days links, their messages and slots are kept; whole weeks of links are dropped, so up to seven days longer.",
)
EVENT_RETENTION_DAYS = Field(
    30, ge=1, le=365, description="How long event ids are remembered; older events are refused."
)


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
    event_retention_days: int = EVENT_RETENTION_DAYS
    retention_days: int = RETENTION_DAYS

    @property
    def keeping(self) -> Keeping:
        # What an event id answers with is a link: it stays as long.
        return Keeping(max(self.retention_days, self.event_retention_days))

    @cached_property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.keys.get_secret_value(), SERVICE_PURPOSES["issuer"])
