"""Make all checks of a data set, and run `check` and `inspect-encoding`."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmsent_cli.after_training.run_folder import NOTHING_COMPUTED, start_run, write_run
from mmsent_cli.checks.inputs import (
    Header,
    Readers,
    coverage_of,
    encodings_of,
    headers_of,
    image_kinds,
    image_outcomes,
    open_readers,
    text_outcomes,
    texts_of,
    token_counts,
)
from mmsent_cli.checks.rows import ReadPairs, duplicate_outcomes, prediction_outcomes, read_pairs, row_outcomes
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given, apply_options, with_preset
from mmsent_cli.compute.device import Resources
from mmsent_cli.config import DataConfig, ResolvedModel, RuntimeConfig, TrainConfig, build, to_dict
from mmsent_cli.data.inspect_encoding import inspect
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.pairs import require_classes
from mmsent_cli.data.seen import word_counts
from mmsent_cli.data.split import Split, apply_split, describe
from mmsent_cli.data.tags import require_few_classes
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import DataError, MmsentError, quoted
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.next_steps import CHECKED_OPTIONS
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.results import ERROR, OK, WARNING, CheckOutcome, CheckResult, Distribution, can_train
from mmsent_cli.stats import accuracy_interval
from mmsent_cli.training.chosen_probes import choose_probes
from mmsent_cli.training.plan import (
    divide,
    gather_facts,
    needed_modalities,
    require_foldable,
    resolve_checked,
    split_of_file,
)

FEW_PAIRS = 50
"""A class with fewer pairs is reported. Source: spaCy's `debug data`, which also reports labels with few examples."""
MOST_TO_LEAST = 10.0
WIDEST_INTERVAL = 0.1
NUMBERED = "to give them names, use --label-map, as in --label-map 0=negative,1=neutral,2=positive"


def class_counts(data: ReadPairs) -> dict[str, int]:
    """Return the number of usable pairs of each class."""
    counts = Counter(pair.tag for pair in data.pairs)
    return {label: counts[label] for label in data.dataset.labels}


def class_outcomes(data: ReadPairs, splits: Sequence[Split] | MmsentError) -> Iterator[CheckOutcome]:
    """Make all checks of the classes. `splits` is the result of `try_split`."""
    counts = class_counts(data)
    yield _classes(data, counts)
    yield _rare(counts)
    yield _imbalance(counts)
    yield _split(data, splits)


def try_split(data: ReadPairs, config: TrainConfig) -> Sequence[Split] | MmsentError:
    """Return the split or the folds that training would use, or the reason why the pairs cannot be divided."""
    try:
        splits = split_of_file(config.split) or divide(data.dataset, config)
        for split in splits[:1]:
            apply_split(split, data.pairs)
    except MmsentError as error:
        return error
    return splits


def _classes(data: ReadPairs, counts: dict[str, int]) -> CheckOutcome:
    total = max(sum(counts.values()), 1)
    shares = ", ".join(f"{quoted(label)} {count:,} ({100 * count / total:.1f} %)" for label, count in counts.items())
    advice = ""
    if counts and all(label.isdecimal() for label in counts):
        shares += f"; {NUMBERED}"
    try:
        require_classes(data.dataset.labels)
        require_few_classes(data.dataset.labels, len(data.rows))
    except DataError as error:
        shares, advice = error.message, error.hint
    return CheckOutcome(
        check="classes",
        level=ERROR if advice else OK,
        message=shares,
        rule="error if there are fewer than 2 classes, or more than 20 classes and fewer than 2 pairs per class on"
        " average",
        advice=advice,
    )


def _rare(counts: dict[str, int]) -> CheckOutcome:
    rare = [f"{quoted(label)} ({count:,})" for label, count in counts.items() if count < FEW_PAIRS]
    least = min(counts, key=lambda label: counts[label], default="")
    return CheckOutcome(
        check="class sizes",
        level=WARNING if rare else OK,
        message=f"few pairs of {', '.join(rare)}"
        if rare
        else f"the rarest class is {quoted(least)}, {counts.get(least, 0):,} pairs",
        rule=f"warning below {FEW_PAIRS} pairs of a class",
        advice="add pairs of these classes; their recall is uncertain" if rare else "",
    )


def _imbalance(counts: dict[str, int]) -> CheckOutcome:
    numbers = [count for count in counts.values() if count]
    ratio = max(numbers) / min(numbers) if numbers else 1.0
    is_much = ratio > MOST_TO_LEAST
    return CheckOutcome(
        check="imbalance",
        level=WARNING if is_much else OK,
        message=f"the most frequent class has {ratio:.1f} times as many pairs as the rarest",
        rule=f"warning above {MOST_TO_LEAST:.0f} times",
        advice="look at macro-F1 too; try --class-weights sqrt" if is_much else "",
    )


def _split(data: ReadPairs, splits: Sequence[Split] | MmsentError) -> CheckOutcome:
    """Check that the pairs can be split, and how precise the accuracy will be.

    Also check whether near-duplicates are divided between training and validation.
    """
    widest = f"warning if the accuracy is known to ±{100 * WIDEST_INTERVAL:.0f} points only"
    rule = f"error if the pairs cannot be divided; {widest}, or if near-duplicates are divided"
    if isinstance(splits, MmsentError):
        return CheckOutcome(
            check="split", level=ERROR, message=splits.message, rule=rule, advice=_sentence_free(splits.hint)
        )
    first = splits[0]
    judged = len(data.pairs) if first.folds else len(first.val)
    low, high = accuracy_interval(judged // 2, judged)
    parts = f"{first.folds} folds" if first.folds else f"{len(first.train):,} training and {judged:,} validation pairs"
    known = set(first.train + first.val)
    leaks = describe(splits, [p for p in data.pairs if p.guid in known], data.dataset.labels, Path()).leaks
    is_wide = (high - low) / 2 > WIDEST_INTERVAL
    advice = ["add labelled pairs, or use --folds 5"] * is_wide
    advice += ["use --strategy grouped, which keeps near-duplicates together"] * bool(leaks)
    return CheckOutcome(
        check="split",
        level=WARNING if advice else OK,
        message=f"{parts}. They show the accuracy to ±{50 * (high - low):.1f} points. "
        f"{leaks:,} validation pairs have a near-duplicate in training",
        rule=rule,
        advice="; ".join(advice),
    )


def _sentence_free(hint: str) -> str:
    return hint.rstrip(".")


def check_data(
    config: TrainConfig, model: ResolvedModel, source: Source, weights: WeightSource, progress: Progress
) -> CheckResult:
    """Check all pairs of a source, and find out whether a model can be trained on them with these settings.

    If the source has no labels, check instead whether its pairs can be predicted.

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
    if not data.is_labelled:
        return _for_prediction(data, model)
    progress(Stage("comparing texts and images", 0, 1, "source"))
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
    progress(Stage("comparing texts and images", 1, 1, "source"))
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


def _for_prediction(data: ReadPairs, model: ResolvedModel) -> CheckResult:
    headers = headers_of(data.pairs)
    return CheckResult(
        source=data.source.name,
        pairs=0,
        usable=len(data.pairs),
        rows=data.numbers,
        to_predict=len(data.to_predict) + len(data.bad_rows) + len(data.left_out),
        labels=(),
        counts={},
        can_train=False,
        checks=(*prediction_outcomes(data), *image_outcomes(headers, None)),
        distributions=tuple(_distributions(data, Readers(), {}, headers)),
        image_kinds=image_kinds(headers),
        encodings=encodings_of(data),
        scripts=coverage_of(data, model).scripts,
        notes=data.dataset.notes,
    )


def _training_texts(data: ReadPairs, splits: Sequence[Split] | MmsentError) -> list[str]:
    """Return the texts of the training pairs, or all texts if the pairs cannot be divided."""
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
    """Return, for each check that found pairs, the name and the content of a CSV file in the run folder."""
    files = {}
    for outcome in result.checks:
        if outcome.pairs:
            text = io.StringIO()
            table = csv.writer(text, lineterminator="\n")
            table.writerow(("guid", "tag", "group", "detail"))
            table.writerows((pair.guid, pair.tag, pair.group, pair.detail) for pair in outcome.pairs)
            files[outcome.file] = text.getvalue()
    return files


def run_check(
    given: Given, preset: str | None, source: Source | None, runs_dir: Path, progress: Progress = silent
) -> FinishedRun:
    """Check pairs for a training, and write a run folder.

    Args:
        given: the settings that the user gave.
        preset: the preset of the planned training. `given` overrides the settings of the preset.
        source: pairs in memory.
        runs_dir: folder of all runs.
        progress: receives the number of checked pairs.

    Raises:
        MmsentError: settings cannot be combined, or the source cannot be read at all.
    """
    start = begin_command()
    config = apply_options(TrainConfig() if preset is None else with_preset(TrainConfig(), preset), given)
    source = source or locate(config.data.data)
    # A check runs no encoder, so precision and engine need not be measured.
    resources = Resources.open(replace(config.runtime, precision="fp32", engine="torch"))
    facts, encoder_note = gather_facts(config, resources)
    model = resolve_checked(config.model, facts)
    require_foldable(config, model)
    model, probe_notes = choose_probes(model, replace(resources.weights, offline=True), progress)
    result = check_data(config, model, source, resources.weights, progress)
    result = replace(result, notes=(*filter(None, [encoder_note]), *probe_notes, *result.notes))
    options = {"preset": preset, **{name: value for kind in given for name, value in given[kind].items()}}
    sections = {
        "data": {**to_dict(config.data), "data": source.place},
        "split": to_dict(config.split),
        "encoders": {"text": model.text_encoder, "image": model.image_encoder},
        "runtime": to_dict(config.runtime),
        CHECKED_OPTIONS: {**options, "data": source.place},
    }
    if source.frame is None:
        options["data"] = Path(source.place)
    return write_run(
        start_run(runs_dir, "check", Path(source.place).stem, NOTHING_COMPUTED, sections),
        result,
        examples=Examples(),
        tables=listed_csv(result),
        command=command_line("check", options),
        start=start,
    )


def run_inspection(
    given: Given, source: Source | None, convert_to: Path | None, force: bool, runs_dir: Path
) -> FinishedRun:
    """Find the character encoding of a source, and write a run folder.

    Args:
        given: the settings that the user gave.
        source: texts in memory.
        convert_to: folder for UTF-8 copies of the texts, or None.
        force: overwrite existing copies.
        runs_dir: folder of all runs.

    Raises:
        MmsentError: texts cannot be read, or copies cannot be written.
    """
    start = begin_command()
    config, runtime = build(DataConfig, given[DataConfig]), build(RuntimeConfig, given[RuntimeConfig])
    source = source or locate(config.data)
    result = inspect(config, convert_to, force, source)
    if runtime.no_examples:
        result = replace(result, snippets=())
    options = {name: value for kind in given for name, value in given[kind].items()}
    sections = {
        "data": {**to_dict(config), "data": source.place},
        "runtime": to_dict(runtime),
        CHECKED_OPTIONS: {**given[DataConfig], "data": source.place},
    }
    if source.frame is None:
        options["data"] = Path(source.place)
    return write_run(
        start_run(runs_dir, "inspect-encoding", source.path.stem, NOTHING_COMPUTED, sections),
        result,
        examples=Examples(),
        tables={},
        command=command_line("inspect-encoding", options),
        start=start,
    )
