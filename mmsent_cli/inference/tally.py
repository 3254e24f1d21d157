"""Count the pairs and labels of a prediction while it is written."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmsent_cli.data.pairs import Pair
from mmsent_cli.results import Prediction


class Tally:
    """Counts pairs and predictions one by one, so that they need not be kept in memory.

    Args:
        rows: the number of rows to predict.
        threshold: predictions with a lower probability get no label.
    """

    SHOWN_GUIDS = 5

    def __init__(self, rows: int, threshold: float = 0.0) -> None:
        self.rows = rows
        self.threshold = threshold
        self.abstained = 0
        self.pairs = 0
        self.replaced = 0
        self.tags: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.incomplete = 0
        self._incomplete: list[str] = []

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Tally":
        """Return a tally from its `vars`."""
        tally = cls(values["rows"], values["threshold"])
        vars(tally).update({**values, "tags": Counter(values["tags"]), "missing": Counter(values["missing"])})
        return tally

    def add(self, other: "Tally") -> None:
        """Add the counts of further pairs."""
        self.rows += other.rows
        self.pairs += other.pairs
        self.abstained += other.abstained
        self.replaced += other.replaced
        self.tags.update(other.tags)
        self.missing.update(other.missing)
        self.incomplete += other.incomplete
        self._incomplete = [*self._incomplete, *other._incomplete][: self.SHOWN_GUIDS]

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs, and count their undecodable characters."""
        for pair in pairs:
            self.replaced += pair.replaced
            yield pair

    def count(self, prediction: Prediction) -> bool:
        """Count one prediction. Returns True if its probability reaches the threshold."""
        is_given = prediction.probabilities[prediction.tag] >= self.threshold
        self.pairs += 1
        self.tags[prediction.tag] += is_given
        self.abstained += not is_given
        if prediction.missing:
            self.missing.update(prediction.missing.split(" and "))
            self.incomplete += 1
            if len(self._incomplete) < self.SHOWN_GUIDS:
                self._incomplete.append(f"{prediction.guid} (no {prediction.missing})")
        return is_given

    def notes(self) -> list[str]:
        """Return notes on the first pairs that were predicted from one modality."""
        if not self._incomplete:
            return []
        more = self.incomplete - len(self._incomplete)
        shown = ", ".join(self._incomplete)
        rest = f" and {more} more; --probabilities marks each" if more > 0 else ""
        return [f"predicted without words in a text (such as a link alone), or without an image: {shown}{rest}"]
