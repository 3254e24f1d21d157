"""Describe what was trained: the parts of the model, the settings of the training, and the class counts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmsent_cli.reports.blocks import Grid, Section
from mmsent_cli.reports.format import DASH, LOSSES, counted, sentence
from mmsent_cli.results import CompareResult, FoldsResult, ModelPart, PaperResult, TrainResult, TuneResult
from mmsent_cli.results.summary import Counts

TITLE = "What was trained"
LEGEND = (
    "In formulas, t and v are the features of text and image, σ is the logistic function, ⊙ the product element by "
    "element, and LN layer normalization. Capital letters are learned affine maps."
)


def model_sections(
    result: Any, config: Mapping[str, Any], environment: Mapping[str, Any], counts: Counts
) -> list[Section]:
    """Make the section about the models of a training or an experiment. For other results, the list is empty.

    Args:
        result: a result of any type.
        config: the resolved configuration as in `config.json`.
        environment: versions and date of the run.
        counts: number of pairs of each class, by part of the data.
    """
    if isinstance(result, TrainResult | FoldsResult):
        settings = settings_grid([*_settings(config), *_facts(result, environment)])
        grids = (parts_grid(result.parts), settings, counts_grid(counts))
        losses = (LOSSES,) if isinstance(result, TrainResult) else ()
        return [Section(title=TITLE, paragraphs=losses, grids=grids)]
    compared = result.fusions if isinstance(result, PaperResult) else result
    if isinstance(compared, CompareResult):
        return [Section(title=TITLE, folded=(layers_grid(compared), parts_grid(compared.setup.encoder_parts)))]
    if isinstance(compared, TuneResult):
        return [Section(title=TITLE, folded=(parts_grid(compared.setup.encoder_parts),))]
    return []


def parts_grid(parts: Iterable[ModelPart]) -> Grid:
    """Make the table of the parts of a model, one row per part."""
    rows = [
        (
            sentence(part.part),
            part.name or DASH,
            part.summary,
            part.formula or DASH,
            part.training or DASH,
            "; ".join(filter(None, (part.licence, part.source))) or DASH,
        )
        for part in parts
    ]
    return Grid(
        name="parts",
        title="Parts of the model",
        columns=("", "Name", "What it computes", "Formula", "Weights", "Licence and source"),
        rows=tuple(rows),
        foot=LEGEND if any(part.formula for part in parts) else "",
        words=frozenset(range(6)),
    )


def layers_grid(result: CompareResult) -> Grid:
    """Make the table of the compared fusions with their formulas and sizes. Each fusion has one row."""
    layers = {arm.fusion: (arm.layer, arm.trainable_parameters) for arm in result.arms}
    rows = [
        (name, f"{trained:,}", layer.summary, layer.formula, layer.source)
        for name, (layer, trained) in layers.items()
        if layer is not None
    ]
    return Grid(
        name="fusions",
        title="What the fusions compute",
        columns=("", "Parameters", "What it computes", "Formula", "Source"),
        rows=tuple(rows),
        foot=LEGEND,
        words=frozenset({0, 2, 3, 4}),
    )


def settings_grid(rows: Sequence[tuple[str, str]]) -> Grid:
    """Make the table of settings and facts of a training."""
    return Grid(
        name="training", title="Training", columns=("Setting", "Value"), rows=tuple(rows), words=frozenset({0, 1})
    )


def counts_grid(counts: Counts) -> Grid:
    """Make the table of pairs by class, with a column for each part of the data."""
    labels = list(dict.fromkeys(label for classes in counts.values() for label in classes))
    rows = [(label, *(f"{classes.get(label, 0):,}" for classes in counts.values())) for label in labels]
    total = ("All", *(f"{sum(classes.values()):,}" for classes in counts.values()))
    return Grid(
        name="class-counts",
        title="Pairs of each class",
        columns=("Class", *(part.capitalize() for part in counts)),
        rows=(*rows, total) if rows else (),
    )


def formulas_of(result: Any) -> tuple[str, ...]:
    """Return the formulas on the page, which are not translated."""
    if isinstance(result, PaperResult):
        result = result.fusions
    arms = [arm.layer for arm in result.arms if arm.layer] if isinstance(result, CompareResult) else []
    return tuple(part.formula for part in (*arms, *getattr(result, "parts", ())) if part.formula)


def _settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Describe the settings of the training in words. If the configuration is incomplete, the list is empty."""
    if not {"model", "fit", "split"} <= config.keys():
        return []
    model, fit, split = config["model"], config["fit"], config["split"]
    return [
        ("Optimizer", f"AdamW, weight decay {fit['weight_decay']:g}"),
        ("Learning rates", _rates(model, fit)),
        ("Schedule", f"{fit['schedule']}, warm-up {100 * fit['warmup']:g} % of the steps"),
        ("Batch", _batch(fit)),
        ("Early stopping", _stopping(fit)),
        ("Loss", _loss(model, fit)),
        ("Modality dropout", f"{100 * model['modality_dropout']:g} % of the training pairs lack one modality"),
        ("Augmentation", fit["augmentation"]),
        ("Seed", str(fit["seed"])),
        *([("Ensemble", _ensemble(model, split))] if split["folds"] else []),
        ("Split", _split(split)),
    ]


def _rates(model: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    rest = f"{fit['head_lr']:g} for fusion and head"
    is_frozen = model["freeze_text"] == model["freeze_image"] == "all"
    return f"{rest}; the encoders are frozen" if is_frozen else f"{rest}; {fit['encoder_lr']:g} for the encoders"


def _batch(fit: Mapping[str, Any]) -> str:
    steps = fit["accumulation_steps"]
    return f"{fit['batch_size']} pairs" + (f"; {steps} batches a step" if steps > 1 else "")


def _stopping(fit: Mapping[str, Any]) -> str:
    patience = fit["patience"]
    return f"after {patience} epochs without a better one" if patience else "no"


def _loss(model: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    parts = ["cross-entropy"]
    if fit["label_smoothing"]:
        parts.append(f"label smoothing {fit['label_smoothing']:g}")
    if fit["class_weights"] != "none":
        parts.append(f"class weights {fit['class_weights']}")
    if model["auxiliary_weight"]:
        parts.append(f"heads of single modalities with weight {model['auxiliary_weight']:g}")
    return "; ".join(parts)


def _ensemble(model: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    """Describe the members of an ensemble."""
    networks = split["folds"] * model["models_per_fold"]
    return f"{networks} networks; {counted(len(model['probes']), 'probe')}; weights of all members by a stacker"


def _split(split: Mapping[str, Any]) -> str:
    """Describe the split of the pairs."""
    if split["folds"]:
        return f"{split['folds']} folds; near-duplicates in one fold; seed {split['split_seed']}"
    if split["split"]:
        return f"read from {split['split']}"
    return f"{split['strategy']}; {100 * split['val_size']:g} % for validation; seed {split['split_seed']}"


def _facts(result: TrainResult | FoldsResult, environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return rows with the data, the date and the version of mmsent. Rows without a value are left out."""
    rows = [("Data", result.source), ("Date", environment.get("date", "")), ("Version", environment.get("mmsent", ""))]
    return [(name, value) for name, value in rows if value]
