"""Read the pairs of a data source: decode texts, check images, and collect all problems.

All files are read before the first epoch, so that a broken file is reported within seconds.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from mmsent_cli.charsets import decide as encoding
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data.flaws import ABSENT, ADDRESS, ELSEWHERE, ONE, CheckedPair, Flaw, Flaws
from mmsent_cli.data.image_paths import find_image
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.layouts import Source, count_unlabelled, labelled_rows, locate, text_paths
from mmsent_cli.data.manifests import ADDRESS_START
from mmsent_cli.data.pairs import MODALITIES, Dataset, ImageFile, ImageSource, Pair, PairRow, labels_of, limited
from mmsent_cli.data.placeholders import placeholder_notes
from mmsent_cli.data.tables import UNICODE, Report, table_decision
from mmsent_cli.data.text import visible
from mmsent_cli.errors import DataError, counted
from mmsent_cli.files import cache_note, reason
from mmsent_cli.progress import Progress, Stage, silent

DIGEST_BYTES = 16


def check_row(row: PairRow, decision: EncodingDecision) -> CheckedPair:
    """Decode the text of a row, and check its image.

    Args:
        row: a row of a data source.
        decision: the encoding decision for texts in files.
    """
    pair, missing, broken, remarks = Pair(guid=row.guid, tag=row.tag, text=None, image=None), {}, {}, []
    if row.text is None and row.text_path is None:
        missing["text"] = Flaw(f"the text is missing: {_expected(row, 'txt')}")
    else:
        text, replaced, problem = _read_text(row, decision)
        pair = replace(pair, text=text, replaced=replaced)
        if problem:
            broken["text"] = Flaw(problem)
        elif text is None:
            missing["text"] = Flaw(f"{row.text_path or 'the text'} is empty ({row.where})")
    if row.image is None and not row.elsewhere:
        missing["image"] = Flaw(f"the image is missing: {_expected(row, 'jpg')}")
    else:
        image, digest, flaw = _read_image(row, remarks)
        if flaw is None:
            pair = replace(pair, image=image, image_digest=digest)
        else:
            broken["image"] = flaw
    return CheckedPair(pair, missing, broken, tuple(remarks), row.where)


def _expected(row: PairRow, suffix: str) -> str:
    return f"{f'there is no {row.guid}.{suffix}' if row.in_files else 'its cell is empty'} ({row.where})"


def _read_text(row: PairRow, decision: EncodingDecision) -> tuple[str | None, int, str]:
    """Return the text (None if it is empty when printed), the number of replaced characters, and the problem or ""."""
    if row.text_path is None:
        text = row.text or ""
        replaced = text.count("\ufffd")
    else:
        try:
            text, replaced = decision.decode(row.text_path.read_bytes())
        except OSError as error:
            return None, 0, f"cannot read {row.text_path}: {error.strerror}"
    return (text, replaced, "") if visible(text).strip() else (None, 0, "")


def _read_image(row: PairRow, remarks: list[str]) -> tuple[ImageFile, str, Flaw | None]:
    """Return the image as a path or as bytes, the digest of the bytes, and the flaw; None if there is no flaw."""
    if row.elsewhere:
        kind = ADDRESS if ADDRESS_START.match(row.elsewhere) else ELSEWHERE
        return (
            b"",
            "",
            Flaw(f"{row.elsewhere} is {ONE[kind]} ({row.where})", kind, f"{row.elsewhere} ({row.where})", True),
        )
    source: ImageSource = row.image or b""
    try:
        source, raw = _open_image(source, remarks)
    except OSError as error:
        return b"", "", _unread(source, row, error)
    except ValueError as error:
        return b"", "", Flaw(f"{_name(source, row)} {error}")
    problem = verify_image(raw, remarks)
    image = source if isinstance(source, Path) else raw
    flaw = Flaw(f"{_name(source, row)} {problem}") if problem else None
    return image, blake2b(raw, digest_size=DIGEST_BYTES).hexdigest(), flaw


def _open_image(source: ImageSource, remarks: list[str]) -> tuple[ImageSource, bytes]:
    """Return the image and its bytes. If its path does not exist, a file with a similar path is used."""
    try:
        return source, image_bytes(source)
    except (FileNotFoundError, NotADirectoryError):
        found = find_image(source) if isinstance(source, Path) else None
        if found is None:
            raise
        path, how = found
        raw = image_bytes(path)
        remarks.append(how)
        return path, raw


def _unread(source: ImageSource, row: PairRow, error: OSError) -> Flaw:
    text = f"cannot read {_name(source, row)}: {error.strerror or reason(error)}"
    if isinstance(source, Path) and source.is_absolute() and not row.in_files and not _exists(source.parent):
        return Flaw(text, ABSENT, f"{source} ({row.where})", True)
    return Flaw(text, is_absent=isinstance(error, FileNotFoundError | NotADirectoryError))


def _name(source: ImageSource, row: PairRow) -> str:
    return str(source) if isinstance(source, Path) else f"the image of {row.where}"


def _exists(folder: Path) -> bool:
    """Return True if the folder exists; False for a name that no file can have."""
    try:
        return folder.exists()
    except OSError:
        return False


CHUNK_ROWS = 256
MOST_DAMAGED, FEW_TEXTS = 0.2, 5
"""The encoding that the user chose is wrong if more than the share `MOST_DAMAGED` of the texts have undecodable bytes,
and if these are at least `FEW_TEXTS` texts."""
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
        needs: the modalities that each pair must have. An empty value means all modalities that occur in the source.
            With None, a pair may lack one modality, as in a prediction.

    Raises:
        DataError: tags are unknown, the encoding is undecided, or (with `on_bad` stop) a row or a pair is unusable.
    """
    source, report, flaws = source or locate(config.data), Report(), Flaws()
    decision = None if source.kind == "lab" else decide_encoding(source, config, cache_dir)
    every_row = labelled_rows(source, config, report, decision, needs or ())
    flaws.leave_out(report.left_out)
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
    notes = (source.notice, *report.notes(source.name), *_notes(pairs, config, flaws, needs))
    return Dataset(
        source=source.name,
        pairs=tuple(pairs),
        labels=labels_of(every_row, config.labels),
        decision=decision,
        problems=tuple(flaws.problems),
        unusable=tuple(flaws.unusable),
        notes=(*filter(None, [cache_note()]), *notes),
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
    """Count the rows to predict, then read and check their pairs in order. Only a few hundred pairs are in memory.

    A missing text or image is None. For broken files, `on_bad` determines what is done. `stop` checks all pairs, and
    then raises one error that lists every problem. `drop` leaves the pair out. `blank` sets the text or image to None.
    `drop` and `blank` also leave out pairs without text and image, and rows that cannot be read.

    Args:
        source: a source from `locate`.
        config: settings of the data.
        decision: the encoding decision, from `decide_encoding`.
        flaws: receives the pairs that are dropped or blanked.
        notes: receives notes on how the source was read. They are added after the last pair.
        part: a function that takes the number of all rows, and returns the range of rows to predict. Rows that cannot
            be read are counted only in the part that contains the first row.

    Raises:
        DataError: with `on_bad` stop, rows are invalid, or files are broken. The error for files is raised while pairs
            are read.
    """
    report, flaws = Report(), Flaws() if flaws is None else flaws
    count, every_row = count_unlabelled(source, config, report, decision)
    chosen = part(count)
    if 0 not in chosen:
        report.left_out.clear()
    flaws.leave_out(report.left_out)
    rows = islice(every_row, chosen.start, chosen.stop)

    def checked() -> Iterator[Pair]:
        kept = 0
        for pair in checked_pairs(rows, config, decision, flaws):
            kept += 1
            yield pair
        account(report, 0, kept, flaws)
        report.said += flaws.notes(None)
        if notes is not None:
            notes.extend(report.notes(source.name))

    return len(chosen), checked()


def checked_pairs(
    rows: Iterable[PairRow], config: DataConfig, decision: EncodingDecision, flaws: Flaws
) -> Iterator[Pair]:
    """Check rows to predict, in order; see `open_unlabelled`.

    Args:
        rows: the rows, whose files are not yet opened.
        config: settings of the data.
        decision: how texts in files are decoded.
        flaws: receives the flaws of the pairs.

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
        UndecidedEncoding: the texts are too few to decide, and the user gave no `--encoding`.
    """
    decision = guess_encoding(source, config, cache_dir)
    return encoding.require_decided(decision) if source.kind == "lab" else decision


def guess_encoding(source: Source, config: DataConfig, cache_dir: Path) -> EncodingDecision:
    """Return the encoding decision for all texts of the source. For a folder with few texts, it may be only a guess.

    Raises:
        UndecidedEncoding: a table has too little text to decide, and the user gave no `--encoding`.
    """
    if source.kind == "frame":
        return UNICODE
    if source.kind == "manifest":
        return table_decision(source.path, config.encoding)
    return encoding.decide_cached(text_paths(source, config), config.encoding, cache_dir)


def check_rows(rows: Iterable[PairRow], decision: EncodingDecision) -> Iterator[list[CheckedPair]]:
    """Check rows in threads, and yield the checked pairs in chunks.

    Threads save time here, since Pillow and BLAKE2b release Python's global lock.
    """
    remaining = iter(rows)
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        while chunk := list(islice(remaining, CHUNK_ROWS)):
            yield list(pool.map(lambda row: check_row(row, decision), chunk))


def _require_encoding(given: str, pairs: Sequence[Pair]) -> None:
    """Check that most texts are valid in the encoding that the user chose.

    Raises:
        DataError: too many texts have bytes that are invalid in this encoding.
    """
    damaged = sum(bool(pair.replaced) for pair in pairs)
    if given != "auto" and damaged >= FEW_TEXTS and damaged > MOST_DAMAGED * len(pairs):
        raise DataError(
            f"--encoding {given}: {damaged:,} of {counted(len(pairs), 'text')} have bytes that are invalid in {given}",
            "leave out --encoding; mmsent inspect-encoding shows which encoding fits",
        )


def _modalities_of(rows: Iterable[PairRow]) -> tuple[str, ...]:
    """Return the modalities that occur in the rows."""
    has_text = has_image = False
    for row in rows:
        has_text = has_text or row.text is not None or row.text_path is not None
        has_image = has_image or row.image is not None or bool(row.elsewhere)
    return tuple(name for name, has in zip(MODALITIES, (has_text, has_image), strict=True) if has)


def account(report: Report, over_limit: int, kept: int, flaws: Flaws) -> None:
    """Add the outcome of the file checks to a report of rows.

    Args:
        report: the counts of the rows that were read.
        over_limit: the number of rows that `--limit` leaves out.
        kept: the number of usable pairs.
        flaws: the flaws of the checked rows.
    """
    if over_limit:
        report.skipped[OVER_LIMIT] += over_limit
    report.read = kept
    report.refused = flaws.refused - len(report.left_out)


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
