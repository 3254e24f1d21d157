"""Run the web application until it is stopped."""

import ipaddress
import os
import secrets
import socket
from collections.abc import Callable

from mmsent_cli.config.command_settings import LOOPBACK, ServeSettings
from mmsent_cli.errors import ConfigError
from mmsent_cli.interrupts import left_to_others

TOKEN_VARIABLE = "MMSENT_TOKEN"
GRACE_S = 10
"""Seconds for running requests to end when the server stops."""


def choose_token(settings: ServeSettings) -> str | None:
    """Return the token that requests need.

    This is the given token, or else a new token if other machines can connect, or else None.
    """
    given = settings.token or os.environ.get(TOKEN_VARIABLE)
    return given or (None if is_loopback(settings.host) else secrets.token_urlsafe(24))


def is_loopback(host: str) -> bool:
    """Return True if only this machine can connect to an address."""
    try:
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_socket(settings: ServeSettings) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the address is unknown or in use.
    """
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        known = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {known}", "choose another --port or --host"
        ) from error


def run_server(app: Callable, listener: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM. Then finish the running requests, and return."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S, server_header=False)
    with left_to_others():  # uvicorn raises the signal again after it has stopped
        uvicorn.Server(config).run(sockets=[listener])


def shown_address(settings: ServeSettings, listener: socket.socket, token: str | None) -> str:
    """Return the address of the page. The token is in the fragment of the address, which browsers do not send."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{listener.getsockname()[1]}/{f'#token={token}' if token else ''}"
