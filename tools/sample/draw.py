"""The sample: pairs of our own in the lab layout, drawn from a seed, with known best reachable accuracies.

A sentiment is drawn first; from it, independently of each other, a cue for the text and a cue for the image
(gloomy, plain or cheerful). The text is then written and the picture drawn from its cue alone, so all that a model
can know of the sentiment passes through the two cues, and enumerating nine combinations gives the best accuracy that
any model can reach from the text, the image, or both (`bayes_accuracies`).

Chosen: quotas (largest remainder) over the 27 combinations of sentiment and cues, so that even 300 pairs hold the
stated proportions. Rejected: independent draws, whose accuracies would wander by 2.5 points from one seed to the next.

    python -m tools.sample.draw --out data/sample --pairs 300 --seed 0
"""

import argparse
import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tools.sample.image import draw_image
from tools.sample.text import write_text

CUES = ("gloomy", "plain", "cheerful")
Table = Mapping[str, Mapping[str, int]]

# Per cent. Found by search for exactly .75, .75 and .90 with every sentiment most often shown by its own cue.
PRIOR = {"negative": 30, "neutral": 10, "positive": 60}
TEXT_CUES: Table = {
    "negative": {"gloomy": 68, "plain": 28, "cheerful": 4},
    "neutral": {"gloomy": 5, "plain": 90, "cheerful": 5},
    "positive": {"gloomy": 13, "plain": 11, "cheerful": 76},
}
IMAGE_CUES: Table = {
    "negative": {"gloomy": 90, "plain": 5, "cheerful": 5},
    "neutral": {"gloomy": 5, "plain": 90, "cheerful": 5},
    "positive": {"gloomy": 23, "plain": 12, "cheerful": 65},
}
TEST_SHARE = 0.2
JPEG_QUALITY = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePair:
    """One pair before it is written: its sentiment and the two cues that are all a model gets to see of it."""

    guid: str
    tag: str
    text_cue: str
    image_cue: str


def weight(tag: str, text_cue: str | None, image_cue: str | None) -> int:
    """Probability, in millionths, of a sentiment together with its cues; a cue of None is summed over."""
    text = 100 if text_cue is None else TEXT_CUES[tag][text_cue]
    image = 100 if image_cue is None else IMAGE_CUES[tag][image_cue]
    return PRIOR[tag] * text * image


def bayes_tag(text_cue: str | None = None, image_cue: str | None = None) -> str:
    """The most probable sentiment, given the cues that are known: the best decision there is."""
    return max(PRIOR, key=lambda tag: weight(tag, text_cue, image_cue))


def bayes_accuracies() -> dict[str, float]:
    """Best reachable accuracy of each view: `text`, `image`, `both`, and `majority`, which sees neither."""
    views = {"text": (CUES, [None]), "image": ([None], CUES), "both": (CUES, CUES), "majority": ([None], [None])}
    return {
        view: sum(weight(bayes_tag(*cues), *cues) for cues in product(*known)) / 100**3 for view, known in views.items()
    }


def draw_pairs(pairs: int, seed: int) -> list[SamplePair]:
    """Draw sentiments and cues by quota, in random order, with guids that do not follow that order."""
    rng = random.Random(f"{seed} pairs")
    combinations = list(product(PRIOR, CUES, CUES))
    shares = [pairs * weight(*combination) / 100**3 for combination in combinations]
    counts = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - shares[i])
    for i in by_remainder[: pairs - sum(counts)]:
        counts[i] += 1
    drawn = [combination for combination, count in zip(combinations, counts, strict=True) for _ in range(count)]
    rng.shuffle(drawn)
    guids = rng.sample(range(1, pairs + 1), pairs)
    return [
        SamplePair(guid=str(guid), tag=tag, text_cue=text, image_cue=image)
        for guid, (tag, text, image) in zip(guids, drawn, strict=True)
    ]


def write_sample(folder: Path, pairs: int, seed: int) -> None:
    """Write the whole sample in the lab layout; the last fifth of the pairs becomes the unlabelled test file.

    The same seed writes the same texts and tags byte for byte, and the same pictures with the same Pillow version.
    """
    drawn = draw_pairs(pairs, seed)
    labelled = drawn[: round(pairs * (1 - TEST_SHARE))]
    test = drawn[len(labelled) :]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    _write_rows(folder / "train.txt", "guid,tag", [f"{pair.guid},{pair.tag}" for pair in labelled])
    _write_rows(folder / "test_without_label.txt", "guid,tag", [f"{pair.guid},null" for pair in test])
    _write_rows(folder / "test_tags.txt", "guid,tag", [f"{pair.guid},{pair.tag}" for pair in test])
    cues = [f"{pair.guid},{pair.text_cue},{pair.image_cue}" for pair in drawn]
    _write_rows(folder / "cues.csv", "guid,text_cue,image_cue", cues)
    (folder / "README.md").write_text(_readme(len(labelled), len(test), seed), encoding="utf-8")
    taken: set[str] = set()
    for pair in drawn:
        _write_pair(folder / "data", pair, seed, taken)


def _write_pair(folder: Path, pair: SamplePair, seed: int, taken: set[str]) -> None:
    content = write_text(pair.text_cue, random.Random(f"{seed} text {pair.guid}"), taken)
    (folder / f"{pair.guid}.txt").write_bytes(content)
    image = draw_image(pair.image_cue, random.Random(f"{seed} image {pair.guid}"))
    image.save(folder / f"{pair.guid}.jpg", quality=JPEG_QUALITY, optimize=True)


def _write_rows(path: Path, header: str, rows: list[str]) -> None:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8", newline="\n")


def _readme(labelled: int, test: int, seed: int) -> str:
    best = bayes_accuracies()
    return f"""# The sample

{labelled} labelled pairs (`train.txt`) and {test} unlabelled pairs (`test_without_label.txt`) \
of a short text and a small image:
`data/<guid>.txt` and `data/<guid>.jpg`. All texts and images are synthetic; `tools/sample` generates \
them. Licence: MIT,
like the project.

    python -m tools.sample.draw --out data/sample --pairs {labelled + test} --seed {seed} --force

Each pair has a sentiment. Its text and its image each show a gloomy, plain or cheerful cue. The two cues are drawn
independently, given the sentiment, and are often misleading. Therefore the best possible accuracies are known:

| input | best accuracy |
|---|---|
| neither (always positive) | {best["majority"]:.2f} |
| text alone | {best["text"]:.2f} |
| image alone | {best["image"]:.2f} |
| both | {best["both"]:.2f} |

The classes are as unbalanced as in real data: positive .60, negative .30, neutral .10. About two thirds \
of the texts have
non-ASCII characters; most of these texts are in GB18030, some in UTF-8 (`mmsent inspect-encoding --data data/sample`).

`test_tags.txt` has the labels of the unlabelled pairs, and `cues.csv` the cues of all pairs. Both are for checking; no
command reads them.
"""


def main() -> None:
    """Write the sample from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.sample.draw", description="Write the sample data.")
    parser.add_argument("--out", type=Path, default=Path("data/sample"), help="folder to write (default: data/sample)")
    parser.add_argument("--pairs", type=int, default=300, help="labelled and unlabelled pairs (default: 300)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--force", action="store_true", help="write into a folder that already holds files")
    given = parser.parse_args()
    if given.pairs < 10:
        parser.error("--pairs must be at least 10")
    if given.out.exists() and any(given.out.iterdir()) and not given.force:
        parser.error(f"{given.out} already holds files: name another folder or add --force")
    write_sample(given.out, given.pairs, given.seed)
    print(f"wrote {given.pairs} pairs to {given.out}")


if __name__ == "__main__":
    main()
