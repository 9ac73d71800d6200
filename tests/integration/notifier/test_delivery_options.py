from pathlib import Path

import asyncpg
import orjson

from services.notifier.delivery_options import tell_delivery_options
from services.notifier.render import BUILT_IN, TYPES, Templates
from shared.database import Pool
from tests.seeds import one_row

APP = "0190a5b0-0000-7000-8000-000000000001"


async def test_each_start_tells_what_can_be_sent(
    notifier_pool: Pool, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    own = tmp_path / "apps" / APP / "login" / "nl"
    own.mkdir(parents=True)
    (own / "words.toml").write_text((BUILT_IN / "login" / "en" / "words.toml").read_text())
    templates = Templates([tmp_path, BUILT_IN])
    assert templates.problems() == []
    await tell_delivery_options(notifier_pool, ["email"], Templates([BUILT_IN]))
    await tell_delivery_options(notifier_pool, ["email", "sms", "whatsapp"], templates)
    row = await one_row(owner, "SELECT channels, templates, updated_at FROM magiclink.delivery_options")
    assert row["channels"] == ["email", "sms", "whatsapp"]
    every = ["ar", "de", "en", "es", "fr", "ja", "pt-BR"]
    assert orjson.loads(row["templates"]) == {
        **dict.fromkeys((*TYPES, "passcode"), every),
        f"{APP}/login": ["nl"],
    }
