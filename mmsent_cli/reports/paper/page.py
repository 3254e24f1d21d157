"""Make the page of `paper`, with its findings in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from mmsent_cli.reports import ablation as ablation_text
from mmsent_cli.reports import tuning as tuning_text
from mmsent_cli.reports.ablation import ablate_sections
from mmsent_cli.reports.blocks import Answer, Figures, Grid, Section, picture
from mmsent_cli.reports.comparison import text as comparison_text
from mmsent_cli.reports.comparison.tables import tested_arms
from mmsent_cli.reports.comparison.text import compare_sections, detectable_range
from mmsent_cli.reports.confidence import class_grid
from mmsent_cli.reports.facts import setup_facts
from mmsent_cli.reports.format import (
    counted,
    duration,
    in_pairs,
    listed,
    mean,
    number_interval,
    percent,
    points,
    points_interval,
    size,
    verdict_text,
)
from mmsent_cli.reports.paper.beside import (
    CONTRADICTED,
    SHOWN,
    ablation_beside,
    comparison_beside,
    differences_beside,
    draw_beside,
    losses_beside,
    outcomes,
    published_gaps,
    train_beside,
    tune_beside,
)
from mmsent_cli.reports.plot_style import Drawn
from mmsent_cli.reports.train import train_answer, train_pictures
from mmsent_cli.reports.tuning import tune_sections
from mmsent_cli.results import (
    NOT_DISTINGUISHABLE,
    AblationArm,
    CompareResult,
    PaperResult,
    Published,
    PublishedArm,
    SharedSetup,
)

MORE_SEEDS = "; use --seeds 3"
"""The end of the note that there is only one seed. Notes on the tuning are shown without it, since a tuning in `paper`
always has one seed."""


def question(published: Published) -> str:
    """Return the question that the page answers."""
    return f"Which conclusions of {published.name} does this data support?"


def headline(result: PaperResult) -> str:
    """State how many published differences the results support, contradict or cannot decide, in one sentence."""
    published = result.published
    rows = {**outcomes(result.fusions, published.fusions), **outcomes(result.augmentation, published.augmentation)}
    counts = Counter(rows.values())
    if not rows:
        return "No published difference was tested here"
    shown, against = counts[SHOWN], counts[CONTRADICTED]
    return (
        f"Of {len(rows)} published differences, {shown or 'none'} can be shown here, {against or 'none'} "
        f"{'is' if against == 1 else 'are'} contradicted, {counts[NOT_DISTINGUISHABLE]} may be due to chance"
    )


def summary(result: PaperResult) -> list[str]:
    """Return a paragraph for each experiment, then a paragraph about the level of all scores."""
    parts = (_fusions, _augmentation, _tuning, _repeated, _ablation, _level)
    return [paragraph for part in parts for paragraph in part(result)]


def published_steps(published: Published) -> list[float]:
    """Return the differences in accuracy between neighbours in the published ranking of fusions; all are at least 0."""
    ranked = sorted(row.accuracy for row in published.fusions)
    return [high - low for low, high in pairwise(ranked)]


def _fusions(result: PaperResult) -> Iterator[str]:
    """Describe the published ranking of the fusions, and which of its differences this comparison could detect."""
    published, ours = result.published, result.fusions
    ranked, steps = sorted(published.fusions, key=lambda row: row.accuracy), published_steps(published)
    if not steps:
        return
    low, high = min(steps) * published.val_pairs, max(steps) * published.val_pairs
    text = (
        f"Fusions. Published accuracies range from {percent(ranked[0].accuracy)} ({ranked[0].name}) to "
        f"{percent(ranked[-1].accuracy)} ({ranked[-1].name}), one run each; from one rank to the next, accuracy "
        f"rises by {round(low)} to {round(high)} of {published.val_pairs:,} pairs."
    )
    bounds = detectable_range(tested_arms(ours))
    if bounds:
        below = sum(step < bounds[0] for step in steps)
        text += (
            f" Our comparison ({counted(len(ours.setup.seeds), 'seed')}) reliably detects differences of "
            f"{size(bounds[0])} ({in_pairs(bounds[0], ours.setup.val_pairs)}) or more: {below} of the {len(steps)} "
            "steps of the published ranking are smaller."
        )
    yield text
    rows = outcomes(ours, published.fusions)
    for outcome, words in (
        (SHOWN, f"Shown here as well: the difference to {ours.baseline} of"),
        (CONTRADICTED, f"Contradicted here: the difference to {ours.baseline} of"),
        (NOT_DISTINGUISHABLE, f"Not distinguishable from {ours.baseline} here:"),
    ):
        names = [name for name, found in rows.items() if found == outcome]
        if names:
            yield f"{words} {listed(names)}."


def _augmentation(result: PaperResult) -> Iterator[str]:
    published, gaps = result.published, published_gaps(result.augmentation, result.published.augmentation)
    for arm, ours in tested_arms(result.augmentation):
        if arm.name in gaps:
            yield (
                f"Augmentation. Published {points(gaps[arm.name])} points, "
                f"{in_pairs(gaps[arm.name], published.val_pairs)}; here {points(ours.difference)} (95 % interval "
                f"{points_interval(ours.interval)}): {verdict_text(arm.verdict, size(ours.detectable))}."
            )


def _tuning(result: PaperResult) -> Iterator[str]:
    known = sorted((step.accuracy, step.name) for step in result.published.tune if step.accuracy is not None)
    if not known:
        return
    (low, first), (high, last) = known[0], known[-1]
    gap = result.tune.difference
    ours = (
        "Here a single trial was completed."
        if gap is None
        else f"Here the best trial is {points(gap.difference)} points from the runner-up by nested selection (95 % "
        f"interval {points_interval(gap.interval)}): {result.tune.verdict}."
    )
    yield (
        f"Tuning. Published best accuracies range from {percent(low)} ({first}) to {percent(high)} ({last}), "
        f"{in_pairs(high - low, result.published.val_pairs)}. {ours}"
    )


def _repeated(result: PaperResult) -> Iterator[str]:
    """Describe how much published scores vary by chance alone."""
    published, repeated = result.published, result.published.repeated
    if len(set(repeated)) > 1:
        gap, steps = max(repeated) - min(repeated), published_steps(published)
        yield (
            f"The published tables give {listed([percent(share) for share in repeated])} for one and the same setting: "
            f"repeating the run changed {in_pairs(gap, published.val_pairs)}, and {sum(step <= gap for step in steps)} "
            f"of the {len(steps)} steps of the published ranking of fusions are no larger."
        )


def _ablation(result: PaperResult) -> Iterator[str]:
    """Describe whether text and image have the same ranking in the published ablation and in the result."""
    theirs = result.published.ablation
    ours = {arm.inputs: arm for arm in result.ablate.arms if arm.method == "zero"}
    if {"text", "image"} <= ours.keys() & theirs.keys():
        text, image, gap = ours["text"], ours["image"], theirs["text"] - theirs["image"]
        yield (
            f"Ablation. Published, text alone {percent(theirs['text'])} and image alone {percent(theirs['image'])}, "
            f"{in_pairs(gap, result.published.val_pairs)} apart; here {percent(text.accuracy)} "
            f"({number_interval(text.interval)} %) and {percent(image.accuracy)} ({number_interval(image.interval)} "
            f"%): {_order(text, image, gap)}."
        )


def _order(text: AblationArm, image: AblationArm, published_gap: float) -> str:
    is_apart = text.interval[0] > image.interval[1] or image.interval[0] > text.interval[1]
    if not is_apart:
        return "the intervals overlap, so this alone does not decide which modality contributes more"
    if (text.accuracy - image.accuracy) * published_gap > 0:
        return "the same order, and the intervals do not overlap"
    return "the opposite order, and the intervals do not overlap; with other encoders, this is no contradiction"


def _level(result: PaperResult) -> Iterator[str]:
    arms = [arm for arm in result.fusions.arms if not arm.is_reference]
    gain = mean([arm.best.accuracy_mean - arm.nested.accuracy_mean for arm in arms])
    yield (
        "All published scores are of best epochs, chosen on the pairs that they are measured on; our best-epoch scores "
        f"are {size(gain)} {'above' if gain >= 0 else 'below'} nested selection. Absolute accuracies are not "
        f"comparable: {result.published.set_up} there, {result.fusions.setup.encoders} here, and another split."
    )


def paper_figures(result: PaperResult) -> Drawn:
    """Draw published accuracies next to the accuracies of the result, one figure per comparison."""
    return {name: draw_beside(ours, rows) for name, ours, rows in _comparisons(result)}


def paper_answer(result: PaperResult, seconds: float) -> Answer:
    """Make the answer at the top of the page. `seconds` is the duration of all experiments."""
    published = result.published
    return Answer(
        question=question(published),
        headline=headline(result),
        paragraphs=tuple(summary(result)),
        facts=(
            ("Source", published.source),
            ("Published", published.set_up),
            *setup_facts(_setup(result)),
            ("Time", duration(seconds)),
        ),
        notes=tuple(_notes(result)),
    )


def paper_grids(result: PaperResult) -> list[Grid]:
    """Make the tables for a terminal, which show the scores of the result next to the published scores."""
    grids = [
        *_named("tuning", [replace(tune_beside(result), title="Tuning: best accuracies, %")]),
        *_named("training", [train_beside(result)]),
        *_named("ablation", [ablation_beside(result)]),
        *(
            replace(grid, title=f"{name.capitalize()}: {grid.title}")
            for name, ours, rows in _comparisons(result)
            for grid in _named(name, [comparison_beside(ours, rows), differences_beside(ours, rows)])
        ),
    ]
    return [grid for grid in grids if grid.rows]


def paper_sections(result: PaperResult, figures: Figures) -> list[Section]:
    """Make the sections of the five experiments, in the order of the published work.

    Args:
        result: the results of the experiments, and the published scores.
        figures: the figures of the page and of the experiments. The latter have names such as `tune/tuning`.
    """
    steps = {
        name: {file.removeprefix(f"{name}/"): png for file, png in figures.items() if file.startswith(f"{name}/")}
        for name in result.steps
    }
    sections = [
        _joined(
            "tuning",
            f"1. Tuning: {tuning_text.headline(result.tune)}",
            tuning_text.findings_text(result.tune),
            [tune_beside(result)],
            tune_sections(result.tune, steps["tune"]),
        ),
        _train(result, steps["train"]),
        _joined(
            "ablation",
            f"3. Ablation: {ablation_text.headline(result.ablate)}",
            ablation_text.findings_text(result.ablate),
            [ablation_beside(result)],
            ablate_sections(result.ablate, steps["ablate"]),
        ),
    ]
    for number, (name, ours, rows) in enumerate(_comparisons(result), start=4):
        section = _joined(
            name,
            f"{number}. {name.capitalize()}: {comparison_text.headline(ours)}",
            comparison_text.findings_text(ours),
            [comparison_beside(ours, rows), differences_beside(ours, rows), losses_beside(ours, rows)],
            compare_sections(ours, steps[name]),
        )
        beside = picture(
            figures.get(name),
            "Published and own accuracies",
            "Orange: published best epochs, one run each. Grey: our best epochs, blue: nested selection with its 95 % "
            "interval, mean over seeds.",
        )
        sections.append(replace(section, pictures=(*beside, *section.pictures)))
    return sections


def _train(result: PaperResult, figures: Figures) -> Section:
    trained = result.train
    classes = class_grid(f"Classes, epoch {trained.best_epoch} *", trained.best.per_class)
    model = f"Encoders {trained.encoders}, fusion {trained.fusion}."
    return Section(
        title=f"2. Training: {percent(trained.best.accuracy)} *",
        paragraphs=(model, *train_answer(trained, trained.seconds).paragraphs),
        pictures=train_pictures(trained, figures),
        grids=_named("training", [train_beside(result), classes]),
    )


def _named(step: str, grids: Iterable[Grid]) -> tuple[Grid, ...]:
    """Put the name of the step before the name of each table. The files of a table have the same name."""
    return tuple(replace(grid, name=f"{step}-{grid.name}") for grid in grids)


def _joined(
    step: str, title: str, paragraphs: Sequence[str], grids: Sequence[Grid], parts: Sequence[Section]
) -> Section:
    """Join the sections of an experiment into one. The tables of published scores (`grids`) come first."""
    return Section(
        title=title,
        paragraphs=tuple(paragraphs),
        pictures=tuple(one for part in parts for one in part.pictures),
        grids=_named(step, [*grids, *(grid for part in parts for grid in part.grids)]),
        folded=_named(step, [grid for part in parts for grid in part.folded]),
    )


def _comparisons(result: PaperResult) -> list[tuple[str, CompareResult, tuple[PublishedArm, ...]]]:
    """Return the two comparisons of `paper`. Each has the name of the step, the result, and the published rows."""
    published = result.published
    return [
        ("fusions", result.fusions, published.fusions),
        ("augmentation", result.augmentation, published.augmentation),
    ]


def _setup(result: PaperResult) -> SharedSetup:
    """Return the set-up of the comparison of fusions, with the encoder passes of all steps."""
    steps = (result.tune, result.fusions, result.augmentation)
    runs = {name: sum(step.setup.encoder_runs[name] for step in steps) for name in ("text", "image")}
    return replace(result.fusions.setup, encoder_runs=runs)


def _notes(result: PaperResult) -> list[str]:
    """Return the notes of all experiments, each once.

    If only one experiment has a note, the note begins with the name of this experiment.
    """
    named = {"tune": "Tuning", "train": "Training", "ablate": "Ablation"}
    owners: dict[str, list[str]] = {}
    for name, step in result.steps.items():
        for note in (each.removesuffix(MORE_SEEDS) if name == "tune" else each for each in step.notes):
            owners.setdefault(note, []).append(named.get(name, name.capitalize()))
    return [f"{names[0]}: {note}" if len(names) == 1 else note for note, names in owners.items()]
