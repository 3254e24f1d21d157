"""Choose the pairs and the augmented images that a page shows as examples."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from mmsent_cli.data.augment import Augmentation, augment
from mmsent_cli.data.split import groups_of
from mmsent_cli.reports.blocks import Examples, Figures, ReportExample, Section, picture
from mmsent_cli.reports.plot_style import SMALL_POINTS, WIDTH_INCHES, new_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from mmsent_cli.data.pairs import ImageFile, Pair

EXAMPLES, EACH_CLASS, MOST_EXAMPLES = 6, 2, 24
"""Under a heading, there are EXAMPLES pairs, or EACH_CLASS per class if this is more, but at most MOST_EXAMPLES."""
SIMILAR = 0.5
"""If two texts have at least this share of their words in common, they are too similar to show both of them."""
THUMBNAIL_PX = 160
NO_COPIES = "A near-duplicate of a shown pair is left out."
MOST_CONFIDENT = f"How they were picked: the most confident predictions of each true class in turn. {NO_COPIES}"
IN_ORDER = f"How they were picked: the first pairs of each true class in turn, in the order of the data. {NO_COPIES}"
MOST_DIVIDED = (
    "How they were picked: the first pairs of each true class in turn, in the order of the data; where models are "
    f"divided, those with the closest vote first. {NO_COPIES}"
)


class Picker:
    """Picks pairs of all classes that are not near-duplicates of each other.

    Args:
        pairs: labelled pairs.
    """

    def __init__(self, pairs: "Sequence[Pair]") -> None:
        self._tags = [pair.tag for pair in pairs]
        self._groups = groups_of(pairs)
        self._texts = [pair.text or "" for pair in pairs]
        self._taken: set[int] = set()
        self._words: list[set[str]] = []
        self._most = min(MOST_EXAMPLES, max(EXAMPLES, EACH_CLASS * len(set(self._tags))))

    def pick(self, rows: "Iterable[int]") -> list[int]:
        """Pick pairs of each class in turn, beginning with the most frequent class, and return their numbers.

        Args:
            rows: numbers of pairs. Pairs at the beginning are preferred.
        """
        by_class: dict[str | None, deque[int]] = {tag: deque() for tag, _ in Counter(self._tags).most_common()}
        for row in rows:
            by_class[self._tags[row]].append(row)
        picked: list[int] = []
        while len(picked) < self._most and any(by_class.values()):
            for waiting in by_class.values():
                while waiting and self._is_like_a_picked_one(waiting[0]):
                    waiting.popleft()
                if waiting and len(picked) < self._most:
                    picked.append(waiting.popleft())
                    self._taken.add(self._groups[picked[-1]])
                    self._words.append(_words(self._texts[picked[-1]]))
        return picked

    def _is_like_a_picked_one(self, row: int) -> bool:
        """Return True if a picked pair has the same text or image, or has at least half of the words in common."""
        words = _words(self._texts[row])
        shared = (len(words & other) >= SIMILAR * len(words | other) for other in self._words)
        return self._groups[row] in self._taken or (bool(words) and any(shared))


def _words(text: str) -> set[str]:
    return set(text.lower().split())


def report_example(pair: "Pair", predicted: str, probability: float | None, remark: str = "") -> ReportExample:
    """Convert a labelled pair and its prediction to an example.

    `probability` is the probability of the predicted class; None if several models have voted.
    """
    return ReportExample(
        guid=pair.guid,
        text=pair.text or "",
        thumbnail_jpeg=_thumbnail(pair.image),
        true=pair.tag or "",
        predicted=predicted,
        probability=probability,
        remark=remark,
    )


def error_groups(pairs: "Sequence[Pair]", predictions: Iterable[tuple[str, str, str, float | None]]) -> Examples:
    """Choose examples of wrong predictions and of right predictions. The highest probabilities are preferred.

    Args:
        pairs: labelled pairs.
        predictions: for each pair its guid, its label, the predicted label, and the probability of the predicted label
            (None if unknown).
    """
    places = {pair.guid: place for place, pair in enumerate(pairs)}
    ordered = sorted(predictions, key=lambda row: -(row[3] or 0.0))
    by_place = {places[row[0]]: row for row in ordered}
    groups = {
        "Wrong": [place for place, row in by_place.items() if row[1] != row[2]],
        "Right": [place for place, row in by_place.items() if row[1] == row[2]],
    }

    def example(place: int) -> ReportExample:
        return report_example(pairs[place], *by_place[place][2:])

    has_probabilities = any(row[3] is not None for row in ordered)
    picked = MOST_CONFIDENT if has_probabilities else IN_ORDER
    return Examples(picked=picked, groups=_picked(pairs, groups, example))


def modality_groups(
    pairs: "Sequence[Pair]",
    labels: Sequence[str],
    predicted: "Mapping[str, np.ndarray]",
    probabilities: "np.ndarray",
) -> Examples:
    """Choose examples, grouped by the inputs that a model needs to predict a pair correctly.

    Args:
        pairs: N validation pairs.
        labels: class names in order.
        predicted: class numbers [N] by input: `both`, `text`, `image`.
        probabilities: class probabilities with both inputs [N, C].
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

    return Examples(picked=IN_ORDER, groups=_picked(pairs, _rows(groups), example))


def agreement_groups(pairs: "Sequence[Pair]", labels: Sequence[str], predicted: "np.ndarray") -> Examples:
    """Choose examples, grouped by the number of models that are right: all models, some models, or no model.

    Args:
        pairs: N validation pairs.
        labels: class names in order.
        predicted: class numbers of M models [M, N].
    """
    import numpy as np

    true = np.array([labels.index(pair.tag or "") for pair in pairs])
    share = (predicted == true).mean(axis=0)  # [N]
    divided = np.argsort(np.abs(share - 0.5), kind="stable")
    groups = {
        "Every model right": np.flatnonzero(share == 1).tolist(),
        "Models divided": divided[np.abs(share[divided] - 0.5) < 0.5].tolist(),
        "Every model wrong": np.flatnonzero(share == 0).tolist(),
    }

    def example(row: int) -> ReportExample:
        return _most_frequent(pairs[row], labels, predicted[:, row])

    return Examples(picked=MOST_DIVIDED, groups=_picked(pairs, groups, example))


def disagreement_groups(
    pairs: "Sequence[Pair]", labels: Sequence[str], predicted: "Mapping[str, np.ndarray]"
) -> Examples:
    """Choose examples on which two models disagree: only the first model is right, only the second, or neither.

    Args:
        pairs: N labelled pairs.
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

    return Examples(picked=IN_ORDER, groups=_picked(pairs, _rows(groups), example))


def _picked(
    pairs: "Sequence[Pair]", groups: Mapping[str, list[int]], example: Callable[[int], ReportExample]
) -> tuple[tuple[str, tuple[ReportExample, ...]], ...]:
    """Pick a few different pairs of each group, and convert them to examples.

    Args:
        pairs: N pairs.
        groups: numbers of pairs by the name of the group.
        example: a function that converts a pair, given by its number, to an example.
    """
    picker = Picker(pairs)
    return tuple((name, tuple(map(example, picker.pick(rows)))) for name, rows in groups.items())


def _rows(masks: "Mapping[str, np.ndarray]") -> dict[str, list[int]]:
    """Convert masks [N] to the numbers of the pairs at which they are True."""
    return {name: mask.nonzero()[0].tolist() for name, mask in masks.items()}


def _most_frequent(pair: "Pair", labels: Sequence[str], answers: "np.ndarray") -> ReportExample:
    """Convert a pair to an example. The predicted class of the example is the class that most models predict."""
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


AUGMENTED = "augmented"
SIDE_PX = 128
ROWS, LEAST_IMAGES, MOST_VARIANTS = 4, 2, 4
TITLE = "Augmented images"


@dataclass(frozen=True, slots=True, eq=False)
class AugmentedImage:
    """A training image with some augmented versions. Each is an array of pixels, uint8 [height, width, 3]."""

    policy: str
    original: "np.ndarray"
    variants: "Sequence[np.ndarray]"


def augmented_images(pairs: "Sequence[Pair]", augmentations: Sequence[Augmentation]) -> list[AugmentedImage]:
    """Augment a few training images of different classes, as in training.

    Args:
        pairs: the training pairs.
        augmentations: the policies to show. All policies are shown with the same images.
    """
    from mmsent_cli.data.images import decode_image

    if not augmentations:
        return []
    rows = Picker(pairs).pick(row for row, pair in enumerate(pairs) if pair.image is not None)
    shown = []
    for row in rows[: max(LEAST_IMAGES, ROWS // len(augmentations))]:
        pair = pairs[row]
        if pair.image is None:
            continue
        pixels = decode_image(pair.image, SIDE_PX)
        for each in augmentations:
            views = range(min(MOST_VARIANTS, each.views))
            planes = [augment(pixels.transpose(2, 0, 1), each, pair.image_digest, view) for view in views]
            shown.append(AugmentedImage(each.policy, pixels, [plane.transpose(1, 2, 0) for plane in planes]))
    return shown


def draw_augmented(images: Sequence[AugmentedImage]) -> "Figure":
    """Draw one row per image and policy: the original, then its augmented versions."""
    columns = 1 + max(len(one.variants) for one in images)
    side = WIDTH_INCHES / columns
    figure = new_figure(side * len(images) + 0.3)
    panels = figure.subplots(len(images), columns, squeeze=False)
    above = ""
    for row, one in zip(panels, images, strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, pixels in zip(row, (one.original, *one.variants), strict=False):
            axes.imshow(pixels, interpolation="nearest")
        row[1].set_title(one.policy if one.policy != above else "", fontsize=SMALL_POINTS, loc="left")
        above = one.policy
    panels[0][0].set_title("original", fontsize=SMALL_POINTS, loc="left")
    return figure


def augmented_sections(images: Sequence[AugmentedImage], figures: Figures) -> list[Section]:
    """Make the section with the figure of augmented images. Without images, there is no section."""
    policies = ", ".join(dict.fromkeys(one.policy for one in images))
    shown = picture(
        figures.get(AUGMENTED),
        f"Training images and their augmented variants: {policies}",
        "Left: a training image as the image encoder gets it, resized to a square. Right: its augmented variants.",
        is_photo=True,
    )
    return [Section(title=TITLE, pictures=shown)] if images else []
