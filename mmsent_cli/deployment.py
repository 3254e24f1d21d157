"""What is done with a trained model besides predicting files: explain, serve, export."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from mmsent_cli.command_lines import command_line
from mmsent_cli.config import DataConfig, RuntimeConfig, build, to_dict
from mmsent_cli.data.check import decide_encoding, iter_unlabelled, load_labelled
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.pairs import ImageSource, Pair
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.evaluation_runs.folders import how_computed, name_of, start_run, write_run
from mmsent_cli.experiments.ablation.target import own_config
from mmsent_cli.extras import require_extra
from mmsent_cli.finish import FinishedRun
from mmsent_cli.inference.explain import Explainer
from mmsent_cli.inference.export.export import export_model
from mmsent_cli.inference.export.folder import require_exportable, require_free
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.settings import ExplainSettings, ExportSettings
from mmsent_cli.inference.single import single_pair
from mmsent_cli.keywords import Given
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.reports.explanation.figures import explanation_figures
from mmsent_cli.results import ExplainResult, Explanation, ExportResult
from mmsent_cli.server.settings import ServeSettings

Ready = Callable[[str], None]
"""Called with the address of a server that answers."""


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
    start = time.perf_counter()
    settings, runtime = build(ExplainSettings, given[ExplainSettings]), build(RuntimeConfig, given[RuntimeConfig])
    predictor = Predictor.load(checkpoint, runtime)
    explainer = Explainer(predictor, settings)
    if single == (None, None):
        pairs = _pairs(given[DataConfig], predictor.resources.cache, source, settings.pairs)
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
    figures = explanation_figures(result, {pair.guid: pair.image for pair in pairs})
    how, sections = how_computed(predictor), {"runtime": to_dict(runtime)}
    return write_run(
        start_run(runs_dir, "explain", name_of(checkpoint), how, sections),
        result,
        groups=[],
        tables={f"{name}.png": png for name, png in figures.items()},
        command=command_line("explain", {**words, **given[ExplainSettings], **given[RuntimeConfig]}),
        seconds=result.seconds,
        drawn=figures,
    )


def _explain_each(explainer: Explainer, pairs: Sequence[Pair], progress: Progress) -> Iterator[Explanation]:
    for number, pair in enumerate(pairs):
        progress(Stage("explaining", number, len(pairs)))
        yield explainer.explain(pair)
    progress(Stage("explaining", len(pairs), len(pairs)))


def run_export(
    checkpoint: Path, out: Path, given: Given, source: Source | None, force: bool, progress: Progress = silent
) -> ExportResult:
    """Write a model as a folder that runs without mmsent, and compare its answers with those of mmsent.

    Raises:
        MmsentError: a model that cannot be exported, or a folder that is there already.
    """
    settings = build(ExportSettings, given[ExportSettings])
    runtime = replace(build(RuntimeConfig, given[RuntimeConfig]), device="cpu", precision="fp32", engine="torch")
    require_free(out, force)
    require_extra("export", "an export", "onnx", "onnxruntime", "onnxscript")
    predictor = Predictor.load(checkpoint, runtime)
    require_exportable(predictor.ensemble)
    pairs, notes = _check_pairs(checkpoint, given[DataConfig], predictor.resources.cache, source, settings.check_pairs)
    result = export_model(predictor, checkpoint, out, settings.to, pairs, force=force, progress=progress)
    return replace(result, notes=tuple(notes))


def run_serving(checkpoint: Path, given: Given, ready: Ready) -> None:
    """Serve a model until the process gets SIGINT or SIGTERM.

    Raises:
        MmsentError: a model that cannot be used, or an address that cannot be listened on.
    """
    from mmsent_cli.server.server import MODULES, choose_token, open_socket, run_server, shown_address

    settings, runtime = build(ServeSettings, given[ServeSettings]), build(RuntimeConfig, given[RuntimeConfig])
    require_extra("serve", "the server", *MODULES)
    listener = open_socket(settings)
    with listener:
        from mmsent_cli.server.app import create_app

        predictor, token = Predictor.load(checkpoint, runtime), choose_token(settings)
        app = create_app(predictor, settings, token=token, explain=_explain(predictor))
        ready(shown_address(settings, listener, token))
        run_server(app, listener)


def _explain(predictor: Predictor) -> Callable | None:
    """What explains one pair; None where Captum is not installed."""
    try:
        return Explainer(predictor, ExplainSettings()).explain
    except ConfigError:
        return None


def _pairs(given: dict[str, Any], cache: Path, source: Source | None, count: int) -> list[Pair]:
    """The first pairs to predict of a source."""
    data = build(DataConfig, given)
    source = source or locate(data.data)
    decision = decide_encoding(source, data, cache)
    return list(islice(iter_unlabelled(source, data, decision), count))


def _check_pairs(
    checkpoint: Path, given: dict[str, Any], cache: Path, source: Source | None, count: int
) -> tuple[list[Pair], list[str]]:
    """Pairs to compare on: those that `given` names, else those of the checkpoint's run; with remarks."""
    if not count:
        return [], []
    if source is not None or "data" in given:
        return _pairs(given, cache, source, count), []
    own = own_config(checkpoint)
    if own is None:
        return [], ["nothing was compared: name pairs with --data, since the checkpoint is not in its run's folder"]
    try:
        return list(load_labelled(own.data, cache).pairs[:count]), []
    except MmsentError as error:
        return [], [f"nothing was compared, since the pairs of the model's run cannot be read: {error.message}"]
