"""`magiclink check SERVICE`: would it start here, with these settings? Nothing is started, and nothing is changed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import click

from services.compat.native import Native, Urls
from services.compat.own_key import OwnKeyUnfit, check_own_key
from services.compat.settings import CompatSettings
from services.notifier.settings import NotifierSettings
from services.operator.settings_reference import MODELS
from services.operator.settings_reference import SERVICES as NAMES
from shared.bus import ping_broker
from shared.cache import Cache
from shared.command_line import AS_JSON, examples, show
from shared.database import CONNECT_TIMEOUT_SECONDS
from shared.settings import HttpSettings, KafkaSettings, ServiceSettings, load_settings
from shared.sql_blocks import SqlBlocks

SQL = SqlBlocks(Path(__file__).with_suffix(".sql"))
_SECONDS = 8.0
Try = Callable[[], Awaitable[object]]


@click.command("check", epilog=examples("check issuer", "check notifier --json"))
@click.argument("service", type=click.Choice(NAMES))
@AS_JSON
def check_command(service: str, *, as_json: bool) -> None:
    """Check the settings of SERVICE and try what it connects to; tell every problem at once. Exit status 1 when there is one."""
    settings = load_settings(MODELS[service])
    if not isinstance(settings, HttpSettings):
        raise click.UsageError(f"{service} is no service")
    words = asyncio.run(_try_all(tries_of(settings)))
    lines = [f"settings    ok ({service})", *(f"{name:<11} {word}" for name, word in words.items())]
    show({"settings": "ok", **words}, "\n".join(lines), as_json=as_json)
    if any(word != "ok" for word in words.values()):
        raise SystemExit(1)


def tries_of(settings: HttpSettings) -> Mapping[str, Try]:
    """Return what the service connects to, by name."""
    tries: dict[str, Try] = {"redis": lambda: _try_redis(settings.redis_url.get_secret_value())}
    if isinstance(settings, ServiceSettings):
        database_url = settings.database_url.get_secret_value()
        tries = {"postgresql": lambda: _try_database(database_url), **tries}
        if settings.database_direct_url is not None:
            direct = settings.database_direct_url.get_secret_value()
            tries["direct"] = lambda: _try_database(direct)
    if isinstance(settings, CompatSettings):
        for name, url in (("issuer", settings.issuer_url), ("verifier", settings.verifier_url)):
            tries[name] = partial(_try_port, *_address_of(url))
        tries["key"] = partial(_try_own_key, settings)
    if isinstance(settings, KafkaSettings):
        kafka: KafkaSettings = settings
        tries["kafka"] = lambda: ping_broker(kafka)
    if isinstance(settings, NotifierSettings):
        mail: NotifierSettings = settings
        tries["smtp"] = lambda: _try_port(mail.smtp_host, mail.smtp_port)
    return tries


async def _try_all(tries: Mapping[str, Try]) -> dict[str, str]:
    words = await asyncio.gather(*(_word(attempt) for attempt in tries.values()))
    return dict(zip(tries, words, strict=True))


async def _word(attempt: Try) -> str:
    try:
        async with asyncio.timeout(_SECONDS):
            await attempt()
    except _SchemaMissing:
        return "has no schema yet, or an older one: run `magiclink migrate`"
    except OwnKeyUnfit as unfit:
        return str(unfit)
    except asyncpg.InvalidPasswordError:
        return "refuses the password"
    except TimeoutError:
        return f"no answer within {_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - its kind is the answer; its text may hold a URL with a password
        return f"failed: {type(error).__name__}"
    return "ok"


class _SchemaMissing(Exception):  # noqa: N818 - states the fact
    """The database answers, and has not the tables of this version."""


async def _try_database(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)
    try:
        if await connection.fetchval(SQL.find_newest_table) is None:
            raise _SchemaMissing
    finally:
        await connection.close()


async def _try_redis(url: str) -> None:
    cache = Cache(url, budget_seconds=_SECONDS)
    try:
        await cache.ping()
    finally:
        await cache.close()


def _address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


async def _try_own_key(settings: CompatSettings) -> None:
    async with aiohttp.ClientSession() as session:
        urls = Urls(settings.issuer_url, settings.verifier_url)
        await check_own_key(Native(session, urls, settings.compat_api_key.get_secret_value()))


async def _try_port(host: str, port: int) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()
