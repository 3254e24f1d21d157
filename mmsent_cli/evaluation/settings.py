"""Settings of `evaluate`. Standard library only, as in `config`."""

from dataclasses import dataclass

from mmsent_cli.config import option


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """Settings of `evaluate`."""

    by: tuple[str, ...] = option(
        (),
        "Columns of the table, comma-separated. Scores are also shown for each value of these columns",
        shown="none",
    )
