"""`compare`: compute the scores of several models on the same pairs, and test the differences between them.

Shape letters: S seeds, N pairs, C classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from mmsent_cli.errors import ConfigError, DataError, counted, summarize
from mmsent_cli.evaluation.answers import Answers
from mmsent_cli.evaluation.evaluate import model_findings
from mmsent_cli.results import ComparedModel, Finding, ModelComparison, ModelDifference, Score
from mmsent_cli.stats import (
    accuracy_of,
    accuracy_scores,
    compare_scores,
    few_pairs_notes,
    holm,
    interval_of,
    macro_f1_scores,
    mcnemar,
    verdict,
)

ONE_SEED = (
    "one seed per model: the intervals do not cover the choice of seed, and another seed may change a verdict; "
    "to cover seeds, give several runs of each model: A1,A2,A3 B1,B2,B3"
)


def align(models: Mapping[str, Sequence[Answers]]) -> tuple[dict[str, list[Answers]], int]:
    """Keep the pairs that all models predicted, and give all models the same order of pairs and labels.

    Returns:
        The answers of each model for the kept pairs, and the number of pairs that are left out.

    Raises:
        DataError: there are fewer than two common pairs, labels differ, or a pair has two different true labels.
    """
    every = [answers for seeds in models.values() for answers in seeds]
    first = every[0]
    common = set(first.guids).intersection(*(answers.guids for answers in every[1:]))
    if len(common) < 2:
        raise DataError(
            f"the predictions of all models have only {counted(len(common), 'pair')} in common; two are needed",
            "compare the models on the same pairs: set --data to a folder or table of labelled pairs",
        )
    order = [guid for guid in first.guids if guid in common]
    aligned = {name: [_arranged(answers, order, first.labels) for answers in seeds] for name, seeds in models.items()}
    true = next(iter(aligned.values()))[0].true
    for name, seeds in aligned.items():
        for answers in seeds:
            differing = np.flatnonzero(answers.true != true)
            if len(differing):
                guids = [answers.guids[row] for row in differing.tolist()]
                raise DataError(
                    f"the true labels of {counted(len(guids), 'pair')} differ between {name} and another model "
                    f"(guids: {summarize(guids, 'guids')})",
                    "compare predictions that were made for the same labelled pairs",
                )
    return aligned, len(set().union(*(answers.guids for answers in every))) - len(order)


def require_comparable(counts: Sequence[tuple[str, int]]) -> None:
    """Check the models of a comparison.

    Args:
        counts: name and number of seeds of each model.

    Raises:
        ConfigError: there are fewer than two models, or their numbers of seeds differ.
    """
    if len(counts) < 2:
        raise ConfigError(
            "a comparison needs two models or more", "give two or more runs, checkpoints or prediction files"
        )
    if len({seeds for _, seeds in counts}) > 1:
        raise ConfigError(
            f"all models need the same number of seeds: {', '.join(f'{name} has {seeds}' for name, seeds in counts)}",
            "give the same number of runs for each model",
        )


def compare_models(
    models: Mapping[str, Sequence[Answers]],
    sources: Mapping[str, Sequence[str]],
    source: str,
    left_out: int,
    recorded: Mapping[str, Iterable[Finding]] | None = None,
) -> ModelComparison:
    """Compute the scores of each model, and test all differences between two models, with Holm's correction.

    Args:
        models: for each model name, the predictions of each seed, as `align` returns them.
        sources: for each model name, the checkpoint or prediction file of each seed.
        source: the name of the data source.
        left_out: number of pairs that were not predicted by all models.
        recorded: for each model name, findings that were recorded in its training.

    Raises:
        ConfigError: there are fewer than two models, or their numbers of seeds differ.
    """
    require_comparable([(name, len(seeds)) for name, seeds in models.items()])
    first = next(iter(models.values()))[0]
    true, classes, seeds = first.true, len(first.labels), len(next(iter(models.values())))
    predicted = {name: np.stack([answers.predicted for answers in each]) for name, each in models.items()}
    known = recorded or {}
    return ModelComparison(
        source=source,
        labels=first.labels,
        pairs=len(true),
        left_out=left_out,
        seeds=seeds,
        majority_accuracy=float(np.bincount(true).max() / len(true)),
        models=tuple(_model(name, each, sources[name], known.get(name, ())) for name, each in models.items()),
        differences=_differences(true, predicted, classes),
        notes=(*([ONE_SEED] if seeds == 1 else []), *few_pairs_notes(true, first.labels), *_equal_notes(predicted)),
    )


def _equal_notes(predicted: Mapping[str, np.ndarray]) -> list[str]:
    """Return a note for any two models with the same predictions, which may be one model that was given twice."""
    return [
        f"{first} and {second} predict the same class for every pair: check that they are different models"
        for first, second in combinations(predicted, 2)
        if np.array_equal(predicted[first], predicted[second])
    ]


def _arranged(answers: Answers, order: Sequence[str], labels: Sequence[str]) -> Answers:
    """Return the answers for the pairs in `order`. Class numbers are changed to positions in `labels`."""
    if set(answers.labels) != set(labels):
        raise DataError(
            f"the models have different labels: one has {', '.join(labels)}; another has {', '.join(answers.labels)}",
            "compare models that have the same labels",
        )
    place = {guid: row for row, guid in enumerate(answers.guids)}
    chosen = answers.take(np.array([place[guid] for guid in order], dtype=np.int64))
    numbers = np.array([labels.index(label) for label in answers.labels])
    columns = [answers.labels.index(label) for label in labels]
    return replace(
        chosen,
        labels=tuple(labels),
        true=numbers[chosen.true],
        predicted=numbers[chosen.predicted],
        probabilities=None if chosen.probabilities is None else chosen.probabilities[:, columns],
    )


def _model(name: str, models: Sequence[Answers], sources: Sequence[str], recorded: Iterable[Finding]) -> ComparedModel:
    true, labels, predicted = models[0].true, models[0].labels, np.stack([answers.predicted for answers in models])
    right, f1 = accuracy_scores(true, predicted), macro_f1_scores(true, predicted, len(labels))
    return ComparedModel(
        name=name,
        sources=tuple(sources),
        accuracy=Score(value=float(right.mean()), interval=accuracy_of(right)),
        macro_f1=Score(value=float(f1.mean()), interval=interval_of(f1)),
        accuracies=tuple(map(float, right.mean(axis=1))),
        findings=model_findings(true, predicted, labels, int(np.bincount(true).argmax()), recorded),
    )


def _differences(true: np.ndarray, predicted: Mapping[str, np.ndarray], classes: int) -> tuple[ModelDifference, ...]:
    right = {name: accuracy_scores(true, each) for name, each in predicted.items()}
    f1 = {name: macro_f1_scores(true, each, classes) for name, each in predicted.items()}
    both = list(combinations(predicted, 2))
    scores = []
    for first, second in both:
        others = [name for name in predicted if name not in (first, second)]
        scores.append(
            [
                compare_scores(arms[first], arms[second], len(both), [arms[name] for name in others])
                for arms in (right, f1)
            ]
        )
    adjusted, adjusted_f1 = (holm([gap.p for gap in gaps]) for gaps in zip(*scores, strict=True))
    return tuple(
        ModelDifference(
            first=first,
            second=second,
            accuracy=accuracy,
            macro_f1=macro_f1,
            p_adjusted=p_adjusted,
            verdict=verdict(accuracy.difference, p_adjusted),
            macro_f1_p_adjusted=macro_f1_p,
            macro_f1_verdict=verdict(macro_f1.difference, macro_f1_p),
            mcnemar=tuple(map(mcnemar, right[first], right[second])),
            only_first_right=float((right[first] > right[second]).sum(axis=1).mean()),
            only_second_right=float((right[first] < right[second]).sum(axis=1).mean()),
        )
        for (first, second), (accuracy, macro_f1), p_adjusted, macro_f1_p in zip(
            both, scores, adjusted, adjusted_f1, strict=True
        )
    )
