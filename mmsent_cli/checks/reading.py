"""Read all pairs of a source as training and prediction would, and go on after what cannot be used."""

from dataclasses import dataclass
from pathlib import Path

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data import lab
from mmsent_cli.data.check import account, check_rows, guess_encoding
from mmsent_cli.data.flaws import CheckedPair, Flaws
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.pairs import Dataset, Pair
from mmsent_cli.data.rows import limited
from mmsent_cli.data.source_rows import gather_labelled, rows_to_predict
from mmsent_cli.data.tables import Report
from mmsent_cli.files import natural_order
from mmsent_cli.progress import Progress, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPairs:
    """All pairs of a source.

    Attributes:
        source: the source.
        on_bad: what training does with unusable pairs: stop, drop or blank.
        needs: the modalities that a pair must have.
        decision: how texts are decoded.
        rows: all labelled pairs, also unusable ones.
        bad_rows: a line for each labelled row that cannot be read.
        hint: what to do about these rows.
        numbers: of rows that were read, used, skipped and refused.
        dataset: the labelled pairs that can be used.
        to_predict: all pairs without a label.
        bad_rows_to_predict: a line for each of their rows that cannot be read.
        listed: the guids of a folder's lists.
    """

    source: Source
    on_bad: str
    needs: tuple[str, ...]
    decision: EncodingDecision
    rows: list[CheckedPair]
    bad_rows: list[str]
    hint: str
    numbers: dict[str, int]
    dataset: Dataset
    to_predict: list[CheckedPair]
    bad_rows_to_predict: list[str]
    listed: frozenset[str]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The labelled pairs that can be used."""
        return self.dataset.pairs


def read_pairs(
    config: DataConfig, source: Source, cache_dir: Path, needs: tuple[str, ...], progress: Progress
) -> ReadPairs:
    """Read and check all pairs, with and without a label.

    Args:
        config: settings of the data.
        source: of `locate` or `frame_source`.
        cache_dir: cache folder for the encoding decision.
        needs: the modalities that a labelled pair must have.
        progress: receives the number of checked pairs.

    Raises:
        DataError: the source cannot be read at all.
    """
    report = Report()
    decision = guess_encoding(source, config, cache_dir)
    every_row, labels, hint = gather_labelled(source, config, report, decision, needs)
    unlabelled, bad = _unlabelled_rows(source, config, decision)
    rows, total = limited(every_row, config.limit), 0
    checked: tuple[list[CheckedPair], list[CheckedPair]] = ([], [])
    for part, kept in zip((rows, unlabelled), checked, strict=True):
        for chunk in check_rows(part, decision):
            kept += chunk
            total += len(chunk)
            progress(Stage("checking pairs", total, len(rows) + len(unlabelled)))
    flaws = Flaws()
    usable = tuple(pair for item in checked[0] if (pair := flaws.admit(item, config.on_bad, needs)))
    account(report, len(every_row) - len(rows), len(usable), flaws)
    return ReadPairs(
        source=source,
        on_bad=config.on_bad,
        needs=needs,
        decision=decision,
        rows=checked[0],
        bad_rows=sorted(report.problems, key=natural_order),
        hint=hint,
        numbers=report.numbers(),
        dataset=Dataset(
            source=source.name,
            pairs=usable,
            labels=labels,
            decision=decision,
            notes=(source.notice, *report.notes(source.name)),
        ),
        to_predict=checked[1],
        bad_rows_to_predict=bad,
        listed=frozenset(lab.listed_guids(source.path, config)) if source.kind == "lab" else frozenset(),
    )


def _unlabelled_rows(source: Source, config: DataConfig, decision: EncodingDecision) -> tuple[list, list[str]]:
    """The rows to predict, and what is wrong with others; none of a DataFrame, all rows of which can be predicted."""
    is_listed = source.kind == "manifest" or (source.kind == "lab" and lab.holds_list(source.path, lab.UNLABELLED_LIST))
    if not is_listed:
        return [], []
    report = Report()
    rows = list(rows_to_predict(source, config, report, decision))
    return rows, [] if source.kind == "manifest" else report.problems  # a table's bad rows are listed once
