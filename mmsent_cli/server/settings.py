"""Settings of `serve`. Standard library only, as `config`."""

from dataclasses import dataclass

from mmsent_cli.config import option, raise_if

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where a model is served, and how much a client may ask for."""

    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 is reachable from other machines")
    port: int = option(8000, "Port to listen on; 0 is any free one")
    token: str | None = option(
        None,
        "Secret that each request must carry (Authorization: Bearer TOKEN)",
        shown="$MMSENT_TOKEN; else no token if --host is 127.0.0.1, and otherwise a random one, which is printed",
    )
    batch: int = option(16, "Pairs that are predicted at once, from one client or several")
    queue: int = option(256, "Pairs that may wait; further requests get status 429")
    max_pairs: int = option(64, "Pairs in one request")
    max_text: int = option(20_000, "Characters in one text")
    max_megabytes: float = option(20.0, "Size of one request in MB")
    max_megapixels: float = option(40.0, "Size of one image in million pixels")
    timeout: float = option(60.0, "Seconds until a request is given up, with status 503")

    def __post_init__(self) -> None:
        counts = ("batch", "queue", "max_pairs", "max_text")
        raise_if(
            (not 0 <= self.port <= 65535, f"port must lie between 0 and 65535, not {self.port}"),
            *((getattr(self, name) < 1, f"{name} must be at least 1") for name in counts),
            *((getattr(self, name) <= 0, f"{name} must be positive") for name in LIMITS),
            (self.max_pairs > self.queue, "queue must not be smaller than max_pairs"),
            (self.token is not None and not self.token.isascii(), "token must consist of ASCII characters"),
        )


LIMITS = ("max_megabytes", "max_megapixels", "timeout")
