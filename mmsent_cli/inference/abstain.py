"""The threshold: predictions with a lower probability get no label."""

from pathlib import Path

import numpy as np

from mmsent_cli.errors import ConfigError
from mmsent_cli.inference.settings import PredictSettings
from mmsent_cli.run_folders import Run
from mmsent_cli.stats import threshold_for_accuracy
from mmsent_cli.training.folds import OUT_OF_FOLD
from mmsent_cli.training.predictions import VAL_PREDICTIONS, read_predictions


def find_threshold(settings: PredictSettings, checkpoint: Path) -> tuple[float, str]:
    """Return the threshold that the settings ask for, and a note on how it was found. With 0, all pairs get a label.

    Raises:
        ConfigError: there are no predictions to compute the threshold from, or no threshold reaches the accuracy.
    """
    if settings.abstain_for_accuracy is None:
        return settings.abstain_below or 0.0, ""
    run, wanted = Run(checkpoint.parent), settings.abstain_for_accuracy
    names = [name for name in (OUT_OF_FOLD, VAL_PREDICTIONS) if run.path(name).is_file()]
    if not names:
        raise ConfigError(
            f"{checkpoint} is not in its run folder, so there are no predictions to compute a threshold from",
            "give the threshold with --abstain-below P",
        )
    rows = read_predictions(run, names[0])
    confidence = np.array([max(row.probabilities) for row in rows])
    is_right = np.array([row.tag == row.predicted for row in rows])
    threshold = threshold_for_accuracy(confidence, is_right, wanted)
    if threshold is None:
        raise ConfigError(
            f"no threshold reaches an accuracy of {wanted:g} on the predictions in {run.name}",
            "ask for a lower accuracy",
        )
    kept = confidence >= threshold
    is_chosen = names[0] != OUT_OF_FOLD
    chosen = ". The epoch was chosen on these pairs, so new pairs may have a lower accuracy" if is_chosen else ""
    return threshold, (
        f"labels below a probability of {threshold:.3f} are left empty. In {names[0]}, {kept.sum():,} of {len(kept):,} "
        f"pairs are not below it, and {100 * is_right[kept].mean():.1f} % of their labels are right{chosen}"
    )
