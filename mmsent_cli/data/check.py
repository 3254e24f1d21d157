"""Read the pairs of a data source: decode texts, check images, and collect all problems.

All files are read before the first epoch, so that a broken file is reported within seconds.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from mmsent_cli.charsets import decide as encoding
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data.flaws import CheckedPair, Flaws
from mmsent_cli.data.layouts import Source, locate, text_paths
from mmsent_cli.data.pair_check import check_row
from mmsent_cli.data.pairs import MODALITIES, Dataset, Pair, PairRow
from mmsent_cli.data.placeholders import placeholder_notes
from mmsent_cli.data.rows import labels_of, limited
from mmsent_cli.data.source_rows import count_unlabelled, labelled_rows
from mmsent_cli.data.tables import UNICODE, Report, table_decision
from mmsent_cli.errors import DataError, counted
from mmsent_cli.files import cache_note
from mmsent_cli.progress import Progress, Stage, silent

CHUNK_ROWS = 256
MOST_DAMAGED = 0.2
"""Share of texts with undecodable bytes from which an encoding that the user gave must be wrong."""
OVER_LIMIT = "over --limit"


def load_labelled(
    config: DataConfig,
    cache_dir: Path,
    progress: Progress = silent,
    source: Source | None = None,
    needs: Collection[str] | None = MODALITIES,
) -> Dataset:
    """Read and check every labelled pair of a source.

    Args:
        config: settings of the data.
        cache_dir: cache folder for the encoding decision.
        progress: receives the number of checked pairs.
        source: a source from `locate` or `frame_source`; None uses `config.data`.
        needs: the modalities that a pair must have; another one may be missing or broken. If empty, these are all
            modalities that occur in the source. If None, a pair may lack one modality, as in a prediction.

    Raises:
        DataError: rows are invalid, the encoding is undecided, or (with `on_bad` stop) a pair is unusable.
    """
    source, report, flaws = source or locate(config.data), Report(), Flaws()
    decision = None if source.kind == "lab" else decide_encoding(source, config, cache_dir)
    every_row = labelled_rows(source, config, report, decision, needs or ())
    decision = decision or decide_encoding(source, config, cache_dir)
    rows = limited(every_row, config.limit)
    needs = _modalities_of(rows) if needs is not None and not needs else needs
    checked = []
    for chunk in check_rows(rows, decision):
        checked += chunk
        progress(Stage("checking pairs", len(checked), len(rows)))
    pairs = [pair for item in checked if (pair := flaws.admit(item, config.on_bad, needs))]
    if flaws.problems and config.on_bad == "stop":
        raise flaws.error(len(rows))
    _require_encoding(config.encoding, [pair for pair in pairs if pair.text])
    if not pairs:
        raise DataError(f"no pair of {source.name} can be used: {flaws.summary()}", "fix the files")
    account(report, len(every_row) - len(rows), len(pairs), flaws)
    told = (source.notice, *report.notes(source.name), *_notes(pairs, config, flaws, needs))
    return Dataset(
        source=source.name,
        pairs=tuple(pairs),
        labels=labels_of(every_row, config.labels),
        decision=decision,
        problems=tuple(flaws.problems),
        notes=(*filter(None, [cache_note()]), *told),
    )


def iter_unlabelled(
    source: Source, config: DataConfig, decision: EncodingDecision, flaws: Flaws | None = None
) -> Iterator[Pair]:
    """Read and check the pairs to predict; see `open_unlabelled`."""
    return open_unlabelled(source, config, decision, flaws)[1]


def open_unlabelled(
    source: Source,
    config: DataConfig,
    decision: EncodingDecision,
    flaws: Flaws | None = None,
    notes: list[str] | None = None,
    part: Callable[[int], range] = range,
) -> tuple[int, Iterator[Pair]]:
    """Count the rows to predict, and read and check their pairs, in order. A few hundred pairs are in memory at a time.

    A missing text or image is None. `on_bad` decides about broken files: `stop` checks all pairs and then raises one
    error that lists every problem; `drop` leaves the pair out; `blank` sets the text or image to None. A pair without
    text and image is left out.

    Args:
        source: a source from `locate`.
        config: settings of the data.
        decision: the encoding decision, from `decide_encoding`.
        flaws: receives the pairs that are dropped or blanked.
        notes: how the source was read is appended after the last pair.
        part: which rows to predict, as a range of their numbers; gets the number of all rows.

    Raises:
        DataError: rows are invalid, or (while the pairs are read, with `on_bad` stop) files are broken.
    """
    report, flaws = Report(), Flaws() if flaws is None else flaws
    count, every_row = count_unlabelled(source, config, report, decision)
    chosen = part(count)
    rows = islice(every_row, chosen.start, chosen.stop)

    def told() -> Iterator[Pair]:
        kept = 0
        for pair in checked_pairs(rows, config, decision, flaws):
            kept += 1
            yield pair
        account(report, 0, kept, flaws)
        report.said += flaws.notes(None)
        if notes is not None:
            notes.extend(report.notes(source.name))

    return len(chosen), told()


def checked_pairs(
    rows: Iterable[PairRow], config: DataConfig, decision: EncodingDecision, flaws: Flaws
) -> Iterator[Pair]:
    """Check rows to predict, in order; see `open_unlabelled`.

    Args:
        rows: the rows, whose files are not yet opened.
        config: settings of the data.
        decision: how texts in files are decoded.
        flaws: receives what is wrong with the pairs.

    Raises:
        DataError: with `on_bad` stop, files are broken.
    """
    total = 0
    for chunk in check_rows(rows, decision):
        total += len(chunk)
        pairs = [pair for item in chunk if (pair := flaws.admit(item, config.on_bad, None))]
        if not (flaws.problems and config.on_bad == "stop"):
            yield from pairs
    if flaws.problems and config.on_bad == "stop":
        raise flaws.error(total)


def decide_encoding(source: Source, config: DataConfig, cache_dir: Path) -> EncodingDecision:
    """Return the encoding decision for all texts of the source.

    Raises:
        UndecidedEncoding: the texts are too few to decide, and `--encoding` is not given.
    """
    decision = guess_encoding(source, config, cache_dir)
    return encoding.require_decided(decision) if source.kind == "lab" else decision


def guess_encoding(source: Source, config: DataConfig, cache_dir: Path) -> EncodingDecision:
    """Return the encoding decision for all texts of the source, which may be undecided for a folder of few texts.

    Raises:
        UndecidedEncoding: a table with too little evidence, and no `--encoding` given.
    """
    if source.kind == "frame":
        return UNICODE
    if source.kind == "manifest":
        return table_decision(source.path, config.encoding)
    return encoding.decide_cached(text_paths(source, config), config.encoding, cache_dir)


def check_rows(rows: Iterable[PairRow], decision: EncodingDecision) -> Iterator[list[CheckedPair]]:
    """Check rows chunk by chunk in threads: Pillow and BLAKE2b release the interpreter lock."""
    remaining = iter(rows)
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        while chunk := list(islice(remaining, CHUNK_ROWS)):
            yield list(pool.map(lambda row: check_row(row, decision), chunk))


def _require_encoding(given: str, pairs: Sequence[Pair]) -> None:
    """Check that an encoding which the user gave decodes most texts.

    Raises:
        DataError: it does not.
    """
    damaged = sum(bool(pair.replaced) for pair in pairs)
    if given != "auto" and damaged > MOST_DAMAGED * len(pairs):
        raise DataError(
            f"--encoding {given}: {damaged:,} of {counted(len(pairs), 'text')} have bytes that are not {given}",
            "leave out --encoding; mmsent inspect-encoding shows which encoding fits",
        )


def _modalities_of(rows: Iterable[PairRow]) -> tuple[str, ...]:
    """The modalities that any row has."""
    has_text = has_image = False
    for row in rows:
        has_text = has_text or row.text is not None or row.text_path is not None
        has_image = has_image or row.image is not None or bool(row.elsewhere)
    return tuple(name for name, has in zip(MODALITIES, (has_text, has_image), strict=True) if has)


def account(report: Report, over_limit: int, kept: int, flaws: Flaws) -> None:
    """Enter in a report what became of the rows after their files were checked.

    Args:
        report: what was counted as the rows were read.
        over_limit: rows that `--limit` leaves out.
        kept: pairs that can be used.
        flaws: those found in the checked rows.
    """
    if over_limit:
        report.skipped[OVER_LIMIT] += over_limit
    report.read = kept
    report.refused = flaws.refused


def _notes(pairs: list[Pair], config: DataConfig, flaws: Flaws, needs: Collection[str] | None) -> list[str]:
    notes = [*placeholder_notes(pairs), *flaws.notes(needs)]
    replaced = [pair.replaced for pair in pairs if pair.replaced]
    if replaced:
        found = f"{counted(sum(replaced), 'character')} in {counted(len(replaced), 'text')}"
        notes.append(f"{found} could not be decoded and became U+FFFD")
    if config.limit is not None and len(pairs) <= config.limit:
        less = f", {flaws.dropped:,} of them dropped" if flaws.dropped else ""
        notes.append(f"only {len(pairs):,} labelled pairs are used (--limit {config.limit}{less})")
    return notes
