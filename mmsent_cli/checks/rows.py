"""Read all pairs of a source, and find rows and files that are missing, broken, repeated or conflicting."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsent_cli.charsets.decision import EncodingDecision
from mmsent_cli.config import DataConfig
from mmsent_cli.data import lab
from mmsent_cli.data.check import account, check_rows, guess_encoding
from mmsent_cli.data.findings import near_duplicates
from mmsent_cli.data.flaws import HINT, CheckedPair, Flaw, Flaws
from mmsent_cli.data.layouts import FIX, Source, gather_labelled, has_labels, rows_to_predict
from mmsent_cli.data.pairs import MODALITIES, Dataset, Pair, limited
from mmsent_cli.data.placeholders import IMAGE_SHARE, TEXT_SHARE, image_key, placeholders, text_key
from mmsent_cli.data.seen import NEW, SEEN, SeenPairs
from mmsent_cli.data.tables import Report
from mmsent_cli.errors import counted
from mmsent_cli.files import natural_order
from mmsent_cli.progress import Progress, Stage
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, ListedPair


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPairs:
    """All pairs of a source.

    Attributes:
        source: the data set that was read.
        on_bad: what training does with unusable pairs: stop, drop or blank.
        needs: the modalities that a pair must have.
        decision: how texts are decoded.
        rows: all labelled pairs, including unusable ones.
        bad_rows: a message for each labelled row that cannot be read. Such rows stop a training.
        left_out: a message for each row that cannot be read, but is left out (`--on-bad drop` or `blank`).
        hint: what to do about the rows that cannot be read.
        numbers: numbers of rows that were read, used, skipped and refused.
        dataset: the usable labelled pairs. If no pair has a label, the pairs that can be predicted.
        is_labelled: False if the pairs are checked for a prediction (see `has_labels`).
        to_predict: all pairs without a label.
        bad_rows_to_predict: a message for each row without a label that cannot be read.
        listed: the guids in the list files train.txt and test_without_label.txt; empty for a table.
    """

    source: Source
    on_bad: str
    needs: tuple[str, ...]
    decision: EncodingDecision
    rows: list[CheckedPair]
    bad_rows: list[str]
    left_out: list[str]
    hint: str
    numbers: dict[str, int]
    dataset: Dataset
    is_labelled: bool
    to_predict: list[CheckedPair]
    bad_rows_to_predict: list[str]
    listed: frozenset[str]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The usable pairs."""
        return self.dataset.pairs


def read_pairs(
    config: DataConfig, source: Source, cache_dir: Path, needs: tuple[str, ...], progress: Progress
) -> ReadPairs:
    """Read and check all pairs, with and without a label.

    Args:
        config: settings of the data.
        source: a source from `locate` or `frame_source`.
        cache_dir: cache folder for the encoding decision.
        needs: the modalities that a labelled pair must have.
        progress: receives the number of checked pairs.

    Raises:
        DataError: the source cannot be read at all.
    """
    report, flaws = Report(), Flaws()
    decision = guess_encoding(source, config, cache_dir)
    is_labelled = has_labels(source, config)
    if is_labelled:
        every_row, labels, hint = gather_labelled(source, config, report, decision, needs)
        unlabelled, bad = _unlabelled_rows(source, config, decision)
    else:
        every_row, labels, hint, bad = [], (), FIX, []
        unlabelled = list(rows_to_predict(source, config, report, decision))
        report.leave_out(config.on_bad)
    flaws.leave_out(report.left_out)
    rows, total = limited(every_row, config.limit), 0
    checked: tuple[list[CheckedPair], list[CheckedPair]] = ([], [])
    for part, kept in zip((rows, unlabelled), checked, strict=True):
        for chunk in check_rows(part, decision):
            kept += chunk
            total += len(chunk)
            progress(Stage("checking pairs", total, len(rows) + len(unlabelled)))
    judged, needed = (checked[0], needs) if is_labelled else (checked[1], None)
    usable = tuple(pair for item in judged if (pair := flaws.admit(item, config.on_bad, needed)))
    account(report, len(every_row) - len(rows), len(usable), flaws)
    return ReadPairs(
        source=source,
        on_bad=config.on_bad,
        needs=needs,
        decision=decision,
        rows=checked[0],
        bad_rows=sorted(report.problems, key=natural_order),
        left_out=report.left_out,
        hint=hint,
        numbers=report.numbers(),
        dataset=Dataset(
            source=source.name,
            pairs=usable,
            labels=labels,
            decision=decision,
            notes=(source.notice, *report.notes(source.name)),
        ),
        is_labelled=is_labelled,
        to_predict=checked[1],
        bad_rows_to_predict=bad,
        listed=frozenset(lab.listed_guids(source.path, config)) if source.kind == "lab" else frozenset(),
    )


def _unlabelled_rows(source: Source, config: DataConfig, decision: EncodingDecision) -> tuple[list, list[str]]:
    """Return the rows to predict. For a folder, also return a message for each of these rows that cannot be read.

    Both lists are empty for a DataFrame, and for a folder without a list of pairs to predict. For a table, the list of
    messages is empty, since `ReadPairs.bad_rows` already has the messages.
    """
    is_listed = source.kind == "manifest" or (source.kind == "lab" and lab.holds_list(source.path, lab.UNLABELLED_LIST))
    if not is_listed:
        return [], []
    report = Report()
    rows = list(rows_to_predict(source, config, report, decision))
    return rows, [] if source.kind == "manifest" else report.problems  # a table's are already in bad_rows


FIRST = "warning if there is any"


def row_outcomes(data: ReadPairs) -> Iterator[CheckOutcome]:
    """Make all checks of rows and files."""
    yield _bad_rows(data)
    yield _usable(data, data.rows, "labelled pairs")
    for modality in MODALITIES:
        for what in ("missing", "broken"):
            yield _unusable(data, modality, what)
    yield _remarks(data)
    yield _to_predict(data)
    if data.source.kind == "lab":
        yield _unlisted(data)


def prediction_outcomes(data: ReadPairs) -> Iterator[CheckOutcome]:
    """Make the checks of a source without labels: can `predict` read its rows and files?"""
    yield CheckOutcome(
        check="labels",
        level=WARNING,
        message="no row has a label, so the pairs are checked for a prediction",
        advice="to check them for a training, name the column of the labels with --tag-column",
    )
    yield _bad_rows(data)
    yield _usable(data, data.to_predict, "pairs")
    for modality in MODALITIES:
        for what in ("missing", "broken"):
            yield _unpredictable(data, modality, what)


def _unpredictable(data: ReadPairs, modality: str, what: str) -> CheckOutcome:
    """Check for missing or broken texts or images of pairs to predict. A pair may lack its text or its image."""
    found = [(item, flaw) for item in data.to_predict if (flaw := flaw_of(item, modality, what))]
    wrong = [(item, flaw) for item, flaw in found if item.wrong(None)]
    is_stopped = bool(wrong) and data.on_bad == "stop"
    fate = f"; --on-bad {data.on_bad} is set" if wrong and not is_stopped else ""
    verb = "lack their" if what == "missing" else "have a broken"
    allowed = f", an error for {len(wrong):,} of them" if 0 < len(wrong) < len(found) else ""
    return CheckOutcome(
        check=f"{what} {modality}s",
        level=ERROR if is_stopped else WARNING if wrong else OK,
        message=f"{len(found):,} of {len(data.to_predict):,} pairs {verb} {modality}{allowed}{fate}",
        rule="error if a named file cannot be used, or nothing is left of a pair",
        advice=HINT if is_stopped else "",
        pairs=tuple(listed(item, flaw.text) for item, flaw in wrong),
    )


def listed(item: CheckedPair, detail: str = "") -> ListedPair:
    """Convert a checked pair to a row of the list in a check outcome."""
    return ListedPair(guid=item.pair.guid, tag=item.pair.tag or "", detail=detail)


def flaw_of(item: CheckedPair, modality: str, what: str) -> Flaw | None:
    """Return the flaw of a pair's text or image; None if there is none.

    `what` is "missing" or "broken". A named file that does not exist counts as missing.
    """
    missing, broken = item.missing.get(modality), item.broken.get(modality)
    is_absent = broken is not None and broken.is_absent
    if what == "missing":
        return missing or (broken if is_absent else None)
    return None if is_absent else broken


def _bad_rows(data: ReadPairs) -> CheckOutcome:
    lines = [*data.bad_rows, *data.left_out]
    kind, others = ("labelled rows", data.rows) if data.dataset.labels else ("rows", data.to_predict)
    fate = f"; --on-bad {data.on_bad} is set" if data.left_out else ""
    return CheckOutcome(
        check="rows",
        level=ERROR if data.bad_rows else WARNING if lines else OK,
        message=f"{len(lines):,} of {len(lines) + len(others):,} {kind} cannot be read{fate}",
        rule="error if there is any" if data.on_bad == "stop" else FIRST,
        advice=data.hint if data.bad_rows else "",
        pairs=tuple(ListedPair(guid="", detail=line) for line in lines),
    )


def _usable(data: ReadPairs, read: Sequence[CheckedPair], kind: str) -> CheckOutcome:
    count = len(data.pairs)
    return CheckOutcome(
        check="usable pairs",
        level=OK if count else ERROR,
        message=f"{count:,} of {len(read) + len(data.bad_rows):,} {kind} can be used",
        rule="error if there is none",
        advice="" if count else "see the rows and files below" if read else "add a row for each pair below the header",
    )


def _unusable(data: ReadPairs, modality: str, what: str) -> CheckOutcome:
    """Check for missing or broken texts or images of labelled pairs."""
    found = [(item, flaw) for item in data.rows if (flaw := flaw_of(item, modality, what))]
    is_needed = modality in data.needs
    stops = is_needed and data.on_bad == "stop"
    level = OK if not found or not is_needed else ERROR if stops else WARNING
    verb = "lack their" if what == "missing" else "have a broken"
    fate = "" if not found or not is_needed or stops else f"; --on-bad {data.on_bad} is set"
    return CheckOutcome(
        check=f"{what} {modality}s",
        level=level,
        message=f"{len(found):,} of {len(data.rows):,} pairs {verb} {modality}"
        f"{fate if is_needed else '; the model does not need it'}",
        rule="" if not is_needed else "error if there is any" if data.on_bad == "stop" else FIRST,
        advice=HINT if stops and found else "",
        pairs=tuple(listed(item, flaw.text) for item, flaw in found),
    )


def _remarks(data: ReadPairs) -> CheckOutcome:
    """Report files that are unusual but can be used, such as a repaired image."""
    found = [(item, "; ".join(item.remarks)) for item in data.rows if item.remarks]
    return CheckOutcome(
        check="odd files",
        level=WARNING if found else OK,
        message=f"{counted(len(found), 'image')} with an unusual file, which is used",
        rule=FIRST,
        advice="compare file names and contents with the list" if found else "",
        pairs=tuple(listed(item, remark) for item, remark in found),
    )


def _to_predict(data: ReadPairs) -> CheckOutcome:
    """Check the pairs without a label. Problems of these pairs do not stop a training."""
    found = [(item, item.wrong(None)) for item in data.to_predict if item.wrong(None)]
    lines = [ListedPair(guid="", detail=line) for line in data.bad_rows_to_predict]
    unusable = [listed(item, " and ".join(flaw.text for flaw in flaws)) for item, flaws in found]
    lacking = sum(bool(item.missing) for item in data.to_predict) if not found else 0
    more = f"; {lacking:,} of them lack text or image" if lacking else ""
    count = len(lines) + len(unusable)
    return CheckOutcome(
        check="pairs to predict",
        level=WARNING if count else OK,
        message=f"{counted(len(data.to_predict), 'pair')} without a label{more}; {count:,} cannot be predicted",
        rule="warning if any cannot be predicted",
        advice=HINT if count else "",
        pairs=(*lines, *unusable),
    )


def _unlisted(data: ReadPairs) -> CheckOutcome:
    """Find texts and images whose guid is in no list file. Such files are not used."""
    files = lab.list_files(data.source.path)
    guids = sorted((files.texts.keys() | files.images.keys()) - data.listed, key=natural_order)
    return CheckOutcome(
        check="unlisted files",
        level=OK,
        message=f"{counted(len(guids), 'guid')} with files but in no list; these files are not used",
        pairs=tuple(ListedPair(guid=guid) for guid in guids),
    )


EXACT_SHARE, NEAR_SHARE = 0.01, 0.1


def duplicate_outcomes(data: ReadPairs) -> Iterator[CheckOutcome]:
    """Make all checks for repeated texts and images."""
    texts, images = [text_key(pair) for pair in data.pairs], [image_key(pair) for pair in data.pairs]
    groups = near_duplicates(data.pairs)
    yield _duplicates("exact duplicates", "the same text and the same image", _exact(data, texts, images), data)
    yield _duplicates("near-duplicates", "the same text or the same image", groups, data)
    yield _conflicts(groups)
    yield _placeholders(data.pairs, texts, images)
    yield _overlap(data)


def _exact(data: ReadPairs, texts: Sequence[str], images: Sequence[str]) -> list[list[Pair]]:
    """Group pairs with the same words and the same image file. Pairs that lack a needed modality are in no group."""
    groups: defaultdict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair, text, image in zip(data.pairs, texts, images, strict=True):
        if (text or "text" not in data.needs) and (image or "image" not in data.needs) and (text or image):
            groups[(text, image)].append(pair)
    return [group for group in groups.values() if len(group) > 1]


def _duplicates(check: str, what: str, groups: Sequence[Sequence[Pair]], data: ReadPairs) -> CheckOutcome:
    count, limit = sum(map(len, groups)), EXACT_SHARE if check.startswith("exact") else NEAR_SHARE
    share = count / max(len(data.pairs), 1)
    is_much = share > limit
    return CheckOutcome(
        check=check,
        level=WARNING if is_much else OK,
        message=f"{count:,} of {len(data.pairs):,} pairs ({100 * share:.1f} %) have {what} as another pair, in "
        f"{len(groups):,} groups",
        rule=f"warning above {100 * limit:.0f} %",
        advice="keep one pair of each group" if is_much else "",
        pairs=_numbered(groups),
    )


def _conflicts(groups: Sequence[Sequence[Pair]]) -> CheckOutcome:
    found = [group for group in groups if len({pair.tag for pair in group}) > 1]
    return CheckOutcome(
        check="conflicting labels",
        level=WARNING if found else OK,
        message=f"{counted(len(found), 'group')} of near-duplicates with different labels, "
        f"{sum(map(len, found)):,} pairs",
        rule=FIRST,
        advice="decide on one label for each group" if found else "",
        pairs=_numbered(found),
    )


def _placeholders(pairs: Sequence[Pair], texts: Sequence[str], images: Sequence[str]) -> CheckOutcome:
    """Find texts and images that many pairs share, such as the picture "image not available"."""
    shared = {**placeholders(images, texts, IMAGE_SHARE), **placeholders(texts, images, TEXT_SHARE)}
    groups = [
        [pair for pair, *keys in zip(pairs, texts, images, strict=True) if key in keys]
        for key in sorted(shared, key=lambda key: -shared[key])
    ]
    return CheckOutcome(
        check="placeholders",
        level=WARNING if groups else OK,
        message=f"{len(groups):,} texts or images occur in many different pairs ({sum(map(len, groups)):,} in all)",
        rule=FIRST,
        advice="give these pairs their own text and image, or leave them out" if groups else "",
        pairs=_numbered(groups),
    )


def _overlap(data: ReadPairs) -> CheckOutcome:
    """Find pairs to predict that have the same text or image as a labelled pair."""
    others = [item.pair for item in data.to_predict]
    relation = SeenPairs.of(data.pairs, data.dataset.labels).relation(others) if data.pairs else [NEW] * len(others)
    found = [(pair, kind) for pair, kind in zip(others, relation, strict=True) if kind != NEW]
    both = sum(kind == SEEN for _, kind in found)
    return CheckOutcome(
        check="overlap",
        level=WARNING if found else OK,
        message=f"{both:,} of {len(others):,} pairs to predict are labelled pairs too, {len(found) - both:,} share "
        "text or image with a labelled pair",
        rule=FIRST,
        advice="do not evaluate the model on these pairs" if found else "",
        pairs=tuple(
            ListedPair(guid=pair.guid, detail="text and image" if kind == SEEN else "text or image")
            for pair, kind in found
        ),
    )


def _numbered(groups: Sequence[Sequence[Pair]]) -> tuple[ListedPair, ...]:
    return tuple(
        ListedPair(guid=pair.guid, tag=pair.tag or "", group=str(number))
        for number, group in enumerate(groups, 1)
        for pair in group
    )
