"""Responses that are complete when they are made, written in one go.

aiohttp prepares every response as if it might be streamed, compressed or chunked: for one with a short body of known length that was
15 % of what a refused request costs (docs/decisions/0014). Whatever is not so simple takes aiohttp's way.
"""

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

# Larger bodies may need more than one write, and are rare enough.
_LARGEST_BYTES = 64 * 1024
_BODILESS = frozenset({204, 304})


class Draining:
    """Whether a service is about to stop: its connections are closed with the next answer, so that none ends under a request."""

    on = False


DRAINING: web.AppKey[Draining] = web.AppKey("draining", Draining)


class Answer(web.Response):
    """A response with a body of bytes."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        body = self.body
        if not isinstance(body, bytes) or not self._is_simple(request, len(body)):
            return await super().prepare(request)
        headers = self.headers
        headers[hdrs.CONTENT_LENGTH] = str(len(body))
        headers[hdrs.DATE] = rfc822_formatted_time()
        headers[hdrs.SERVER] = SERVER_SOFTWARE
        writer = request.writer
        await writer.write_headers(f"HTTP/1.1 {self.status} {self.reason}", headers)
        await writer.write_eof(body)
        self._keep_alive = True
        self._eof_sent = True
        return writer

    def _is_simple(self, request: web.BaseRequest, size: int) -> bool:
        return (
            self._keep_alive is None  # not told to close the connection
            and request.keep_alive
            and request.version == HttpVersion11
            and request.method != hdrs.METH_HEAD
            and self.status not in _BODILESS
            and not self._cookies
            and not self.prepared
            and size <= _LARGEST_BYTES
        )
