"""What a person sees: a line for each thing that is done, and one screen when all is up."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from services.dev.environment import uses_inbox

ROOT = Path(__file__).parents[2]
DOCS = ("README.md", "docs/README.md", "docs/api.md")


class Screen:
    """Writes to standard output, plain where that is no terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line with the seconds since the start. The text is shown as it is: no markup, no secret."""
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/dim]  {escape(text)}")

    def problem(self, text: str) -> None:
        first, _, rest = text.partition("\n")
        self._console.print(f"\n[bold red]{escape(first)}[/bold red]\n{escape(rest)}".rstrip())

    def ready(self, dev: Mapping[str, Any], data_dir: Path, own: Mapping[str, str]) -> None:
        """Print the screen. `own` is the launcher's environment, which decides what is embedded."""
        for title, lines in _sections(dev, _shown(data_dir), own):
            self._console.print(f"\n[bold]{title}[/bold]")
            for line in lines:
                self._console.print(f"  {escape(line)}")
        self._console.print()


def _sections(dev: Mapping[str, Any], data_dir: str, own: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    return [
        (
            "Open in a browser",
            [f"site    {dev['site_url']}   sign in to the example product", *_inbox(dev, own)],
        ),
        ("Try it", _curl_lines(dev, data_dir)),
        ("Where things are", _places(dev, data_dir)),
        ("For development only", _development_only(own)),
        ("Your own servers instead: set before starting", _own_servers()),
        (
            "Stop and forget",
            [
                "stop    Ctrl-C; the next start keeps the data",
                "forget  make clean removes the data and its secrets",
            ],
        ),
    ]


def _inbox(dev: Mapping[str, Any], own: Mapping[str, str]) -> list[str]:
    caught = ["e-mail"] if uses_inbox(own, "mail") else []
    caught += ["SMS, WhatsApp message"] if uses_inbox(own, "twilio") else []
    if not caught:
        return ["mail and SMS go to the providers you named"]
    real = "" if len(caught) == 2 else "; the rest goes out for real"
    return [f"inbox   {dev['inbox_url']}   every {', '.join(caught)} sent here{real}"]


def _curl_lines(dev: Mapping[str, Any], data_dir: str) -> list[str]:
    read_key = f"import json; print(json.load(open('{data_dir}/dev.json'))['api_key'])"
    authorization = '-H "Authorization: Bearer $KEY" -H "Content-Type: application/json"'
    body = '{"email": "ada@example.com", "channel": "email"}'
    return [
        f'KEY="$(python3 -c "{read_key}")"',
        f"curl -s {dev['issuer_url']}/v1/links {authorization} -d '{body}'",
        f"curl -s '{dev['inbox_url']}/api/messages?to=ada@example.com'",
        f'curl -s {dev["verifier_url"]}/v1/links/verify {authorization} -d \'{{"token": "<token of the answer>"}}\'',
        f"curl -s {dev['verifier_url']}/.well-known/jwks.json",
    ]


def _places(dev: Mapping[str, Any], data_dir: str) -> list[str]:
    return [
        f"issuer  {dev['issuer_url']}   verifier {dev['verifier_url']}   notifier {dev['notifier_url']}",
        *(
            [
                f"vendors {dev['compat_url']}   for the SDKs of Stytch, WorkOS, Passage, FusionAuth; ids and keys in dev.json"
            ]
            if "compat_url" in dev
            else []
        ),
        f"data    {data_dir}/   logs in {data_dir}/logs/, addresses and the demo key in {data_dir}/dev.json (0600)",
        f"docs    {'  '.join(name for name in DOCS if (ROOT / name).exists())}",
    ]


def _development_only(own: Mapping[str, str]) -> list[str]:
    lines = ["http without TLS, the inbox, and secrets in files: in production none of these exist"]
    if "MAGICLINK_KAFKA_BOOTSTRAP" not in own and "MAGICLINK_DEV_KAFKA_JARS" not in own:
        lines += [
            "The embedded Kafka broker keeps its records in memory. When it ends, deliveries come back from PostgreSQL,",
            "but link requests on Kafka that were not taken in yet are lost. A real broker keeps them.",
        ]
    return lines


def _own_servers() -> list[str]:
    return [
        "MAGICLINK_DATABASE_URL  MAGICLINK_REDIS_URL  MAGICLINK_KAFKA_BOOTSTRAP",
        "MAGICLINK_SMTP_HOST  MAGICLINK_SMTP_PORT  MAGICLINK_SMTP_USERNAME  MAGICLINK_SMTP_PASSWORD",
        "MAGICLINK_SMTP_TLS  MAGICLINK_MAIL_FROM",
        "MAGICLINK_TWILIO_ACCOUNT_SID  MAGICLINK_TWILIO_AUTH_TOKEN  MAGICLINK_TWILIO_FROM  MAGICLINK_WHATSAPP_FROM",
        "each also as …_FILE, to be read from a file",
    ]


def _shown(data_dir: Path) -> str:
    """The folder as one would type it: relative where that is shorter."""
    here = Path.cwd()
    shown = data_dir.relative_to(here) if data_dir.is_relative_to(here) else data_dir
    return str(shown)
