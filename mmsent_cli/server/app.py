"""The web application: a page, `POST /predict`, `POST /explain`, `/health`, `/metrics` and an OpenAPI description."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmsent_cli import __version__
from mmsent_cli.config.command_settings import ServeSettings
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import MmsentError
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.results import Explanation, Prediction
from mmsent_cli.server.batcher import Batcher
from mmsent_cli.server.inputs import Refusal, body_schema, read_pairs

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class ServerMetrics:
    """Counts of requests and of predicted pairs since the start of the server.

    Args:
        waiting: a function that returns the number of waiting pairs.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "mmsent_requests", "Requests by path and status", ("path", "status"), registry=self._registry
        )
        self.pairs = Counter("mmsent_pairs", "Predicted pairs by class", ("label",), registry=self._registry)
        self.seconds = Histogram(
            "mmsent_request_seconds", "Seconds from request to answer", registry=self._registry, buckets=SECONDS
        )
        gauge = Gauge("mmsent_waiting_pairs", "Pairs that wait", registry=self._registry)
        gauge.set_function(waiting)

    def text(self) -> bytes:
        """Return all counts, one per line."""
        return generate_latest(self._registry)


OPEN_PATHS = ("/", "/health")
"""Paths that need no token. The page contains no secret, and a load balancer (which reads `/health`) has no token."""


class Guard:
    """ASGI middleware that refuses large bodies and missing tokens, and counts requests.

    Args:
        app: the application that gets the requests that are not refused.
        max_bytes: maximum size of a body.
        token: the token that `Authorization: Bearer` must contain; None if no token is needed.
        metrics: the counts of requests.
        paths: the known paths. Requests to all other paths are counted together.
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


PAGE = Path(__file__).with_name("page.html")
PATHS = frozenset({"/", "/health", "/metrics", "/predict", "/explain", "/openapi.json"})
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
    " img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Explain = Callable[[Pair], Explanation]


def create_app(
    predictor: Predictor, settings: ServeSettings, *, token: str | None = None, explain: Explain | None = None
) -> ASGIApp:
    """Create the web application for a loaded model.

    Args:
        predictor: the model.
        settings: limits and batches.
        token: the token that each request must contain, or None.
        explain: a function that explains one pair; None if Captum is not installed.
    """
    batcher = Batcher(
        lambda pairs: list(predictor.predict(pairs)),
        batch=settings.batch,
        queue=settings.queue,
        timeout=settings.timeout,
    )
    metrics = ServerMetrics(lambda: batcher.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await batcher.start()
        yield
        await batcher.stop()

    app = FastAPI(
        title="mmsent",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        description=_about(predictor),
    )
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(MmsentError, _failed)
    _add_routes(app, predictor, settings, batcher, metrics, explain)
    max_bytes = round(settings.max_megabytes * 1e6)
    return Guard(app, max_bytes=max_bytes, token=token, metrics=metrics, paths=PATHS)


def _add_routes(
    app: FastAPI,
    predictor: Predictor,
    settings: ServeSettings,
    batcher: Batcher,
    metrics: ServerMetrics,
    explain: Explain | None,
) -> None:
    labels = predictor.description.labels
    model = {"run": predictor.description.run, "mmsent": __version__}

    @app.post("/predict", openapi_extra=body_schema(), summary="Predict one pair, or several")
    async def predict(request: Request) -> dict[str, Any]:
        pairs, is_list = await read_pairs(request, settings)
        answers = await batcher.predict(pairs)
        for answer in answers:
            metrics.pairs.labels(answer.label).inc()
        shown = [_shown(answer) for answer in answers]
        return {**({"predictions": shown} if is_list else shown[0]), "model": model}

    @app.post("/explain", openapi_extra=body_schema(), summary="Explain the prediction of one pair")
    async def explained(request: Request) -> dict[str, Any]:
        work = explain
        if work is None:
            raise Refusal(
                501,
                "this server cannot explain predictions",
                "install the packages with pip install '.[explain]', and start the server again",
            )
        pairs, _ = await read_pairs(request, settings)
        if len(pairs) > 1:
            raise Refusal(422, f"cannot explain {len(pairs)} pairs at once", "send one pair")
        found = asdict(await batcher.run(pairs, lambda: work(pairs[0])))
        if missing := found["missing"]:
            found["shares"][missing] = None
        return found

    @app.get("/health", summary="Whether the server answers, and what it serves")
    async def health() -> dict[str, Any]:
        return {
            "status": "ok",
            "run": predictor.description.run,
            "labels": labels,
            "waiting": batcher.waiting,
            "explains": explain is not None,
            "version": __version__,
        }

    @app.get("/metrics", response_class=PlainTextResponse, summary="Counts in the format of Prometheus")
    async def counts() -> PlainTextResponse:
        return PlainTextResponse(metrics.text())

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers=SECURITY_HEADERS)


def _shown(answer: Prediction) -> dict[str, Any]:
    return {"label": answer.label, "probabilities": answer.probabilities, "missing": answer.missing}


def _about(predictor: Predictor) -> str:
    labels = ", ".join(predictor.description.labels)
    return f"Sentiment of a text with its image, by the run {predictor.description.run}. Classes: {labels}."


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """Convert a refusal, or an HTTP error of the framework, to an error response with a hint."""
    assert isinstance(error, HTTPException)
    content: Any = error.detail
    if not isinstance(content, dict):
        content = {"error": str(error.detail), "hint": "POST to /predict, or see /openapi.json"}
    return JSONResponse(content, error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    """Return the error response for a pair that passed the checks but cannot be predicted."""
    assert isinstance(error, MmsentError)
    return JSONResponse({"error": error.message, "hint": error.hint}, 422)
