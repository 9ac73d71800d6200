"""What every vendor's routes need."""

from dataclasses import dataclass

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.native import Native
from services.compat.settings import CompatSettings


@dataclass(frozen=True, slots=True)
class CompatParts:
    """`public_url` is compat as the vendors' SDKs and browsers reach it."""

    native: Native
    accounts: Accounts
    attempts: Attempts
    settings: CompatSettings

    @property
    def public_url(self) -> str:
        return self.settings.compat_url
