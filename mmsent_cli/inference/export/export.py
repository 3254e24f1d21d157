"""Export a model: write a hidden folder, compare its predictions with those of mmsent, and rename it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmsent_cli.clock import command_seconds
from mmsent_cli.data.pairs import Pair
from mmsent_cli.inference.export.card import model_card, read_result
from mmsent_cli.inference.export.folder import CARD, Format, replace_folder, run_script, write_folder
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import ExportResult


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
        predictor: the model, in fp32 and computed by torch.
        checkpoint: where it comes from.
        out: the folder; it appears whole or not at all.
        kind: format of the graph.
        pairs: pairs that are predicted by the exported script and by mmsent, to compare both.
        force: replace an earlier export.
        progress: receives the steps.

    Raises:
        MmsentError: a model that cannot be exported, or a folder that is there already.
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
        The largest difference between two probabilities, and the number of labels that differ.
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
