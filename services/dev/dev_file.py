"""`dev.json`: where everything is, for programs on this machine (DESIGN §8). It holds the demo app's key: 0600."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.dev.cluster import Cluster
from services.dev.private_files import write_private

if TYPE_CHECKING:
    from services.dev.demo_app import DemoApp

NAME = "dev.json"


def describe(cluster: Cluster, demo_app: "DemoApp") -> dict[str, Any]:
    """Return the content of `dev.json`."""
    return {
        "issuer_url": cluster.issuer_urls[0],
        "verifier_url": cluster.verifier_urls[0],
        "notifier_url": cluster.notifier_urls[0],
        "inbox_url": cluster.inbox_url,
        "site_url": cluster.site_url,
        "database_url": cluster.backends.database_url,
        "redis_url": cluster.backends.redis_url,
        "kafka_bootstrap": cluster.backends.kafka_bootstrap,
        "kafka_idempotence": cluster.backends.kafka_idempotence,
        "app_id": demo_app.app_id,
        "api_key": demo_app.api_key,
        **_vendors(cluster),
    }


def _vendors(cluster: Cluster) -> dict[str, Any]:
    if cluster.vendor_apps is None:
        return {}
    return {"compat_url": cluster.compat_urls[0], "vendors": cluster.vendor_apps.vendors}


def write(data_dir: Path, dev: dict[str, Any]) -> Path:
    """Write the file whole: a script that waits for it never reads half of it."""
    path = data_dir / NAME
    write_private(path, json.dumps(dev, indent=2) + "\n")
    return path


def remove(data_dir: Path) -> None:
    (data_dir / NAME).unlink(missing_ok=True)
