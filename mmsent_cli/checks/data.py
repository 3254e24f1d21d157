"""All checks of a data set."""

import csv
import io
from collections.abc import Sequence

import numpy as np

from mmsent_cli.checks.classes import class_counts, class_outcomes, try_split
from mmsent_cli.checks.duplicates import duplicate_outcomes
from mmsent_cli.checks.encoders import Readers, open_readers
from mmsent_cli.checks.images import Header, headers_of, image_kinds, image_outcomes
from mmsent_cli.checks.reading import ReadPairs, read_pairs
from mmsent_cli.checks.rows import row_outcomes
from mmsent_cli.checks.texts import coverage_of, encodings_of, text_outcomes, texts_of, token_counts
from mmsent_cli.config import ResolvedModel, TrainConfig
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.seen import word_counts
from mmsent_cli.data.split import Split, apply_split
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import MmsentError
from mmsent_cli.progress import Progress
from mmsent_cli.results import CheckResult, Distribution, can_train
from mmsent_cli.training.plan import needed_modalities


def check_data(
    config: TrainConfig, model: ResolvedModel, source: Source, weights: WeightSource, progress: Progress
) -> CheckResult:
    """Check all pairs of a source for a training with these settings.

    Args:
        config: settings of data and split.
        model: the model that would be trained.
        source: the pairs.
        weights: where to look for the encoders' weights.
        progress: receives the number of checked pairs.

    Raises:
        DataError: the source cannot be read at all.
    """
    needs = needed_modalities(model)
    data = read_pairs(config.data, source, weights.cache, needs, progress)
    splits = try_split(data, config)
    readers = open_readers(model, weights, needs, _training_texts(data, splits))
    texts = [pair.text or "" for pair in texts_of(data)]
    lengths = {name: token_counts(inputs, texts) for name, inputs in readers.texts.items()}
    headers = headers_of(data.pairs)
    checks = (
        *row_outcomes(data),
        *class_outcomes(data, splits),
        readers.outcome(model),
        *(text_outcomes(data, model, readers.texts, lengths) if "text" in needs else ()),
        *(image_outcomes(headers, readers.image_size_px) if "image" in needs else ()),
        *duplicate_outcomes(data),
    )
    return CheckResult(
        source=source.name,
        pairs=len(data.rows) + len(data.bad_rows),
        usable=len(data.pairs),
        rows=data.numbers,
        to_predict=len(data.to_predict),
        labels=data.dataset.labels,
        counts=class_counts(data),
        can_train=can_train(checks),
        checks=checks,
        distributions=tuple(_distributions(data, readers, lengths, headers)),
        image_kinds=image_kinds(headers),
        encodings=encodings_of(data),
        scripts=coverage_of(data, model).scripts,
        notes=data.dataset.notes,
    )


def _training_texts(data: ReadPairs, splits: Sequence[Split] | MmsentError) -> list[str]:
    """Texts of the training pairs; all texts where the pairs cannot be divided."""
    pairs = data.pairs if isinstance(splits, MmsentError) else apply_split(splits[0], data.pairs)[0]
    return [pair.text or "" for pair in pairs]


def _distributions(
    data: ReadPairs, readers: Readers, lengths: dict[str, list[int]], headers: Sequence[Header]
) -> list[Distribution]:
    texts = texts_of(data)
    numbers: dict[str, Sequence[float]] = {
        "words": word_counts(texts).tolist(),
        "characters": [len(pair.text or "") for pair in texts],
        **{f"tokens of {name}": lengths[name] for name in readers.texts},
        "image width, px": [header.width for header in headers],
        "image height, px": [header.height for header in headers],
        "image file, KB": [header.kilobytes for header in headers],
    }
    return [_distribution(name, values) for name, values in numbers.items() if len(values)]


def _distribution(name: str, values: Sequence[float]) -> Distribution:
    least, quarter, median, three_quarters, most = map(float, np.quantile(values, (0, 0.25, 0.5, 0.75, 1)))
    return Distribution(
        name=name, least=least, quarter=quarter, median=median, three_quarters=three_quarters, most=most
    )


def listed_csv(result: CheckResult) -> dict[str, str]:
    """A CSV file for each check that lists pairs, by its name below the run folder."""
    files = {}
    for outcome in result.checks:
        if outcome.pairs:
            text = io.StringIO()
            table = csv.writer(text, lineterminator="\n")
            table.writerow(("guid", "tag", "group", "detail"))
            table.writerows((pair.guid, pair.tag, pair.group, pair.detail) for pair in outcome.pairs)
            files[outcome.file] = text.getvalue()
    return files
