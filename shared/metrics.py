"""Every metric of the cluster, one closed list: a name stands here or nowhere."""

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGES = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)

HTTP_SECONDS = Histogram(
    "magiclink_http_request_seconds",
    "Time to answer a request.",
    ["route", "method", "status"],
    buckets=_FAST,
)
LINKS_ISSUED = Counter("magiclink_links_issued_total", "Links made.", ["via"])
LINK_ATTEMPTS = Counter(
    "magiclink_link_attempts_total", "Attempts to consume a link, by verdict.", ["verdict", "via"]
)
VISITS_DROPPED = Counter("magiclink_visits_dropped_total", "Visits of links that were not kept.", ["reason"])
GRANTS = Counter("magiclink_grant_exchanges_total", "Attempts to exchange a grant, by verdict.", ["verdict"])
BATCH_SIZE = Histogram(
    "magiclink_batch_items",
    "Items a flush.",
    ["batch"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
OUTBOX_RELAYED = Counter("magiclink_outbox_relayed_total", "Outbox rows the broker acknowledged.", ["lane"])
OUTBOX_LAG = Histogram(
    "magiclink_outbox_lag_seconds",
    "From due to acknowledged, of the latest row of each batch.",
    ["lane"],
    buckets=_AGES,
)
RELAY_FAILURES = Counter("magiclink_relay_failures_total", "Batches that could not be produced.", ["lane"])
INTAKE_EVENTS = Counter("magiclink_intake_events_total", "Link requests from Kafka, by verdict.", ["verdict"])
RENEWALS = Counter(
    "magiclink_renewals_total", "New links that pages of expired ones asked for, by verdict.", ["verdict"]
)
DEAD_LETTERS = Counter("magiclink_dead_letters_total", "Events put aside.", ["topic"])
CONSUMER_STOPPED = Gauge(
    "magiclink_consumer_stopped",
    "1 while a consumer does not read because of too many dead letters.",
    ["topic"],
)
DELIVERIES = Counter("magiclink_deliveries_total", "Delivery attempts, by outcome.", ["channel", "outcome"])
DELIVERY_SECONDS = Histogram(
    "magiclink_delivery_seconds", "Time of one delivery attempt.", ["channel"], buckets=_FAST
)
WEBHOOKS = Counter("magiclink_webhooks_total", "Webhook messages posted, by outcome.", ["outcome"])
SWEPT = Counter("magiclink_messages_swept_total", "Messages queued again after their lease.", ["status"])
DEFAULT_PARTITION_ROWS = Gauge(
    "magiclink_links_default_partition_rows", "Links outside every partition: must stay 0."
)
REDIS_CALLS = Counter("magiclink_redis_calls_total", "Pipelines sent to Redis.", ["outcome"])
FAILED_OPEN = Counter(
    "magiclink_limits_failed_open_total", "Requests let through because Redis was away.", ["limit"]
)
SHED = Counter(
    "magiclink_requests_shed_total", "Requests sent away because as many as may were being answered."
)
RATE_LIMITED = Counter("magiclink_rate_limited_total", "Requests refused by a limit.", ["limit"])
