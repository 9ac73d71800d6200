"""What every vendor's routes need."""

from dataclasses import dataclass

from services.compat.accounts import Accounts
from services.compat.attempts import Attempts
from services.compat.native import Native
from services.compat.settings import CompatSettings
from shared.http.browsers import refuse_foreign
from shared.http.routes import Call
from shared.redirects import origin


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

    @property
    def is_https(self) -> bool:
        """Whether browsers reach compat by https: cookies are marked `Secure` then."""
        return self.public_url.startswith("https://")

    def refuse_other_sites(self, call: Call) -> None:
        """Raise `ForeignOrigin` for a browser's POST that another site made. For whatever reads or writes cookies."""
        refuse_foreign(call.request.headers, origin(self.public_url))
