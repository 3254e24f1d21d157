"""The work of `explain`: predict pairs, explain the predictions, and write the run folder."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmsent_cli.after_training.pairs import first_pairs
from mmsent_cli.after_training.run_folder import how_computed, name_of, start_run, write_run
from mmsent_cli.clock import begin_command
from mmsent_cli.command_settings import Given
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.extras import EXPLAIN, require_installed
from mmsent_cli.finished_run import FinishedRun
from mmsent_cli.inference.explain import Explainer
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.settings import ExplainSettings
from mmsent_cli.inference.single import single_pair
from mmsent_cli.printed_commands import command_line
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.explanation.figures import explanation_figures
from mmsent_cli.reports.translate import language_of
from mmsent_cli.results import ExplainResult, Explanation


def run_explanation(
    checkpoint: Path,
    given: Given,
    source: Source | None,
    single: tuple[str | None, ImageSource | str | None],
    runs_dir: Path,
    progress: Progress = silent,
) -> FinishedRun:
    """Explain one pair, or the pairs of a source, and write a run folder.

    Args:
        checkpoint: the model.
        given: the settings that were given.
        source: pairs in memory.
        single: text and image of one pair; both None for the pairs of a source.
        runs_dir: folder that keeps the runs.
        progress: receives how many pairs are explained.

    Raises:
        MmsentError: a model, pairs or settings that cannot be used.
    """
    start = begin_command()
    settings, runtime = build(ExplainSettings, given[ExplainSettings]), build(RuntimeConfig, given[RuntimeConfig])
    require_installed(*EXPLAIN)
    predictor = Predictor.load(checkpoint, runtime)
    explainer = Explainer(predictor, settings)
    if single == (None, None):
        pairs = first_pairs(given[DataConfig], predictor.resources.cache, source, settings.pairs)
    else:
        pairs = [single_pair(*single)]
    result = ExplainResult(
        checkpoint=str(checkpoint),
        method=settings.method,
        explanations=tuple(_explain_each(explainer, pairs, progress)),
        seconds=time.perf_counter() - start,
        notes=tuple(predictor.notes()),
    )
    image = Path(single[1]) if isinstance(single[1], str | Path) else None
    words = {"checkpoint": checkpoint, "text": single[0], "image": image, **given[DataConfig]}
    if "data" in given[DataConfig] and source is None:
        words["data"] = Path(given[DataConfig]["data"])
    figures = explanation_figures(result, {pair.guid: pair.image for pair in pairs}, language_of(runtime.lang))
    how, sections = how_computed(predictor), {"runtime": to_dict(runtime)}
    return write_run(
        start_run(runs_dir, "explain", name_of(checkpoint), how, sections),
        result,
        examples=Examples(),
        tables={f"{name}.png": png for name, png in figures.items()},
        command=command_line("explain", {**words, **given[ExplainSettings], **given[RuntimeConfig]}),
        start=start,
        drawn=figures,
    )


def _explain_each(explainer: Explainer, pairs: Sequence[Pair], progress: Progress) -> Iterator[Explanation]:
    for number, pair in enumerate(pairs):
        progress(Stage("explaining", number, len(pairs)))
        yield explainer.explain(pair)
    progress(Stage("explaining", len(pairs), len(pairs)))
