"""Export a model: write a hidden folder, compare its predictions with those of mmsent, and rename it."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmsent_cli.data.pairs import Pair
from mmsent_cli.inference.export.card import model_card, read_result
from mmsent_cli.inference.export.folder import CARD, Format, replace_folder, run_script, write_folder
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.progress import Progress, Stage, silent
from mmsent_cli.results import ExportResult

STEPS = 3


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
    start = time.perf_counter()
    hidden = out.parent / f".{out.name}.part"
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir(parents=True)
        progress(Stage("exporting", 0, STEPS, "step"))
        write_folder(predictor, hidden, kind)
        progress(Stage("exporting", 1, STEPS, "step"))
        largest, changed = compare(predictor, hidden, pairs)
        progress(Stage("exporting", 2, STEPS, "step"))
        result = ExportResult(
            checkpoint=str(checkpoint),
            out=str(out),
            format=kind,
            files={},
            checked_pairs=len(pairs),
            largest_difference=largest,
            changed_labels=changed,
            seconds=time.perf_counter() - start,
        )
        card = model_card(predictor, result, read_result(checkpoint))
        (hidden / CARD).write_text(card, encoding="utf-8")
        sizes = {path.name: path.stat().st_size for path in sorted(hidden.iterdir()) if path.is_file()}
        replace_folder(hidden, out, force)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    progress(Stage("exporting", STEPS, STEPS, "step"))
    return replace(result, files=sizes)


def compare(predictor: Predictor, folder: Path, pairs: Sequence[Pair]) -> tuple[float, int]:
    """Compare the predictions of mmsent and of the exported script.

    Returns:
        The largest difference between two probabilities, and the number of labels that differ.
    """
    if not pairs:
        return 0.0, 0
    both = list(zip(predictor.predict(pairs), run_script(folder, pairs), strict=True))
    differences = [abs(ours.probabilities[label] - theirs[label]) for ours, theirs in both for label in theirs]
    changed = [ours.label != max(theirs, key=lambda label: theirs[label]) for ours, theirs in both]
    return max(differences), sum(changed)
