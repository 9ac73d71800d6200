"""The dev inbox: catches every e-mail, SMS and WhatsApp message and shows it on a page and in a JSON API.

A development tool: what it holds are usable links, in memory, on the loopback interface (DESIGN section 8, exempt from G6).
"""

from services.dev.inbox.server import Inbox, InboxOptions, start
from services.dev.inbox.twilio_auth import TwilioAccount

__all__ = ["Inbox", "InboxOptions", "TwilioAccount", "start"]
