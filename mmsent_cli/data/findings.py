"""List pairs that a person should look at: near-duplicates, conflicting tags, dropped and blanked pairs."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from io import StringIO

from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.split import groups_of
from mmsent_cli.results import UnusablePair

COLUMNS = ("guid", "finding", "group", "tag", "detail")
FINDINGS = "pairs_to_check.csv"
"""The name of the file in the run folder that lists the pairs to look at."""
DUPLICATE, CONFLICT = "near-duplicate", "conflicting tags"


def near_duplicates(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Return the groups of two or more near-duplicates, in the order of the data."""
    members: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair, group in zip(pairs, groups_of(pairs), strict=True):
        members[group].append(pair)
    return [group for group in members.values() if len(group) > 1]


def findings_note(pairs: Sequence[Pair]) -> str:
    """Return a note on near-duplicates and conflicting tags, with the name of the file that lists these pairs.

    The note is empty if there are no near-duplicates.
    """
    groups = near_duplicates(pairs)
    if not groups:
        return ""
    conflicts = sum(len(group) for group in groups if len({pair.tag for pair in group}) > 1)
    return (
        f"{sum(map(len, groups)):,} pairs have near-duplicates, {conflicts:,} of them with conflicting labels: "
        f"see {FINDINGS}"
    )


def findings_csv(pairs: Sequence[Pair], unusable: Iterable[UnusablePair]) -> str:
    """Make a CSV table of groups of near-duplicates, conflicting tags, and dropped or blanked pairs.

    Args:
        pairs: the labelled pairs.
        unusable: the dropped and blanked pairs.

    Returns:
        CSV with a header, or an empty text if there is nothing to list.
    """
    rows: list[tuple[str, ...]] = []
    for number, group in enumerate(near_duplicates(pairs), 1):
        finding = CONFLICT if len({pair.tag for pair in group}) > 1 else DUPLICATE
        rows += [(pair.guid, finding, str(number), pair.tag or "", "") for pair in group]
    rows += [(each.guid or each.row, each.outcome, "", "", each.reason) for each in unusable]
    if not rows:
        return ""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    return table.getvalue()
