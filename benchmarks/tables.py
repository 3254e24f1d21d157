"""Measured rows, and the compute that scales a part to the whole."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: what was measured.
        plain: seconds of the plain loop, or of the limit; None where there is nothing to compare with.
        ours: seconds of mmsent.
        note: inputs, what was scaled and how, a target.
    """

    name: str
    ours: float
    plain: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as long the other one takes."""
        return None if self.plain is None else self.plain / self.ours


@dataclass(frozen=True, slots=True)
class PairCost:
    """Seconds a pair of a loop that was measured on some pairs: to train on one, and to validate on one."""

    train: float
    val: float

    def scaled(self, train_pairs: int, val_pairs: int, epochs: int, models: int = 1) -> float:
        """Seconds for whole epochs of one model after another, each like the next."""
        return models * epochs * (train_pairs * self.train + val_pairs * self.val)


def render(rows: list[Row]) -> str:
    """The rows as aligned plain text."""
    lines = [("", "plain or limit", "mmsent", "ratio", "")]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.0f}"
        lines.append((row.name, "" if row.plain is None else duration(row.plain), duration(row.ours), ratio, row.note))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in (1, 2, 3)), line[4]]).rstrip()
        for line in lines
    )


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
