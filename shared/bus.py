"""Kafka: topics, producers, and CloudEvents as this cluster speaks them.

Events are CloudEvents 1.0 in structured JSON, keyed by user id. They carry ids and routing facts, never an address or a token.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from cloudevents.core.v1.event import CloudEvent

from shared.settings import KafkaSettings
from shared.transports import is_gone

LINK_REQUESTS = "magiclink.link-requests"
DELIVERIES: Mapping[str, str] = {
    "interactive": "magiclink.deliveries.interactive",
    "bulk": "magiclink.deliveries.bulk",
}
EVENTS = "magiclink.events"
# From the verifier's page of an expired link to the issuer. A topic of its own: who may write link requests may not renew links.
RENEWALS = "magiclink.renewals"
# What is to be posted to an endpoint of an app, now: from the notifier that read an event to the one that sends it.
WEBHOOKS = "magiclink.webhooks"
LANES = ("interactive", "bulk")
# A group a lane: a rebalance of one does not stop the other.
NOTIFIER_GROUPS: Mapping[str, str] = {lane: f"magiclink-notifier-{lane}" for lane in LANES}
INTAKE_GROUP = "magiclink-intake"
RENEWAL_GROUP = "magiclink-renewals"
# Reads every event, to find those that an endpoint waits for; and who sends them.
WEBHOOK_GROUP = "magiclink-webhooks"
WEBHOOK_DELIVERY_GROUP = "magiclink-webhook-deliveries"

# 24 partitions a lane to start (DESIGN §11); dead letters need no parallel readers.
TOPICS: Mapping[str, int] = {
    LINK_REQUESTS: 24,
    f"{LINK_REQUESTS}.dlq": 1,
    DELIVERIES["interactive"]: 24,
    f"{DELIVERIES['interactive']}.dlq": 1,
    DELIVERIES["bulk"]: 24,
    f"{DELIVERIES['bulk']}.dlq": 1,
    EVENTS: 24,
    RENEWALS: 6,
    f"{RENEWALS}.dlq": 1,
    f"{EVENTS}.dlq": 1,
    WEBHOOKS: 6,
    f"{WEBHOOKS}.dlq": 1,
}


@dataclass(frozen=True, slots=True)
class Event:
    """What an outbox row or a consumed record says. `id` is stable: the same fact has the same id however often it is sent."""

    type: str
    id: str
    source: str
    subject: str
    data: dict[str, Any]
    time: datetime | None = None


class EventInvalid(ValueError):  # noqa: N818 - states the fact
    """The bytes are no CloudEvent this service takes. The message names the attribute and the rule, no content."""


def refuse_old(event: Event, now: float, most_days: int) -> None:
    """Raise `EventInvalid` for an event older than the retention of keys: a redelivery could not be told from a new one.

    `now` in Unix seconds. A `time` without an offset is UTC; an event without one cannot be told to be old.
    """
    if event.time is None:
        return
    moment = event.time if event.time.tzinfo else event.time.replace(tzinfo=UTC)
    if now - moment.timestamp() > most_days * 86400:
        raise EventInvalid(f"time: older than {most_days} days")


def encode_event(event: Event) -> bytes:
    """Return the structured JSON form. Written here, not by the SDK, which takes 24 µs instead of 2; a test reads it with the SDK."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": event.type,
            "id": event.id,
            "source": event.source,
            "time": event.time or datetime.now(UTC),
            "datacontenttype": "application/json",
            **({"subject": event.subject} if event.subject else {}),
            "data": event.data,
        },
        option=orjson.OPT_UTC_Z,
    )


def decode_event(value: bytes | None) -> Event:
    """Read a structured JSON CloudEvent. Raises `EventInvalid`."""
    members = _members(value)
    data = members.pop("data", None)
    try:
        if "time" in members:
            members["time"] = datetime.fromisoformat(members["time"])
        event = CloudEvent(members)
    except Exception as error:  # noqa: BLE001 - the SDK raises a family of its own and plain ValueErrors alike
        raise EventInvalid(
            f"not a CloudEvent 1.0: {type(error).__name__}: {_attributes_named(error)}"
        ) from None
    if not isinstance(data, dict):
        raise EventInvalid("data must be a JSON object")
    return Event(
        type=event.get_type(),
        id=event.get_id(),
        source=event.get_source(),
        subject=event.get_subject() or "",
        data=data,
        time=event.get_time(),
    )


def _members(value: bytes | None) -> dict[str, Any]:
    """Return the members of the JSON object, once it is sure that they can be stored and told apart."""
    if value is None:
        raise EventInvalid("the record has no value")
    try:
        # orjson, not the SDK's parser: it refuses NaN, lone surrogates and invalid UTF-8, which that lets through.
        members = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise EventInvalid("the value is not JSON in UTF-8") from None
    if not isinstance(members, dict):
        raise EventInvalid("the value is not a JSON object")
    # The SDK makes up an id where there is none: every redelivery would be a new event.
    missing = [name for name in ("specversion", "id", "source", "type") if name not in members]
    if missing:
        raise EventInvalid(f"{', '.join(missing)}: required by CloudEvents 1.0")
    if b"\\u0000" in value and holds_nul(members):
        raise EventInvalid("a text holds a NUL character")
    return members


def holds_nul(value: Any) -> bool:
    """Say whether any text in a JSON value holds NUL, which PostgreSQL cannot store."""
    # A list of what is left to look at, not recursion: a thousand brackets would end that with a fault of ours.
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            left += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            left += part
        elif isinstance(part, str) and "\0" in part:
            return True
    return False


def _attributes_named(error: Exception) -> str:
    named = getattr(error, "errors", None)
    return ", ".join(sorted(map(str, named))) if isinstance(named, dict) else "malformed"


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every aiokafka client needs to reach the broker."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context()
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = (
            settings.kafka_password.get_secret_value() if settings.kafka_password else None
        )
    return options


def make_producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """Make (not start) a producer that acknowledges when all in-sync replicas have the record."""
    return AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        linger_ms=0,
        max_batch_size=128 * 1024,
        request_timeout_ms=5_000,
        metadata_max_age_ms=30_000,
    )


def is_broker_away(error: BaseException) -> bool:
    """Say whether the broker does not answer, or not in time, by what a call to it raised."""
    return isinstance(error, KafkaError) or is_gone(error)


async def ping_broker(settings: KafkaSettings) -> None:
    """Raise `KafkaError` when the broker does not answer. For `/readyz`."""
    client = AIOKafkaClient(**connection_options(settings), request_timeout_ms=1_500)
    try:
        await client.bootstrap()
    finally:
        await client.close()
