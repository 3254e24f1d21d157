"""Read the pairs of a data source: decode texts, check images, and collect all problems.

All files are read before the first epoch, so that a broken file is reported within seconds.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from mmsent_cli.charsets import decide as encoding
from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data import frames
from mmsent_cli.data.images import image_bytes, verify_image
from mmsent_cli.data.layouts import (
    Source,
    count_unlabelled,
    has_raw_texts,
    inline_texts,
    labelled_rows,
    locate,
    text_paths,
)
from mmsent_cli.data.manifests import SUFFIXES, raw_bytes, without_surrogates
from mmsent_cli.data.pairs import Dataset, ImageFile, ImageSource, Pair, PairRow
from mmsent_cli.data.rows import labels_of, limited
from mmsent_cli.errors import DataError, summarize
from mmsent_cli.files import cache_note
from mmsent_cli.progress import Progress, Stage, silent

DIGEST_BYTES = 16
CHUNK_ROWS = 256
HINT = "fix the files, or use --on-bad drop or --on-bad blank"


@dataclass(frozen=True, slots=True)
class _Checked:
    """A pair with its usable parts, its missing parts, and the problems of its files."""

    pair: Pair
    missing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def load_labelled(
    config: DataConfig,
    cache_dir: Path,
    progress: Progress = silent,
    source: Source | None = None,
    may_lack: bool = False,
) -> Dataset:
    """Read and check every labelled pair of a source.

    Args:
        config: settings of the data.
        cache_dir: cache folder for the encoding decision.
        progress: receives the number of checked pairs.
        source: a source from `locate` or `frame_source`; None uses `config.data`.
        may_lack: accept pairs without a text or without an image, as for prediction.

    Raises:
        DataError: rows are invalid, the encoding is undecided, or (with `on_bad` stop) a pair is unusable.
    """
    source = source or locate(config.data)
    every_row = labelled_rows(source, config)
    rows = limited(every_row, config.limit)
    decision = decide_encoding(source, config, cache_dir)
    checked = []
    for chunk in _check(rows, source, config, decision):
        checked += chunk
        progress(Stage("checking pairs", len(checked), len(rows)))
    problems: list[str] = []
    pairs = [pair for item in checked if (pair := _apply_policy(item, config.on_bad, problems, may_lack))]
    if problems and config.on_bad == "stop":
        raise _unusable(problems, len(rows))
    if not pairs:
        raise DataError(f"no pair of {source.name} can be used: {summarize(problems)}", "fix the files")
    return Dataset(
        source=source.name,
        pairs=tuple(pairs),
        labels=labels_of(every_row, config.labels),
        decision=decision,
        problems=tuple(problems),
        notes=(*filter(None, [cache_note()]), *_notes(source, pairs, config)),
    )


def iter_unlabelled(
    source: Source, config: DataConfig, decision: EncodingDecision, problems: list[str] | None = None
) -> Iterator[Pair]:
    """Read and check the pairs to predict; see `open_unlabelled`."""
    return open_unlabelled(source, config, decision, problems)[1]


def open_unlabelled(
    source: Source, config: DataConfig, decision: EncodingDecision, problems: list[str] | None = None
) -> tuple[int, Iterator[Pair]]:
    """Count the rows to predict, and read and check their pairs, in order. A few hundred pairs are in memory at a time.

    A missing text or image is None. `on_bad` decides about broken files: `stop` checks all pairs and then raises one
    error that lists every problem; `drop` leaves the pair out; `blank` sets the text or image to None. A pair without
    text and image is left out.

    Args:
        source: a source from `locate`.
        config: settings of the data.
        decision: the encoding decision, from `decide_encoding`.
        problems: a line is appended for each pair that was dropped or blanked.

    Raises:
        DataError: rows are invalid, or (while the pairs are read, with `on_bad` stop) files are broken.
    """
    count, rows = count_unlabelled(source, config)
    return count, _checked_pairs(rows, source, config, decision, [] if problems is None else problems)


def _checked_pairs(
    rows: Iterable[PairRow], source: Source, config: DataConfig, decision: EncodingDecision, found: list[str]
) -> Iterator[Pair]:
    before, total, must_stop = len(found), 0, False
    for chunk in _check(rows, source, config, decision):
        pairs = [pair for item in chunk if (pair := _apply_policy(item, config.on_bad, found, may_lack=True))]
        total += len(chunk)
        must_stop = config.on_bad == "stop" and len(found) > before
        if not must_stop:
            yield from pairs
    if must_stop:
        raise _unusable(found[before:], total)


def decide_encoding(source: Source, config: DataConfig, cache_dir: Path) -> EncodingDecision:
    """Decide the encoding for all texts of the source.

    Raises:
        UndecidedEncoding: the texts are too few to decide, and no `--encoding` is given.
    """
    if source.kind == "lab":
        decision = encoding.decide_cached(text_paths(source), config.encoding, cache_dir)
    else:
        decision = encoding.decide(inline_texts(source, config), config.encoding).decision
    return encoding.require_decided(decision)


def _check(
    rows: Iterable[PairRow], source: Source, config: DataConfig, decision: EncodingDecision
) -> Iterator[list[_Checked]]:
    """Check rows in several threads. Pillow and BLAKE2b release the interpreter lock."""
    inline = decision if has_raw_texts(source, config) else None
    remaining = iter(rows)
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        while chunk := list(islice(remaining, CHUNK_ROWS)):
            yield list(pool.map(lambda row: _check_row(row, decision, inline), chunk))


def _check_row(row: PairRow, decision: EncodingDecision, inline: EncodingDecision | None) -> _Checked:
    pair = Pair(guid=row.guid, tag=row.tag, text=None, image=None)
    missing, broken = [], []
    if row.text is None and row.text_path is None:
        missing.append(f"no text ({_expected(row, 'txt')})")
    else:
        text, replaced, problem = _read_text(row, decision, inline)
        pair = replace(pair, text=text, replaced=replaced)
        broken += [problem] if problem else []
    if row.image is None:
        missing.append(f"no image ({_expected(row, 'jpg')})")
    else:
        image, digest, problem = _read_image(row.image, row.where)
        pair = pair if problem else replace(pair, image=image, image_digest=digest)
        broken += [problem] if problem else []
    return _Checked(pair, tuple(missing), tuple(broken))


def _expected(row: PairRow, suffix: str) -> str:
    is_table = row.where.rpartition(":")[0].endswith((*SUFFIXES, frames.NAME))
    return f"empty cell, {row.where}" if is_table else f"no {row.guid}.{suffix}, {row.where}"


def _read_text(
    row: PairRow, decision: EncodingDecision, inline: EncodingDecision | None
) -> tuple[str | None, int, str | None]:
    """Return the text, the number of replaced characters, and the problem, if any."""
    if row.text_path is None:
        text, replaced = _inline_text(row.text or "", inline)
        return (text, replaced, None) if text.strip() else (None, 0, f"text is empty ({row.where})")
    try:
        text, replaced = decision.decode(row.text_path.read_bytes())
    except OSError as error:
        return None, 0, f"cannot read {row.text_path}: {error.strerror}"
    return (text, replaced, None) if text.strip() else (None, 0, f"{row.text_path} is empty")


def _inline_text(text: str, inline: EncodingDecision | None) -> tuple[str, int]:
    if inline is not None:
        return inline.decode(raw_bytes(text))
    whole = without_surrogates(text)
    return whole, whole.count("\ufffd")


def _read_image(source: ImageSource, where: str) -> tuple[ImageFile, str, str | None]:
    """Return the image (a path or bytes), the digest of its bytes, and the problem, if any."""
    name = str(source) if isinstance(source, Path) else f"the image of {where}"
    try:
        raw = image_bytes(source)
    except OSError as error:
        return b"", "", f"cannot read {name}: {error.strerror}"
    except ValueError as error:
        return b"", "", f"{name} {error}"
    problem = verify_image(raw)
    image = source if isinstance(source, Path) else raw
    return image, blake2b(raw, digest_size=DIGEST_BYTES).hexdigest(), f"{name} {problem}" if problem else None


def _apply_policy(item: _Checked, on_bad: str, problems: list[str], may_lack: bool) -> Pair | None:
    """Return the pair without unusable parts, or None. A line with its problems is appended to `problems`."""
    pair, is_blank = item.pair, item.pair.text is None and item.pair.image is None
    wrong = item.broken if may_lack and not is_blank else item.missing + item.broken
    if not wrong:
        return pair
    is_kept = on_bad == "blank" and not is_blank
    fate = "" if on_bad == "stop" else "blanked: " if is_kept else "dropped: "
    problems.append(f"{pair.guid}: {fate}{' and '.join(wrong)}")
    return pair if is_kept else None


def _unusable(problems: Sequence[str], total: int) -> DataError:
    return DataError(f"{len(problems)} of {total} pairs cannot be used: {summarize(problems)}", HINT)


def _notes(source: Source, pairs: list[Pair], config: DataConfig) -> list[str]:
    notes = [source.notice]
    replaced = [pair.replaced for pair in pairs if pair.replaced]
    if replaced:
        notes.append(f"{sum(replaced)} characters in {len(replaced)} texts could not be decoded and became U+FFFD")
    if config.limit is not None and len(pairs) <= config.limit:
        notes.append(f"only {len(pairs)} labelled pairs are used (--limit {config.limit})")
    return notes
