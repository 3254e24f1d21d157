"""Evaluations and comparisons of predictions made at random."""

from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.evaluation.compare import compare_models
from mmsent_cli.evaluation.evaluate import evaluate
from tests.evaluation.builders import LABELS, numbered_pairs, random_answers


def evaluate_result():
    """An evaluation of 200 pairs, 20 of them in training, grouped by language."""
    answers = random_answers(200)
    pairs = numbered_pairs(answers.true.tolist())
    known = answers.__class__(
        **{name: getattr(answers, name) for name in answers.__slots__ if name != "pairs"}, pairs=tuple(pairs)
    )
    seen = SeenPairs.of(pairs[:20], LABELS)
    languages = ["de", "en"] * 100
    return evaluate(known, "runs/one/best_model.pt", "pairs.csv", seen, {"language": languages})[0]


def models_result():
    """Three models on the same pairs; the last one is much better."""
    first = random_answers(300, seed=1, sharpness=1.0)
    numbers = first.true
    models = {
        "light [a]": [first],
        "compact": [first.__class__(**{**_parts(first), "predicted": (first.predicted + (numbers == 0)) % 3})],
        "best": [first.__class__(**{**_parts(first), "predicted": numbers})],
    }
    return compare_models(models, {name: [f"{name}.csv"] for name in models}, "pairs.csv", 7)


def _parts(answers):
    return {name: getattr(answers, name) for name in answers.__slots__}
