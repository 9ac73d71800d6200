"""Calls of FusionAuth's official SDK, as a product makes them. Standard library and the SDK only."""

import os
from typing import Any

from fusionauth.fusionauth_client import FusionAuthClient  # type: ignore[import-not-found]


def call(method: str, args: list[Any], key: str | None = None, tenant: str | None = None) -> dict[str, Any]:
    """Call a method of the client; return what a product reads of its answer."""
    client = FusionAuthClient(
        os.environ["FUSIONAUTH_KEY"] if key is None else key, os.environ["FUSIONAUTH_URL"]
    )
    if tenant:
        client.set_tenant_id(tenant)
    answer = getattr(client, method)(*args)
    return {
        "status": answer.status,
        "success": answer.success_response,
        "error": answer.error_response if answer.status == 400 else None,
        "ok": answer.was_successful(),
        "text": answer.response.text,
        "cookies": answer.response.cookies.get_dict(),
    }
