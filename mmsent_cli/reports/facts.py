"""Describe the set-up of a run as rows of a name and a value, in the same words for every kind of run."""

import re

from mmsent_cli.reports.format import counted, duration, listed, parameters, percent
from mmsent_cli.results import AblateResult, FoldsResult, SharedSetup, TrainResult

Facts = tuple[tuple[str, str], ...]

DIGEST_END = re.compile(r"(?<=digest \w{6})\w+")
"""The end of a digest, which a page leaves out. `result.json` has the whole digest."""


def training_facts(result: TrainResult | FoldsResult, seconds: float) -> Facts:
    """Return rows with data, model, epochs, device and time of a training. Rows without a value are left out."""
    if isinstance(result, FoldsResult):
        data, probes = (
            f"{counted(result.pairs, 'pair')} in {counted(len(result.folds), 'fold')}",
            ", ".join(result.probes),
        )
        epochs, each = str(result.epochs), ", each model"
    else:
        data, probes = _pairs(result.train_pairs, result.val_pairs), ""
        epochs, each = f"{result.epochs}, best {result.best_epoch}", ""
    problems = f"{counted(result.problems, 'pair')} with an unusable text or image, listed in the run"
    rows = (
        ("Run", result.run),
        ("Data", f"{data}, texts in {result.encoding}"),
        ("Problems", problems if result.problems else ""),
        ("Classes", ", ".join(result.labels)),
        ("Encoders", result.encoders),
        ("Fusion", result.fusion),
        ("Probes", probes),
        ("Parameters", parameters(result.trainable_parameters, result.total_parameters) + each),
        ("Epochs", epochs),
        ("Device", f"{result.device}, {result.precision}"),
        ("Time", f"{duration(seconds)}, including {duration(result.prepare_seconds)} of preparation"),
    )
    return tuple((name, value) for name, value in rows if value)


def setup_facts(setup: SharedSetup) -> Facts:
    """Return rows with what all models of an experiment share: data, encoders, epochs, seeds and device."""
    return (
        ("Data", f"{_pairs(setup.train_pairs, setup.val_pairs)}; split {DIGEST_END.sub('', setup.split)}"),
        ("Classes", ", ".join(setup.labels)),
        ("Most frequent class", f"{percent(setup.majority_accuracy)} of the validation pairs"),
        ("Encoders", setup.encoders),
        ("Epochs", f"{setup.epochs} a model, {seeds_text(setup)}"),
        ("Encoder passes", _encoder_passes(setup)),
        ("Device", f"{setup.device}, {setup.precision}"),
    )


def checkpoint_facts(result: AblateResult) -> Facts:
    """Return rows that describe the ablated checkpoint and the evaluated pairs."""
    return (
        ("Checkpoint", result.checkpoint),
        ("Trained by", f"{result.trained_by}, {epoch_text(result)}"),
        ("Encoders", result.encoders),
        ("Fusion", result.fusion),
        *((("Members", ", ".join(result.members)),) if result.members else ()),
        ("Pairs", f"{result.val_pairs:,}, {result.source}"),
        ("Classes", ", ".join(result.labels)),
        ("Most frequent class", f"{percent(result.majority_accuracy)} of the pairs"),
    )


def epoch_text(result: AblateResult) -> str:
    """Return `epoch 3` for a single model, `3 epochs` for an ensemble."""
    return counted(result.epoch, "epoch") if result.members else f"epoch {result.epoch}"


def seeds_text(setup: SharedSetup) -> str:
    """Return `seeds 0, 1 and 2`, or `seed 0`."""
    return f"seed{'s' if len(setup.seeds) > 1 else ''} {listed([str(seed) for seed in setup.seeds])}"


def _pairs(train: int, val: int) -> str:
    return f"{train:,} training and {val:,} validation pairs"


def _encoder_passes(setup: SharedSetup) -> str:
    passes = [counted(count, name) for name, count in setup.encoder_runs.items() if count]
    return (
        f"{listed(passes)}; computed once, since the frozen layers of all models are the same"
        if passes
        else "none: all features were already in the cache"
    )
