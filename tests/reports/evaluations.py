"""Evaluations of predictions made at random."""

from mmsent_cli.data.seen import SeenPairs
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
