"""Posts one webhook message: a POST of JSON, and what the receiver said to it."""

from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from services.notifier.public_addresses import PublicResolver, is_address, is_public

POST_SECONDS = 10.0
_MOST_READ_BYTES = 1024
_MOST_AT_ONCE = 128
_AGENT = "magiclink-webhooks/1"


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a try. `gone`: the receiver wants nothing any more (410). `reason` holds no word of the receiver's."""

    ok: bool
    gone: bool = False
    reason: str = ""


class WebhookPoster:
    """Posts over connections of its own. `anywhere` is for the dev environment: http, and addresses that are not public."""

    def __init__(self, *, anywhere: bool = False) -> None:
        self._anywhere = anywhere
        # No cache of names: the address is looked up, and checked, for each connection.
        connector = aiohttp.TCPConnector(
            limit=_MOST_AT_ONCE, use_dns_cache=False, resolver=None if anywhere else PublicResolver()
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=POST_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": _AGENT, "Content-Type": "application/json"},
            trust_env=False,
        )

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Posted:
        """Post once. Never raises what the receiver or the network does: that is an outcome."""
        where = URL(url)
        if not self._anywhere and (where.scheme != "https" or not _may_reach(where)):
            return Posted(ok=False, reason="address_not_public")
        try:
            # A redirect would lead where nobody checked, with a signed body.
            async with self._session.post(where, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.content.read(_MOST_READ_BYTES)
                return _judge(answer.status)
        except TimeoutError:
            return Posted(ok=False, reason=f"no answer in {POST_SECONDS:g} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Posted(ok=False, reason=type(error).__name__)

    async def close(self) -> None:
        await self._session.close()


def _may_reach(where: URL) -> bool:
    host = where.host or ""
    # Names are checked by the resolver; nobody resolves an address.
    return not is_address(host) or is_public(host)


def _judge(status: int) -> Posted:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Posted(ok=True)
    return Posted(ok=False, gone=status == HTTPStatus.GONE, reason=f"answered {status}")
