"""Convert tags to classes: recognise missing values, spellings of the same class, and pairs of judgements.

Tags are compared by `tag_key`, which ignores case, width, invisible characters, surplus white space, and the decimals
of a whole number. Notes give the numbers of changed and excluded tags.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mmsent_cli.config import SENTIMENTS, DataConfig
from mmsent_cli.data.pairs import PairRow
from mmsent_cli.data.text import visible
from mmsent_cli.errors import DataError, UnmetTags, listed, summarize

NO_VALUE = frozenset(
    {"", "#n/a n/a", "null", "nan", "none", "na", "n/a", "<na>", "#n/a", "#na", "nil", "nat", "-nan", "(null)", "\\n"}
    | {"undefined", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
)
"""Words for a missing value, in lower case, as pandas, Excel, R, databases and JavaScript write them."""
USUAL_NO_VALUE = ("", "null")
"""The usual forms of a missing value, which need no remark."""
WHOLE_NUMBER = re.compile(r"([+-]?\d+)[.,]0+")
JOINTS = re.compile(r"[,;|/&+，、；]")
OPPOSITE = "with opposite judgements"
TOO_MANY_CLASSES = 20


@dataclass(frozen=True, slots=True)
class TaggedRows:
    """Rows whose tags are classes.

    Attributes:
        rows: the remaining rows, in order.
        excluded: the numbers of excluded rows, by reason.
        notes: notes on tags that were changed.
    """

    rows: list[PairRow]
    excluded: Counter[str]
    notes: tuple[str, ...] = ()


def tag_key(tag: str) -> str:
    """Return a key that is equal for all spellings of a class."""
    plain = " ".join(unicodedata.normalize("NFKC", visible(tag)).casefold().split())
    number = WHOLE_NUMBER.fullmatch(plain)
    return number[1] if number else plain


def tag_or_none(tag: str, labels: Sequence[str] | None = None) -> str | None:
    """Return a tag without white space and invisible characters around it; None if it means a missing value.

    Args:
        tag: the tag as it is written.
        labels: class names that the user gave. A tag that is one of them is never a missing value.
    """
    plain = visible(tag).strip()
    return None if not plain or (plain.lower() in NO_VALUE and plain not in (labels or ())) else plain


def is_remarkable(tag: str) -> bool:
    """Return True if a missing value is written in an unusual form, which may be the name of a class."""
    return visible(tag).strip().lower() not in USUAL_NO_VALUE


def settle_tags(rows: list[PairRow], config: DataConfig, class_names: Sequence[str] = ()) -> TaggedRows:
    """Convert the tags of rows to classes.

    The steps, in order: apply `label_map` (or the class names in the file), merge tags that have a label for
    the text and one for the image (such as `positive,neutral`), choose one spelling per class, apply `exclude_labels`.

    Args:
        rows: rows with the tags as they are written. A row may have no tag.
        config: labels, label map, excluded labels.
        class_names: names of the classes 0, 1, …, if the source has them.

    Raises:
        DataError: a tag has two labels, of which one is not a sentiment; or `label_map` or `exclude_labels` names
            labels, and none of these labels occurs in the data.
    """
    names = _label_map(config) or {str(number): name for number, name in enumerate(class_names)}
    notes = []
    if names:
        rows, note = _mapped(rows, names, is_given=config.label_map is not None)
        notes += note
    spelling, merged = _spellings(rows, config.labels)
    rows, opposite, joint = _joined(rows, config.labels, spelling)
    rows = [row if row.tag is None else _tagged(row, spelling.get(tag_key(row.tag), row.tag)) for row in rows]
    excluded = Counter({OPPOSITE: opposite} if opposite else {})
    if config.exclude_labels:
        rows, left_out, note = _without(rows, config.exclude_labels)
        excluded.update(left_out)
        notes += note
    return TaggedRows(rows, excluded, (*notes, *joint, *merged))


def require_few_classes(labels: Sequence[str], count: int) -> None:
    """Check that a column has few different values, so that they can be classes.

    Raises:
        DataError: there are too many classes for `count` rows.
    """
    if len(labels) > max(TOO_MANY_CLASSES, count // 2):
        raise DataError(
            f"{count} rows have {len(labels)} different tags, too many for classes: {', '.join(labels[:3])}, …",
            "give another column with --tag-column, or group the values into classes with --label-map VALUE=CLASS,…",
        )


def merged_judgement(judgements: Sequence[str]) -> str | None:
    """Merge the judgements of a text and of its image by the usual rule of MVSA.

    If the judgements are equal, the result is this judgement. If one of them is neutral, the result is the other one.
    If they are opposite, the result is None.

    Source: Xu and Mao 2017, MultiSentiNet.
    """
    telling = set(judgements) - {"neutral"}
    return None if len(telling) > 1 else next(iter(telling), "neutral")


def _label_map(config: DataConfig) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in config.label_map or ())
    return {tag_key(value): name.strip() for value, name in pairs}


def _mapped(rows: Sequence[PairRow], names: Mapping[str, str], is_given: bool) -> tuple[list[PairRow], list[str]]:
    met: Counter[str] = Counter(key for row in rows if row.tag is not None and (key := tag_key(row.tag)) in names)
    changed = [row if row.tag is None else _tagged(row, names.get(tag_key(row.tag), row.tag)) for row in rows]
    counts = ", ".join(f"{key} is {names[key]} ({met[key]:,})" for key in names if met[key])
    notes = [f"tags: {counts}"] if counts else []
    unmet = [key for key in names if not met[key]]
    if is_given and unmet:
        notes += _unmet("--label-map", unmet, rows, bool(counts))
    return changed, notes


def _spellings(rows: Iterable[PairRow], labels: Sequence[str] | None) -> tuple[dict[str, str], list[str]]:
    """Return a dictionary from the key of each class to its chosen spelling, and notes on other spellings."""
    given = {tag_key(label): label for label in labels or ()}
    written: dict[str, Counter[str]] = {}
    for row in rows:
        if row.tag is not None:
            written.setdefault(tag_key(row.tag), Counter())[row.tag] += 1
    chosen, notes = {}, []
    distinct = len(given) == len(labels or ())
    for key, counts in written.items():
        usual = given.get(key) if distinct else None
        spelling = usual or (key if key in SENTIMENTS else min(counts, key=lambda tag: (-counts[tag], tag)))
        chosen[key] = spelling
        if distinct and set(counts) != {spelling}:
            shown = ", ".join(f"{tag!r} ({count:,})" for tag, count in sorted(counts.items()))
            notes.append(f"one class, {spelling!r}: {shown}")
    return (chosen if distinct else {}), notes


def _joined(
    rows: Sequence[PairRow], labels: Sequence[str] | None, spelling: Mapping[str, str]
) -> tuple[list[PairRow], int, list[str]]:
    """Merge pairs of judgements such as `positive,neutral`.

    Return the remaining rows, the number of rows with opposite judgements, which are left out, and notes.

    Raises:
        DataError: there is no rule for merging these classes.
    """
    known = {tag_key(label) for label in labels or ()} | set(SENTIMENTS)
    single = {key for key in spelling if not JOINTS.search(key)}
    joint = {
        row.tag: parts for row in rows if row.tag is not None and (parts := _parts(row.tag, known | single, labels))
    }
    if not joint:
        return list(rows), 0, []
    strange = [tag for tag, parts in joint.items() if not set(parts) <= set(SENTIMENTS)]
    if strange:
        raise DataError(
            f"some tags name several classes: {summarize([repr(tag) for tag in strange], 'tags')}",
            "write one class in each row, rename a tag with --label-map 'OLD=NEW', or make it a class with --labels",
        )
    kept, dropped, merged = [], 0, Counter()
    for row in rows:
        if row.tag not in joint:
            kept.append(row)
        elif (sentiment := merged_judgement(joint[row.tag])) is None:
            dropped += 1
        else:
            merged["equal" if len(set(joint[row.tag])) == 1 else "one of them neutral"] += 1
            kept.append(_tagged(row, sentiment))
    counts = ", ".join(f"{count:,} {what}" for what, count in merged.items()) or "none"
    example = next(iter(joint))
    note = f"tags such as {example!r} are two judgements, which are merged: {counts}"
    note += f"; {dropped:,} opposite ones are left out"
    return kept, dropped, [note]


def _parts(tag: str, known: set[str], labels: Sequence[str] | None) -> list[str]:
    """Return the classes in a tag with a pair of judgements; empty for a tag that is one class."""
    if tag in (labels or ()):
        return []
    parts = [tag_key(part) for part in JOINTS.split(tag.strip("[](){} "))]
    return parts if len(parts) > 1 and set(parts) <= known else []


def _without(rows: Sequence[PairRow], labels: Sequence[str]) -> tuple[list[PairRow], Counter[str], list[str]]:
    keys = {tag_key(label): label for label in labels}
    found = Counter(tag_key(row.tag) for row in rows if row.tag is not None)
    strange = [label for key, label in keys.items() if key not in found]
    notes = _unmet("--exclude-labels", strange, rows, len(strange) < len(keys)) if strange else []
    kept = [row for row in rows if row.tag is None or tag_key(row.tag) not in keys]
    return kept, Counter({f"of the excluded class {keys[key]}": found[key] for key in keys if found[key]}), notes


def _unmet(option: str, tags: Sequence[str], rows: Sequence[PairRow], is_some_met: bool) -> list[str]:
    """Return a note if an option names tags that do not occur in the data.

    Raises:
        UnmetTags: none of the named tags occurs.
    """
    if is_some_met:
        return [f"{option} names tags that do not occur: {', '.join(tags)}"]
    known = sorted({row.tag for row in rows if row.tag is not None})
    raise UnmetTags(f"{option}: no row has the tag {', '.join(map(repr, tags))}", f"the tags are {listed(known)}")


def _tagged(row: PairRow, tag: str) -> PairRow:
    return row if row.tag == tag else replace(row, tag=tag)
