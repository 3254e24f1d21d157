"""Settings of `evaluate`. Standard library only, as in `config`."""

from dataclasses import dataclass

from mmsent_cli.config import option


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """Settings of `evaluate`."""

    by: tuple[str, ...] = option(
        (), "Columns of the manifest by whose values the scores are also given, comma-separated", shown="none"
    )
