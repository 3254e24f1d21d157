"""Pairs shown in reports: their decoded text, a thumbnail, and what models predicted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from mmsent_cli.reports.blocks import ReportExample

if TYPE_CHECKING:
    import numpy as np

    from mmsent_cli.data.pairs import ImageFile, Pair

Groups = list[tuple[str, list[ReportExample]]]
"""Pairs under headings."""
EXAMPLES = 6
THUMBNAIL_PX = 160


def report_example(pair: "Pair", predicted: str, probability: float | None, remark: str = "") -> ReportExample:
    """A labelled pair with a prediction; `probability` is the prediction's, None for a vote."""
    return ReportExample(
        guid=pair.guid,
        text=pair.text or "",
        thumbnail_jpeg=_thumbnail(pair.image),
        true=pair.tag or "",
        predicted=predicted,
        probability=probability,
        remark=remark,
    )


def error_groups(pairs: "Iterable[Pair]", predictions: Iterable[tuple[str, str, str, float | None]]) -> Groups:
    """Labelled pairs with their predictions: the wrong ones with the highest probabilities, then the right ones.

    Args:
        pairs: labelled pairs.
        predictions: guid, label, predicted label and its probability of each pair, None where it is not known.
    """
    by_guid = {pair.guid: pair for pair in pairs}
    ordered = sorted(predictions, key=lambda row: -(row[3] or 0.0))
    groups = {
        "Wrong": [row for row in ordered if row[1] != row[2]],
        "Right": [row for row in ordered if row[1] == row[2]],
    }
    return [
        (name, [report_example(by_guid[guid], predicted, share) for guid, _, predicted, share in rows[:EXAMPLES]])
        for name, rows in groups.items()
    ]


def modality_groups(
    pairs: "Sequence[Pair]",
    labels: Sequence[str],
    predicted: "Mapping[str, np.ndarray]",
    probabilities: "np.ndarray",
) -> Groups:
    """Pairs by which inputs a model needs to get them right.

    Args:
        pairs: validation pairs, N.
        labels: class names in order.
        predicted: class numbers [N] with `both` inputs, with the `text` alone, with the `image` alone.
        probabilities: with both inputs [N, C].
    """
    import numpy as np

    true = np.array([labels.index(pair.tag or "") for pair in pairs])
    both, text, image = (predicted[name] == true for name in ("both", "text", "image"))
    groups = {
        "Right with both, wrong with either alone": both & ~text & ~image,
        "Right by the text, wrong by the image": both & text & ~image,
        "Right by the image, wrong by the text": both & image & ~text,
        "Wrong with both, right with one alone": ~both & (text | image),
        "Wrong in every way": ~both & ~text & ~image,
    }

    def example(row: int) -> ReportExample:
        alone = [f"{name} alone {labels[predicted[name][row]]}" for name in ("text", "image")]
        shares = probabilities[row]
        return report_example(pairs[row], labels[int(shares.argmax())], float(shares.max()), ", ".join(alone))

    return [(name, [example(row) for row in np.flatnonzero(rows)[:EXAMPLES]]) for name, rows in groups.items()]


def agreement_groups(pairs: "Sequence[Pair]", labels: Sequence[str], predicted: "np.ndarray") -> Groups:
    """Pairs that all models get right, on which they disagree most, and that all get wrong.

    Args:
        pairs: validation pairs, N.
        labels: class names in order.
        predicted: class numbers of M models [M, N].
    """
    import numpy as np

    true = np.array([labels.index(pair.tag or "") for pair in pairs])
    share = (predicted == true).mean(axis=0)  # [N]
    divided = np.argsort(np.abs(share - 0.5), kind="stable")
    groups = {
        "Every model right": np.flatnonzero(share == 1),
        "Models divided": divided[np.abs(share[divided] - 0.5) < 0.5],
        "Every model wrong": np.flatnonzero(share == 0),
    }
    return [
        (name, [_most_frequent(pairs[row], labels, predicted[:, row]) for row in rows[:EXAMPLES]])
        for name, rows in groups.items()
    ]


def disagreement_groups(
    pairs: "Sequence[Pair]", labels: Sequence[str], predicted: "Mapping[str, np.ndarray]"
) -> Groups:
    """Pairs by which of two models is right: one, the other, or neither with different answers.

    Args:
        pairs: labelled pairs, N.
        labels: class names in order.
        predicted: class numbers [N] of both models, by name.
    """
    import numpy as np

    true = np.array([labels.index(pair.tag or "") for pair in pairs])
    (first, one), (second, other) = predicted.items()
    groups = {
        f"Only {first} is right": (one == true) & (other != true),
        f"Only {second} is right": (other == true) & (one != true),
        "Both are wrong, in different ways": (one != true) & (other != true) & (one != other),
    }

    def example(row: int) -> ReportExample:
        return report_example(pairs[row], labels[int(one[row])], None, f"{second}: {labels[int(other[row])]}")

    return [(name, [example(row) for row in np.flatnonzero(rows)[:EXAMPLES]]) for name, rows in groups.items()]


def _most_frequent(pair: "Pair", labels: Sequence[str], answers: "np.ndarray") -> ReportExample:
    """The pair with the class that most models predict."""
    counts = Counter(answers.tolist())
    answer, count = map(int, counts.most_common(1)[0])
    rest = ", ".join(f"{labels[other]} {number}" for other, number in counts.most_common()[1:])
    remark = f"predicted by {count} of {len(answers)} models" + (f"; {rest}" if rest else "")
    return report_example(pair, labels[answer], None, remark)


def _thumbnail(image: "ImageFile | None") -> bytes | None:
    from PIL import Image

    from mmsent_cli.data.images import decode_image

    if image is None:
        return None
    buffer = BytesIO()
    Image.fromarray(decode_image(image, THUMBNAIL_PX)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
