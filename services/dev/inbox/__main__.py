"""`python -m services.dev.inbox --http-port N --smtp-port N [--host 127.0.0.1]`: runs until SIGINT or SIGTERM."""

import asyncio
import os
import signal
from pathlib import Path

import click

from services.dev.inbox.server import InboxOptions, start
from services.dev.inbox.twilio_auth import TwilioAccount
from shared.log import configure_logging

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("auto", "json", "console")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--http-port", type=click.IntRange(0, 65_535), default=8005, show_default=True)
@click.option("--smtp-port", type=click.IntRange(0, 65_535), default=8006, show_default=True)
@click.option("--log-level", envvar="MAGICLINK_LOG_LEVEL", type=click.Choice(_LEVELS), default="info")
@click.option("--log-format", envvar="MAGICLINK_LOG_FORMAT", type=click.Choice(_FORMATS), default="auto")
def main(host: str, http_port: int, smtp_port: int, log_level: str, log_format: str) -> None:
    """Catch e-mail (SMTP) and SMS and WhatsApp messages (Twilio's API), and show them on a page."""
    configure_logging("inbox", log_level, log_format)
    options = InboxOptions(host=host, http_port=http_port, smtp_port=smtp_port, twilio=_account())
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        raise click.ClickException(f"the inbox cannot listen on {host}: {error.strerror or error}") from error


async def _serve(options: InboxOptions) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    inbox = await start(options)
    await stopped.wait()
    await inbox.close()


def _account() -> TwilioAccount | None:
    sid = _setting("MAGICLINK_TWILIO_ACCOUNT_SID")
    auth_token = _setting("MAGICLINK_TWILIO_AUTH_TOKEN")
    return TwilioAccount(sid, auth_token) if sid and auth_token else None


def _setting(name: str) -> str | None:
    """A setting from the environment, or from the file that `<name>_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text("utf-8").strip() if path else os.environ.get(name)


if __name__ == "__main__":
    main()
