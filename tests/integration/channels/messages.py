from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.notifier.channels import Outgoing
from services.notifier.content import Content, WhatsAppTemplate

LINK = "https://login.example.com/l/2" + "aB3dE6gH9j" * 4
CONTENT = Content(
    subject="Sign in to Acme",
    text=f"Sign in:\n\n{LINK}\n",
    html=f'<p>Grüße <a href="{LINK}">Sign in</a></p>\n',
    sms=f"Acme: sign in within 15 minutes:\n{LINK}",
    whatsapp=WhatsAppTemplate(None, {"1": "Acme", "2": LINK}, f"Sign in to *Acme*:\n\n{LINK}"),
)


def outgoing(
    to: str = "jo@example.com",
    *,
    content: Content = CONTENT,
    sender: str | None = None,
    message_id: UUID | None = None,
) -> Outgoing:
    return Outgoing(message_id or uuid4(), to, sender, content, datetime(2026, 3, 1, tzinfo=UTC), 1)
