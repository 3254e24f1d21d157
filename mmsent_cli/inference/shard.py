"""A shard of a prediction: some of the rows, for a job of its own.

A shard consists of whole chunks, and a chunk is what the model predicts together. So the shards have the same
predictions as one job, to the last digit, unless pairs are dropped (`--on-bad drop`): the chunks then begin elsewhere.
"""

import re
from dataclasses import dataclass

from mmsent_cli.errors import ConfigError

WRITTEN = re.compile(r"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard that is written as `2/8`.

        Raises:
            ConfigError: it is not written like this, or the number is not between 1 and the count.
        """
        written = WRITTEN.fullmatch(text)
        shard = cls(*map(int, written.groups())) if written else None
        if shard is None or not 1 <= shard.number <= shard.count:
            raise ConfigError(f"--shard {text!r} is no shard", "write --shard I/N with I from 1 to N, such as 1/8")
        return shard

    def rows(self, total: int, chunk: int) -> range:
        """Return the numbers of the shard's rows.

        Args:
            total: number of all rows.
            chunk: number of rows that are predicted together.
        """
        chunks = -(-total // chunk)
        start, end = (chunk * (number * chunks // self.count) for number in (self.number - 1, self.number))
        return range(min(start, total), min(end, total))

    def note(self, rows: int, chunk: int) -> str:
        """Return a note for the user on the rows of the shard; empty for the only shard.

        Args:
            rows: number of rows of the shard.
            chunk: as in `rows`.
        """
        if self.count == 1:
            return ""
        unit = f"; shards are whole batches of {chunk:,} rows" if rows < chunk else ""
        few = ", and there are more shards than batches" if not rows else ""
        return f"shard {self.number} of {self.count}: {rows:,} rows to predict{unit}{few}"
