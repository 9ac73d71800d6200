"""Wires the notifier: a consumer and channels for each lane, templates, callbacks. The only place where its parts meet."""

from dataclasses import dataclass

from services.notifier.callbacks import TwilioCallbacks
from services.notifier.channels import Channel
from services.notifier.channels.smtp import SmtpChannel
from services.notifier.channels.smtp_pool import SmtpServer
from services.notifier.channels.twilio import SmsChannel, TwilioMessages, TwilioSender, WhatsAppChannel
from services.notifier.channels.twilio_http import TwilioAccount
from services.notifier.deliver import Deliver, LinkMaker, Sending
from services.notifier.delivery_options import tell_delivery_options
from services.notifier.intake import LaneIntake
from services.notifier.render import BUILT_IN, Templates
from services.notifier.retry import RetryRules
from services.notifier.settings import NotifierSettings
from services.notifier.store import SQL
from services.notifier.webhook_delivery import WebhookDelivery, WebhookParts
from services.notifier.webhook_fan_out import SQL as WEBHOOKS_SQL
from services.notifier.webhook_fan_out import WebhookFanOut
from services.notifier.webhook_post import WebhookPoster
from shared.bus import (
    DELIVERIES,
    EVENTS,
    LANES,
    NOTIFIER_GROUPS,
    WEBHOOK_DELIVERY_GROUP,
    WEBHOOK_GROUP,
    WEBHOOKS,
    ping_broker,
)
from shared.consumer import Subscription, consume_batches
from shared.database import Pool
from shared.dead_letters import SQL as DEAD_LETTERS_SQL
from shared.flood import FloodLimit
from shared.http.edge import make_edge
from shared.http.openapi import with_document
from shared.http.ops import Check, Health
from shared.http.routes import Route
from shared.lifecycle import Service, run_service
from shared.outbox import SQL as OUTBOX_SQL
from shared.outbox import OutboxBell
from shared.settings import SettingsProblem, load_settings
from shared.stores import Stores, open_stores

_BATCH = 500
_EVENTS_BATCH = 500


def main() -> int:
    """Run the notifier until it is told to stop."""
    settings = load_settings(NotifierSettings)
    templates = Templates([*settings.folders, BUILT_IN], settings.whatsapp_content_sids)
    if templates.problems():
        raise SettingsProblem(
            "\n".join(f"MAGICLINK_TEMPLATE_FOLDERS: {line}" for line in templates.problems())
        )
    return run_service("notifier", settings, lambda service: start(service, settings, templates))


async def start(service: Service, settings: NotifierSettings, templates: Templates) -> None:
    """Start in order: stores, listeners, then the lanes."""
    stores = await open_stores(service, settings, [SQL, WEBHOOKS_SQL, OUTBOX_SQL, DEAD_LETTERS_SQL])
    pool, cache, bell = stores.pool, stores.cache, stores.bell
    floods = {lane: FloodLimit(DELIVERIES[lane], settings.dead_letters_per_minute) for lane in LANES}
    checks: dict[str, Check] = {
        "postgresql": lambda: pool.fetchval("SELECT 1"),
        "redis": cache.ping,
        "kafka": lambda: ping_broker(settings),
        **{f"deliveries-{lane}": flood.check for lane, flood in floods.items()},
    }
    # Callbacks are taken without Redis and Kafka; deliveries wait in the outbox and come with the broker.
    health = Health(checks, optional=frozenset(checks) - {"postgresql"})
    await service.serve(
        make_edge(settings, cache, None).application(notifier_routes(settings, pool, bell)), health
    )
    await tell_delivery_options(pool, settings.channel_names, templates)
    for lane in LANES:
        start_lane(service, settings, LaneParts(lane, stores, templates, floods[lane]))
    start_webhooks(service, settings, stores)


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What a lane is made of besides the settings."""

    lane: str
    stores: Stores
    templates: Templates
    flood: FloodLimit


def start_lane(service: Service, settings: NotifierSettings, parts: LaneParts) -> None:
    """Start one lane with channels of its own: a slow bulk provider must not hold the connections logins need."""
    channels = make_channels(settings)
    for channel in channels.values():
        service.on_stop(channel.close)
    rules = RetryRules(
        base_seconds=settings.retry_base_seconds,
        cap_seconds=settings.retry_cap_seconds,
        queue_lease_seconds=settings.queue_lease_seconds,
        callback_wait_seconds=settings.callback_wait_seconds,
    )
    links = LinkMaker(settings.ring, settings.public_url)
    deliver = Deliver(parts.stores.pool, parts.stores.bell, Sending(channels, parts.templates, links), rules)
    service.on_stop(deliver.close)
    intake = LaneIntake(
        parts.stores.pool,
        deliver,
        concurrency=settings.delivery_concurrency,
        lease_seconds=settings.sending_lease_seconds,
    )
    service.on_stop(intake.drain)
    service.run_task(intake.watch(), f"deliveries-{parts.lane}")
    subscription = Subscription(DELIVERIES[parts.lane], NOTIFIER_GROUPS[parts.lane], _BATCH)
    service.run_task(
        consume_batches(settings, subscription, intake.handle, parts.flood), f"consumer-{parts.lane}"
    )


def start_webhooks(service: Service, settings: NotifierSettings, stores: Stores) -> None:
    """Start telling the endpoints of apps: who reads every event, and who posts what is asked for."""
    poster = WebhookPoster(anywhere=settings.is_dev)
    service.on_stop(poster.close)
    delivery = WebhookDelivery(stores.pool, WebhookParts(poster, settings.ring, stores.bell))
    service.on_stop(delivery.drain)
    service.run_task(delivery.watch(), "webhooks")
    service.run_task(delivery.sweep(), "webhooks-sweep")
    fan_out = WebhookFanOut(stores.pool, stores.bell)
    events = Subscription(EVENTS, WEBHOOK_GROUP, _EVENTS_BATCH)
    service.run_task(consume_batches(settings, events, fan_out.handle), "consumer-events")
    queued = Subscription(WEBHOOKS, WEBHOOK_DELIVERY_GROUP, _BATCH)
    service.run_task(consume_batches(settings, queued, delivery.handle), "consumer-webhooks")


def make_channels(settings: NotifierSettings) -> dict[str, Channel]:
    """Return the channels that are configured."""
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username,
        password=password,
        tls=settings.smtp_tls,
        pool_size=settings.smtp_pool_size,
        timeout_seconds=settings.smtp_timeout_seconds,
    )
    channels: dict[str, Channel] = {"email": SmtpChannel(server, settings.mail_from)}
    if settings.twilio_account_sid and settings.twilio_auth_token:
        account = TwilioAccount(
            account_sid=settings.twilio_account_sid,
            auth_token=settings.twilio_auth_token.get_secret_value(),
            api_url=settings.twilio_api_url,
            callback_url=settings.callback_url,
            timeout_seconds=settings.twilio_timeout_seconds,
        )
        messages = TwilioMessages(account)
        sms = TwilioSender(settings.twilio_from, settings.twilio_messaging_service_sid)
        channels["sms"] = SmsChannel(messages, sms)
        channels["whatsapp"] = WhatsAppChannel(
            messages, TwilioSender(settings.whatsapp_from) if settings.whatsapp_from else sms
        )
    return channels


def notifier_routes(settings: NotifierSettings, pool: Pool, bell: OutboxBell) -> list[Route]:
    """Return every route of the notifier: callbacks, when there is somebody who calls back."""
    if settings.twilio_auth_token is None or settings.callback_url is None:
        return with_document("notifier", [])
    token = settings.twilio_auth_token.get_secret_value()
    return with_document("notifier", TwilioCallbacks(pool, bell, token, settings.callback_url).routes())
