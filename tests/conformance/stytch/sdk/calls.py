"""What a product on `stytch` 15 does, unmodified but for where its server is. Runs in the SDK's own environment."""

import asyncio
import os
from functools import cache
from typing import Any

import stytch  # type: ignore[import-not-found]
from stytch.core.response_base import StytchError  # type: ignore[import-not-found]


def ask(method: str, args: dict[str, Any], **credentials: str) -> Any:
    """Call `magic_links.create` and the like; a `StytchError` carries its details as `told`."""
    try:
        return plain(found(client(**credentials), method)(**args))
    except StytchError as error:
        error.told = error.details.model_dump(mode="json")
        raise


def ask_async(method: str, args: dict[str, Any]) -> Any:
    """As `ask`, by the SDK's asynchronous client."""

    async def run() -> Any:
        return plain(await found(new_client(), f"{method}_async")(**args))

    return asyncio.run(run())


@cache
def client(secret: str | None = None, project_id: str | None = None) -> Any:
    return new_client(secret, project_id)


def new_client(secret: str | None = None, project_id: str | None = None) -> Any:
    return stytch.Client(
        project_id=project_id or os.environ["STYTCH_PROJECT_ID"],
        secret=secret or os.environ["STYTCH_SECRET"],
        environment=os.environ["STYTCH_BASE_URL"],
    )


def found(start: Any, method: str) -> Any:
    for name in method.split("."):
        start = getattr(start, name)
    return start


def plain(answer: Any) -> Any:
    return None if answer is None else answer.model_dump(mode="json")
