"""Settings of `serve`. Standard library only, as `config`."""

from dataclasses import dataclass

from mmsent_cli.config import option, raise_if

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Address of the server, and limits of a request."""

    host: str = option("127.0.0.1", "Address to listen on. With 0.0.0.0, other machines can connect")
    port: int = option(8000, "Port to listen on. 0 = any free port")
    token: str | None = option(
        None,
        "Secret that each request must contain (Authorization: Bearer TOKEN)",
        shown="$MMSENT_TOKEN; else none on 127.0.0.1, and a new random token, which is printed, on other hosts",
    )
    batch: int = option(16, "Maximum number of pairs in a batch. A batch may contain pairs of several clients")
    queue: int = option(256, "Maximum number of waiting pairs. Further requests get status 429")
    max_pairs: int = option(64, "Maximum number of pairs in a request")
    max_text: int = option(20_000, "Maximum number of characters in a text")
    max_megabytes: float = option(20.0, "Maximum size of a request in MB")
    max_megapixels: float = option(40.0, "Maximum size of an image in million pixels")
    timeout: float = option(60.0, "Seconds after which an unanswered request gets status 503")

    def __post_init__(self) -> None:
        counts = ("batch", "queue", "max_pairs", "max_text")
        raise_if(
            self,
            (not 0 <= self.port <= 65535, "port must lie between 0 and 65535"),
            *((getattr(self, name) < 1, f"{name} must be at least 1") for name in counts),
            *((getattr(self, name) <= 0, f"{name} must be positive") for name in LIMITS),
            (self.max_pairs > self.queue, "queue must not be smaller than --max-pairs"),
            (self.token is not None and not self.token.isascii(), "token must consist of ASCII characters"),
        )


LIMITS = ("max_megabytes", "max_megapixels", "timeout")
