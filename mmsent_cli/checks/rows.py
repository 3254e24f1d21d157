"""Checks of rows and files: bad rows, missing and broken texts and images, pairs to predict, files without a row."""

from collections.abc import Iterator

from mmsent_cli.checks.reading import ReadPairs
from mmsent_cli.data import lab
from mmsent_cli.data.flaws import CheckedPair, Flaw
from mmsent_cli.data.pairs import MODALITIES
from mmsent_cli.errors import counted
from mmsent_cli.files import natural_order
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, ListedPair

REPAIR = "fix the files; or --on-bad drop leaves the pairs out, --on-bad blank keeps their other part"
FIRST = "warning if there is any"


def row_outcomes(data: ReadPairs) -> Iterator[CheckOutcome]:
    """The outcomes of all checks of rows and files."""
    yield _bad_rows(data)
    yield _usable(data)
    for modality in MODALITIES:
        for what in ("missing", "broken"):
            yield _unusable(data, modality, what)
    yield _remarks(data)
    yield _to_predict(data)
    if data.source.kind == "lab":
        yield _unlisted(data)


def listed(item: CheckedPair, detail: str = "") -> ListedPair:
    """A checked pair in the list of a check."""
    return ListedPair(guid=item.pair.guid, tag=item.pair.tag or "", detail=detail)


def flaw_of(item: CheckedPair, modality: str, what: str) -> Flaw | None:
    """What is missing or broken of a pair. A file that is named and is not there is missing."""
    missing, broken = item.missing.get(modality), item.broken.get(modality)
    is_absent = broken is not None and broken.is_absent
    if what == "missing":
        return missing or (broken if is_absent else None)
    return None if is_absent else broken


def _bad_rows(data: ReadPairs) -> CheckOutcome:
    count = len(data.bad_rows)
    return CheckOutcome(
        check="rows",
        level=ERROR if count else OK,
        message=f"{count:,} of {count + len(data.rows):,} labelled rows cannot be read",
        rule="error if there is any",
        advice=data.hint if count else "",
        pairs=tuple(ListedPair(guid="", detail=line) for line in data.bad_rows),
    )


def _usable(data: ReadPairs) -> CheckOutcome:
    count = len(data.pairs)
    return CheckOutcome(
        check="usable pairs",
        level=OK if count else ERROR,
        message=f"{count:,} of {len(data.rows) + len(data.bad_rows):,} labelled pairs can be used",
        rule="error if there is none",
        advice="" if count else "see the rows and files below",
    )


def _unusable(data: ReadPairs, modality: str, what: str) -> CheckOutcome:
    """Texts or images that are missing or broken."""
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
        f"{fate if is_needed else '; none is needed'}",
        rule="" if not is_needed else "error if there is any" if data.on_bad == "stop" else FIRST,
        advice=REPAIR if stops and found else "",
        pairs=tuple(listed(item, flaw.text) for item, flaw in found),
    )


def _remarks(data: ReadPairs) -> CheckOutcome:
    """Files that are used although something is odd about them."""
    found = [(item, "; ".join(item.remarks)) for item in data.rows if item.remarks]
    return CheckOutcome(
        check="odd files",
        level=WARNING if found else OK,
        message=f"{counted(len(found), 'image')} with something odd about the file, used nevertheless",
        rule=FIRST,
        advice="compare file names and contents with the list" if found else "",
        pairs=tuple(listed(item, remark) for item, remark in found),
    )


def _to_predict(data: ReadPairs) -> CheckOutcome:
    """Pairs without a label; they do not stop the training."""
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
        advice=REPAIR if count else "",
        pairs=(*lines, *unusable),
    )


def _unlisted(data: ReadPairs) -> CheckOutcome:
    """Files whose guid is in no list of pairs."""
    files = lab.list_files(data.source.path)
    guids = sorted((files.texts.keys() | files.images.keys()) - data.listed, key=natural_order)
    return CheckOutcome(
        check="unlisted files",
        level=OK,
        message=f"{counted(len(guids), 'guid')} with files but in no list; these files are not used",
        pairs=tuple(ListedPair(guid=guid) for guid in guids),
    )
