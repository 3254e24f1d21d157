"""Export a model with a model card, and compare its predictions with the predictions of mmsent."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmsent_cli import __version__
from mmsent_cli.clock import command_seconds
from mmsent_cli.config import ResolvedModel
from mmsent_cli.data.pairs import Pair
from mmsent_cli.encoders.registry import EncoderSpec, auxiliary_place, find_spec
from mmsent_cli.inference.export.folder import CARD, Format, replace_folder, run_script, write_folder
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import ExportResult

NO_METRICS = "The checkpoint does not lie in a finished run's folder, so its metrics are unknown."
ENGLISH_ONLY = ("minilm", "minilm-layers", "mpnet", "mpnet-layers", "bert", "clip", "twitter-roberta")
"""Text encoders that were pretrained on English."""


def model_card(predictor: Predictor, result: ExportResult, run: Mapping[str, Any] | None) -> str:
    """Make the model card, which is the README.md of an exported model.

    Args:
        predictor: the exported model.
        result: the result of the export, including the comparison with mmsent.
        run: content of the run's `result.json`; None if it cannot be read.
    """
    model = predictor.description.model
    encoders = _encoders(model, list(predictor.ensemble.auxiliary_encoders))
    return "\n".join(
        [
            "---",
            "library_name: mmsent",
            "pipeline_tag: text-classification",
            "tags: [multimodal, sentiment-analysis, text-and-image]",
            *(["language: en"] if _is_english(model) else []),
            "---",
            "",
            f"# {predictor.description.run}",
            "",
            f"Sentiment of a text with its image; trained and exported by mmsent {__version__}.",
            f"Classes: {', '.join(predictor.description.labels)}.",
            "",
            "## Use",
            "",
            "    pip install numpy pillow tokenizers " + _packages(predictor, result),
            '    python predict.py --text "what a day" --image photo.jpg',
            "",
            "The text or the image may be missing. `model.json` has the classes and the inputs.",
            "",
            "## Model",
            "",
            "| part | what | licence |",
            "|---|---|---|",
            *(f"| {part} | {spec.summary} | {spec.licence} |" for part, spec in encoders),
            "",
            f"Fusion: {model.fusion}. {_members(predictor)}",
            "",
            "## Metrics",
            "",
            *_metrics(run),
            "",
            "## Check",
            "",
            _check(result),
            "",
            "## Limits",
            "",
            *(f"- {limit}" for limit in _limits(model)),
            "",
        ]
    )


def read_result(checkpoint: Path) -> Mapping[str, Any] | None:
    """Return the `result.json` next to a checkpoint; None if it cannot be read."""
    try:
        content = json.loads((checkpoint.parent / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _encoders(model: ResolvedModel, auxiliary: Sequence[str]) -> list[tuple[str, EncoderSpec]]:
    return [
        (f"text encoder `{model.text_encoder}`", find_spec("text", model.text_encoder)),
        (f"image encoder `{model.image_encoder}`", find_spec("image", model.image_encoder)),
        *(
            (f"{side} encoder of a probe `{name}`", find_spec(side, name))
            for side, name in map(auxiliary_place, auxiliary)
        ),
    ]


def _packages(predictor: Predictor, result: ExportResult) -> str:
    needed = ["onnxruntime" if result.format == "onnx" else "openvino"]
    if any(probe.name == "lexicon" for probe in predictor.ensemble.probes):
        needed.append("vaderSentiment")
    if "stop-words" in predictor.model.text.inputs.cleaning:
        needed.append("scikit-learn")
    return " ".join(needed)


def _members(predictor: Predictor) -> str:
    ensemble = predictor.ensemble
    if ensemble.stacker is None:
        return "A single model."
    probes = ", ".join(probe.name for probe in ensemble.probes) or "none"
    return f"An ensemble of {len(ensemble.models)} models and the probes {probes}, joined by a stacker."


def _metrics(run: Mapping[str, Any] | None) -> list[str]:
    """Return Markdown lines with accuracy and macro-F1 of the run, and the number of measured pairs."""
    if run is None or not isinstance(run.get("accuracy"), int | float):
        return [NO_METRICS]
    lines = ["| metric | value |", "|---|---|", f"| accuracy | {run['accuracy']:.4f} |"]
    if isinstance(run.get("macro_f1"), int | float):
        lines.append(f"| macro-F1 | {run['macro_f1']:.4f} |")
    if isinstance(run.get("majority_accuracy"), int | float):
        lines.append(f"| accuracy of the most frequent class | {run['majority_accuracy']:.4f} |")
    pairs = run.get("val_pairs") or run.get("pairs")
    return [*lines, "", f"Measured on {pairs} pairs that were not trained on; intervals are in the run's report."]


def _check(result: ExportResult) -> str:
    if not result.checked_pairs:
        return "The exported model was not compared with mmsent: no pairs were at hand."
    return (
        f"On {result.checked_pairs} pairs the largest difference of a probability from mmsent (fp32, torch) was"
        f" {result.largest_difference:.1e}; {result.changed_labels} predicted classes differed."
    )


def _is_english(model: ResolvedModel) -> bool:
    return model.text_encoder in ENGLISH_ONLY


def _limits(model: ResolvedModel) -> list[str]:
    language = ["The text encoder was pretrained on English; other languages are not understood."]
    return [
        *(language if _is_english(model) else []),
        "The classes mean what the annotators of the training data meant by them; on other data, measure first.",
        "One pair a call; texts are cut to the encoder's context.",
    ]


def export_model(
    predictor: Predictor,
    checkpoint: Path,
    out: Path,
    kind: Format,
    pairs: Sequence[Pair],
    *,
    force: bool = False,
    progress: Progress = silent,
) -> ExportResult:
    """Write a model to a folder that predicts without mmsent.

    Args:
        predictor: the model in fp32, computed by torch.
        checkpoint: the file of the model.
        out: the folder, which is written atomically.
        kind: format of the exported model.
        pairs: pairs for the comparison of the exported script with mmsent.
        force: replace an earlier export.
        progress: receives the stages.

    Raises:
        MmsentError: the model cannot be exported, or the folder exists already.
    """
    hidden = out.parent / f".{out.name}.part"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir(parents=True)
        progress(Stage(f"converting the model to {kind}", 0, 1, "model"))
        write_folder(predictor, hidden, kind)
        progress(Stage(f"converting the model to {kind}", 1, 1, "model"))
        largest, changed = compare(predictor, hidden, pairs, progress)
        result = ExportResult(
            checkpoint=str(checkpoint),
            out=str(out),
            format=kind,
            files={},
            checked_pairs=len(pairs),
            largest_difference=largest,
            changed_labels=changed,
            seconds=command_seconds(),
        )
        card = model_card(predictor, result, read_result(checkpoint))
        (hidden / CARD).write_text(card, encoding="utf-8")
        sizes = {path.name: path.stat().st_size for path in sorted(hidden.iterdir()) if path.is_file()}
        replace_folder(hidden, out, force)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return replace(result, files=sizes)


def compare(
    predictor: Predictor, folder: Path, pairs: Sequence[Pair], progress: Progress = silent
) -> tuple[float, int]:
    """Compare the predictions of mmsent and of the exported script.

    Returns:
        The largest difference between two probabilities, and the number of different labels.
    """
    if not pairs:
        return 0.0, 0
    ours = []
    for prediction in predictor.predict(pairs):
        ours.append(prediction)
        progress(Stage("predicting with mmsent", len(ours), len(pairs)))
    progress(Stage("predicting with the exported script", 0, len(pairs)))
    theirs = list(run_script(folder, pairs))
    progress(Stage("predicting with the exported script", len(pairs), len(pairs)))
    both = list(zip(ours, theirs, strict=True))
    differences = [abs(own.probabilities[label] - other[label]) for own, other in both for label in other]
    changed = [own.label != max(other, key=lambda label: other[label]) for own, other in both]
    return max(differences), sum(changed)
