"""`ablate --retrain`: models that are trained on one modality, with the settings of the ablated model.

For an ensemble, they are ensembles over the same folds: models of one modality, the probes that read this modality, and
a stacker. Their predictions are out of fold, as those of the ablated ensemble.
"""

from dataclasses import replace

import numpy as np

from mmsent_cli.ensemble import find_probe
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.ablation.removal import Predictions
from mmsent_cli.experiments.ablation.target import AblationTarget
from mmsent_cli.experiments.arms import arms_of
from mmsent_cli.experiments.experiment import Experiment
from mmsent_cli.run_folders import ARMS, Run
from mmsent_cli.training.fold_models import train_ensemble
from mmsent_cli.training.workspace import Workspace

UNIMODAL = {"text": "text-only", "image": "image-only"}


def require_training_pairs(target: AblationTarget) -> None:
    """Check that there are training pairs apart from the evaluated ones.

    Raises:
        ConfigError: there are none.
    """
    plan = target.plan
    if target.members and not plan.folds:
        raise ConfigError(
            "--retrain cannot be combined with --data for an ensemble: it trains on the ensemble's own folds",
            "leave out --data",
        )
    if not plan.folds and not set(plan.split.train).isdisjoint(plan.split.val):
        raise ConfigError(
            "--retrain needs training pairs besides the evaluated pairs, but there are none",
            "give a split file with training and validation pairs: --split FILE",
        )


def retrain(experiment: Experiment, most_frequent: int) -> Predictions:
    """Train unimodal models, and predict the evaluated pairs.

    Args:
        experiment: the pairs, and the run that keeps the trained models.
        most_frequent: number of the most frequent class, which is predicted without either modality.
    """
    plan = experiment.plan
    nothing = np.full_like(experiment.true, most_frequent)
    if plan.folds:
        text, image = (_ensemble_predicts(experiment, side) for side in UNIMODAL)
        return Predictions(text, image, nothing)
    seeds = [plan.config.fit.seed]
    arms = [arm for name in UNIMODAL.values() for arm in arms_of(name, plan.variant(name), seeds)]
    text, image = (trained.best_predicted for trained in experiment.train(arms))
    return Predictions(text, image, nothing)


def _ensemble_predicts(experiment: Experiment, side: str) -> np.ndarray:
    """Train an ensemble on one modality, and return the class numbers [N] that it predicts out of fold."""
    plan, name = experiment.plan, UNIMODAL[side]
    config = plan.variant(name)
    probes = tuple(probe for probe in config.model.probes if find_probe(probe).modalities == (side,))
    config = replace(config, model=replace(config.model, probes=probes))
    workspace = Workspace(replace(plan, config=config), experiment.progress)
    run = Run(experiment.run.path(ARMS) / name)
    return train_ensemble(workspace, run, name).stacked.joined.argmax(axis=1)
