"""Secrets of the development cluster: made once, kept in `secrets/`, given to each service as far as it needs them."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.dev.private_files import make_private_folder, write_private
from services.verifier.signing_keys import generate_signing_keys
from shared.keys import SERVICE_PURPOSES, derive_ring, new_master


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """What the inbox's Twilio endpoint and the notifier agree on."""

    account_sid: str
    auth_token: str

    def __repr__(self) -> str:
        return f"<TwilioAccount {self.account_sid}>"


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """Files for the services' `…_FILE` settings: a key ring by service, and the verifier's signing keys."""

    ring_files: Mapping[str, Path]
    signing_keys_file: Path
    twilio: TwilioAccount


def ensure_key_material(folder: Path) -> KeyMaterial:
    """Read the secrets in `folder`, making those that are missing. A second start keeps them, so old links still work."""
    make_private_folder(folder)
    master = _kept(folder / "master.keys", new_master)
    signing_keys_file = folder / "signing_keys.json"
    _kept(signing_keys_file, generate_signing_keys)
    ring_files = {service: folder / f"{service}.keys" for service in SERVICE_PURPOSES}
    for service, path in ring_files.items():
        # Derived anew at each start: a service may have come to need one more purpose.
        write_private(path, derive_ring(master, service))
    account = json.loads(_kept(folder / "twilio.json", _new_twilio_account))
    return KeyMaterial(
        ring_files, signing_keys_file, TwilioAccount(account["account_sid"], account["auth_token"])
    )


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        write_private(path, make())
    return path.read_text(encoding="utf-8")


def _new_twilio_account() -> str:
    return json.dumps({"account_sid": f"AC{secrets.token_hex(16)}", "auth_token": secrets.token_hex(16)})
