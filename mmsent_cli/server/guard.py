"""What stands before every request: the size of its body, its token, and what is counted of it."""

import secrets
import time

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmsent_cli.server.errors import Refusal
from mmsent_cli.server.metrics import ServerMetrics

OPEN_PATHS = ("/", "/health")
"""Answered without a token: the page itself holds no secret, and a load balancer has none."""


class Guard:
    """ASGI middleware: refuses large bodies and missing tokens, and counts requests.

    Args:
        app: answers the requests that pass.
        max_bytes: size of a body.
        token: needed in `Authorization: Bearer`; None: none is needed.
        metrics: where requests are counted.
        paths: the known paths; all others are counted as one.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, token: str | None, metrics: ServerMetrics, paths: frozenset[str]
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._token = token
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._guarded(scope, receive, counted)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.observe(time.monotonic() - start)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._may_pass(scope["path"], headers):
            answer = _refusal(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")
            answer.headers["WWW-Authenticate"] = "Bearer"
            await answer(scope, receive, send)
            return
        size = headers.get("content-length", "0")
        hint = f"send at most {self._max_bytes / 1e6:g} MB"
        if not size.isdecimal() or int(size) > self._max_bytes:
            await _refusal(413, "the request is too large", hint)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise Refusal(413, "the request is too large", hint)
            return message

        await self._app(scope, limited, send)

    def _may_pass(self, path: str, headers: Headers) -> bool:
        if self._token is None or path in OPEN_PATHS:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), self._token.encode())


def _refusal(status: int, message: str, hint: str) -> JSONResponse:
    return JSONResponse({"error": message, "hint": hint}, status)
