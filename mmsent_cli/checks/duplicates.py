"""Checks of repetitions: duplicates, conflicting labels, placeholders, labelled pairs among those to predict."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from mmsent_cli.checks.reading import ReadPairs
from mmsent_cli.checks.rows import FIRST
from mmsent_cli.data.findings import near_duplicates
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.placeholders import IMAGE_SHARE, TEXT_SHARE, image_key, placeholders, text_key
from mmsent_cli.data.seen import NEW, SEEN, SeenPairs
from mmsent_cli.errors import counted
from mmsent_cli.results import OK, WARNING, CheckOutcome, ListedPair

EXACT_SHARE, NEAR_SHARE = 0.01, 0.1


def duplicate_outcomes(data: ReadPairs) -> Iterator[CheckOutcome]:
    """The outcomes of all checks of repetitions."""
    texts, images = [text_key(pair) for pair in data.pairs], [image_key(pair) for pair in data.pairs]
    groups = near_duplicates(data.pairs)
    yield _duplicates("exact duplicates", "the same text and the same image", _exact(data, texts, images), data)
    yield _duplicates("near-duplicates", "the same text or the same image", groups, data)
    yield _conflicts(groups)
    yield _placeholders(data.pairs, texts, images)
    yield _overlap(data)


def _exact(data: ReadPairs, texts: Sequence[str], images: Sequence[str]) -> list[list[Pair]]:
    """Groups of pairs with the same words and the same image file; nothing counts as equal to nothing."""
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
        message=f"{count:,} of {len(data.pairs):,} pairs ({100 * share:.1f} %) have {what} as another one, in "
        f"{len(groups):,} groups",
        rule=f"warning above {100 * limit:.0f} %",
        advice="keep one of each group: the others add no information" if is_much else "",
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
    """Texts and images that many pairs share, such as the picture "image not available"."""
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
    """Pairs to predict whose text or image is that of a labelled pair."""
    others = [item.pair for item in data.to_predict]
    relation = SeenPairs.of(data.pairs, data.dataset.labels).relation(others) if data.pairs else [NEW] * len(others)
    found = [(pair, kind) for pair, kind in zip(others, relation, strict=True) if kind != NEW]
    both = sum(kind == SEEN for _, kind in found)
    return CheckOutcome(
        check="overlap",
        level=WARNING if found else OK,
        message=f"{both:,} of {len(others):,} pairs to predict are labelled pairs too, {len(found) - both:,} share "
        "text or image with one",
        rule=FIRST,
        advice="the model has seen them: do not measure it on them" if found else "",
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
