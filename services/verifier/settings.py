"""Settings of the verifier."""

from functools import cached_property
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from services.verifier.signing_keys import SigningKeys, SigningKeysInvalid
from shared.keys import SERVICE_PURPOSES, KeyRing
from shared.settings import PublicUrlSettings, ServiceSettings, key_ring_of


class VerifierSettings(ServiceSettings, PublicUrlSettings):
    """What the verifier needs on top of every service."""

    keys: Annotated[SecretStr, key_ring_of("verifier")] = Field(
        description="The verifier's key ring, from `magiclink keys derive verifier`."
    )
    signing_keys: SecretStr = Field(
        description="JWK Set with private keys that sign JWTs, newest first, from `magiclink keys signing`."
    )

    @field_validator("signing_keys")
    @classmethod
    def _signing_keys(cls, value: SecretStr) -> SecretStr:
        try:
            SigningKeys.parse(value.get_secret_value())
        except SigningKeysInvalid as invalid:
            raise ValueError(str(invalid)) from None
        return value

    @cached_property
    def ring(self) -> KeyRing:
        return KeyRing.parse(self.keys.get_secret_value(), SERVICE_PURPOSES["verifier"])

    @cached_property
    def signing(self) -> SigningKeys:
        return SigningKeys.parse(self.signing_keys.get_secret_value())
