"""Collect the flaws of pairs. A message names each kind of flaw once, with its count."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from mmsent_cli.data.pairs import MODALITIES, Pair
from mmsent_cli.errors import DataError, counted, summarize
from mmsent_cli.results import UnusablePair

HINT = "fix the files; or use --on-bad drop (leave these pairs out) or --on-bad blank (use only their text or image)"
SHOWN_GUIDS = 5
DROPPED, BLANKED = "dropped", "blanked"
ADDRESS = "addresses, which mmsent does not open"
ELSEWHERE = "paths of another machine"
ABSENT = "files that do not exist"
ONE = {
    ADDRESS: "an address, which mmsent does not open",
    ELSEWHERE: "a path of another machine",
    ABSENT: "a file that does not exist",
}
MISSING_FILE = (
    "check the paths, which may be relative to the table's folder, such as images/1.jpg; or use --on-bad drop to leave"
    " these pairs out, or --on-bad blank to leave out only their images"
)
HINTS = {
    ADDRESS: "download the images and put their file names into the table; or use --on-bad blank to leave them out",
    **dict.fromkeys((ELSEWHERE, ABSENT), MISSING_FILE),
}
"""The kinds of flaws that are reported once for all pairs. For each kind, a hint."""
FEW_ABSENT = (
    "copy the missing images to these paths; or use --on-bad blank (text alone) or --on-bad drop (leave the pairs out)"
)
"""The hint if most image files exist, so that the paths are right."""
CHECK_LISTS = "mmsent check lists all of them"


class Flaw(NamedTuple):
    """The reason why a text or an image cannot be used.

    Attributes:
        text: a sentence about this pair.
        kind: for a common flaw, one of the keys of `HINTS`; else empty.
        example: for a common flaw, the name of the file; else empty.
        is_absent: True if the row names a file that is not on this machine.
    """

    text: str
    kind: str = ""
    example: str = ""
    is_absent: bool = False


@dataclass(frozen=True, slots=True)
class CheckedPair:
    """A pair after the check of its files, with the flaws of each modality.

    Attributes:
        pair: the pair; its text or image is None if it cannot be used.
        missing: the flaw of each modality that the row does not have.
        broken: the flaw of each modality that the row has but that cannot be used.
        remarks: notes on unusual files that are used.
        row: the place of the row, such as `pairs.csv:17`.
    """

    pair: Pair
    missing: dict[str, Flaw] = field(default_factory=dict)
    broken: dict[str, Flaw] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    row: str = ""

    def wrong(self, needs: Collection[str] | None) -> list[Flaw]:
        """Return the problems that prevent the use of the pair.

        Args:
            needs: the modalities that a pair must have. None for a pair to predict: one modality may be missing, but
                none may be broken.
        """
        every = [part[name] for part in (self.missing, self.broken) for name in MODALITIES if name in part]
        if self.pair.text is None and self.pair.image is None:
            return every
        if needs is None:
            return list(self.broken.values())
        return [part[name] for part in (self.missing, self.broken) for name in needs if name in part]


@dataclass(slots=True)
class Flaws:
    """The flaws of all pairs.

    Attributes:
        problems: one line for each pair that is dropped or blanked, or that stops the run.
        unusable: the dropped and blanked pairs, with the places of their rows.
    """

    problems: list[str] = field(default_factory=list)
    unusable: list[UnusablePair] = field(default_factory=list)
    _single: list[str] = field(default_factory=list)
    _kinds: dict[str, list[str]] = field(default_factory=dict)
    _remarks: dict[str, list[str]] = field(default_factory=dict)
    _blank: Counter[str] = field(default_factory=Counter)

    def to_plain(self) -> dict[str, Any]:
        """Convert to plain JSON values."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**plain, "unusable": [asdict(pair) for pair in self.unusable]}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Flaws":
        """Make flaws from the values of `to_plain`."""
        unusable = [UnusablePair(**pair) for pair in values["unusable"]]
        return cls(**{**values, "_blank": Counter(values["_blank"]), "unusable": unusable})

    @property
    def dropped(self) -> int:
        """Number of pairs that are left out."""
        return sum(pair.outcome == DROPPED for pair in self.unusable)

    @property
    def refused(self) -> int:
        """Number of pairs that are left out or stop the run."""
        return len(self.problems) - self.blanked

    @property
    def blanked(self) -> int:
        """Number of pairs that are used without their broken text or image."""
        return len(self.unusable) - self.dropped

    def add(self, other: "Flaws") -> None:
        """Add the flaws of other pairs."""
        self.problems += other.problems
        self.unusable += other.unusable
        self._single += other._single
        self._blank += other._blank
        for own, more in ((self._kinds, other._kinds), (self._remarks, other._remarks)):
            for what, examples in more.items():
                own.setdefault(what, []).extend(examples)

    def leave_out(self, rows: Iterable[str]) -> None:
        """Record rows that cannot be read and are left out, from lines such as `posts.jsonl:17: not a JSON object`."""
        for line in rows:
            where, _, why = line.partition(": ")
            self.problems.append(f"{where}: {DROPPED}: {why}")
            self.unusable.append(UnusablePair(guid="", row=where, reason=why, outcome=DROPPED))

    def admit(self, item: CheckedPair, on_bad: str, needs: Collection[str] | None) -> Pair | None:
        """Record the flaws of a pair. Return the pair with only its usable parts, or None if the pair is left out.

        Args:
            item: a checked pair.
            on_bad: the policy: stop, drop or blank.
            needs: as in `CheckedPair.wrong`.
        """
        pair, wrong = item.pair, item.wrong(needs)
        for remark in item.remarks:
            self._remarks.setdefault(remark, []).append(pair.guid)
        if not wrong:
            self._blank.update(item.missing.keys() | item.broken.keys())
            return pair
        is_kept = on_bad == "blank" and not (pair.text is None and pair.image is None)
        why, outcome = " and ".join(flaw.text for flaw in wrong), BLANKED if is_kept else DROPPED
        line = f"pair {pair.guid}: {'' if on_bad == 'stop' else f'{outcome}: '}{why}"
        self.problems.append(line)
        if on_bad != "stop":
            self.unusable.append(UnusablePair(guid=pair.guid, row=item.row, reason=why, outcome=outcome))
        kinds = [flaw for flaw in wrong if flaw.kind]
        if kinds:
            self._kinds.setdefault(kinds[0].kind, []).append(kinds[0].example)
        else:
            self._single.append(line)
        return pair if is_kept else None

    def summary(self) -> str:
        """Describe all flaws in one line: first the common kinds, then the flaws of single pairs."""
        kinds = [
            f"1 image is {ONE[kind]}: {examples[0]}"
            if len(examples) == 1
            else f"{len(examples):,} images are {kind}, such as {examples[0]}"
            for kind, examples in self._kinds.items()
        ]
        return "; ".join([*kinds, *([summarize(self._single)] if self._single else [])])

    def error(self, total: int) -> DataError:
        """Make the error for pairs that cannot be used. `total` is the number of checked pairs."""
        hint = next(iter(HINTS[kind] for kind in self._kinds), HINT) if not self._single else HINT
        if ABSENT in self._kinds and len(self._kinds[ABSENT]) < total / 2 and not self._single:
            hint = f"{FEW_ABSENT}; {CHECK_LISTS}"
        return DataError(f"{len(self.problems):,} of {counted(total, 'pair')} cannot be used: {self.summary()}", hint)

    def notes(self, needs: Collection[str] | None) -> list[str]:
        """Return notes on unusual files that are used, and on pairs that lack a modality.

        The notes on pairs are left out if `needs` is None.
        """
        return [*self._remark_notes(), *(self._blank_notes() if needs is not None else ())]

    def _remark_notes(self) -> Iterator[str]:
        for what, guids in self._remarks.items():
            yield f"{counted(len(guids), 'image')} {what}: {'pair' if len(guids) == 1 else 'pairs'} {_shown(guids)}"

    def _blank_notes(self) -> Iterator[str]:
        for name, count in self._blank.items():
            yield f"{counted(count, 'pair')} without a usable {name}; the model does not need it"


def _shown(guids: Sequence[str]) -> str:
    rest = len(guids) - SHOWN_GUIDS
    return ", ".join(guids[:SHOWN_GUIDS]) + (f" and {rest} more" if rest > 0 else "")
