"""Open the checkpoint of an ablation, and find the labelled pairs to evaluate it on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmsent_cli.compute.device import Resources
from mmsent_cli.config import ResolvedModel, RuntimeConfig, SplitConfig, TrainConfig, to_dict
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.columns import with_own_columns
from mmsent_cli.data.layouts import Source, labelled_rows, locate
from mmsent_cli.data.pairs import Pair
from mmsent_cli.data.seen import NEW
from mmsent_cli.data.split import Split, digest_of
from mmsent_cli.ensemble import NETWORK, Ensemble, find_probe
from mmsent_cli.errors import CheckpointError
from mmsent_cli.experiments.ablation.ensemble import encode_ensemble, encode_folds
from mmsent_cli.experiments.ablation.perturb import Encoding, Subject
from mmsent_cli.fusion import find_fusion
from mmsent_cli.progress import Progress, silent
from mmsent_cli.run_folders import Run, own_config, unfinished_note
from mmsent_cli.training.checkpoints import Description, load_ensemble, read_checkpoint
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.run_folder import splits_of
from mmsent_cli.training.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AblationTarget:
    """A trained model and its pairs.

    Attributes:
        checkpoint: the checkpoint file.
        epoch: the epoch of the checkpoint, counted from 1.
        ensemble: the ensemble in the checkpoint. A single model is an ensemble of one model.
        description: the metadata of the checkpoint.
        plan: the pairs. The training pairs are used for mean features and for retrained models.
        source: a description of the evaluated pairs, in words.
        notes: notes for the report.
    """

    checkpoint: Path
    epoch: int
    ensemble: Ensemble
    description: Description
    plan: Plan
    source: str
    notes: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the ensemble's members; empty for a single model."""
        probes = (probe.name for probe in self.ensemble.probes)
        return () if self.ensemble.stacker is None else (NETWORK, *probes)

    @property
    def reads_tokens(self) -> bool:
        """True if the fusion reads the features of single tokens, as an attention does."""
        return find_fusion(self.description.model.fusion).reads == "tokens"

    def subjects(self, workspace: Workspace) -> list[tuple[Subject, np.ndarray]]:
        """Encode the evaluated pairs.

        Returns:
            The parts of the evaluation. Each part is a model with its encoded pairs, and the row numbers of these
            pairs. If an ensemble is evaluated on its own training pairs, there is one part per fold, whose model was
            not trained on this fold.
        """
        ensemble, val = self.ensemble, np.array(workspace.val)
        table = workspace.table(ensemble.model, replace(self.plan.config.fit, augmentation="none"))
        encoding = Encoding(table, self.plan.compute, self.reads_tokens)
        if self.plan.folds:
            return [*encode_folds(ensemble, workspace, encoding)]
        if ensemble.stacker is not None:
            return [(encode_ensemble(ensemble, ensemble.stacker, workspace, encoding), val)]
        return [(encoding.of(ensemble.model, workspace.val, workspace.train), val)]


def examine(
    checkpoint: Path,
    data: Mapping[str, Any] | None,
    split: str | None,
    runtime: RuntimeConfig,
    progress: Progress = silent,
    pairs: Source | None = None,
) -> AblationTarget:
    """Open a checkpoint, and find the pairs to evaluate it on.

    Args:
        checkpoint: the checkpoint file.
        data: settings of other labelled pairs; None uses the validation pairs of the checkpoint's run, or for an
            ensemble all its pairs. Column names that are not given are taken from the training pairs.
        split: a split file for `data`, to use only its validation pairs; None uses all pairs of `data`.
        runtime: device, precision, weights, cache.
        progress: receives the number of checked pairs.
        pairs: pairs in memory, used instead of `data`.

    Raises:
        CheckpointError: the checkpoint cannot be read, is untrained or unimodal, or needs `data`.
        MmsentError: the data cannot be used.
    """
    epoch = read_checkpoint(checkpoint)["epoch"]
    if not isinstance(epoch, int) or epoch < 1:
        raise CheckpointError(
            f"{checkpoint} is an untrained model (epoch {epoch}), so there is nothing to ablate", "train a model first"
        )
    resources = Resources.open(runtime)
    ensemble, description = load_ensemble(checkpoint, resources.weights)
    fusion = description.model.fusion
    read = {each for probe in ensemble.probes for each in find_probe(probe.name).modalities}
    if len({*find_fusion(fusion).modalities, *read}) < 2:
        raise CheckpointError(
            f"{checkpoint} is {'an' if fusion[0] in 'aeiou' else 'a'} {fusion} model:"
            " it has no second modality to remove",
            "ablate a model that reads text and image",
        )
    begun = tuple(filter(None, [unfinished_note(checkpoint)]))
    if data is None:
        plan, source, notes = _own_pairs(checkpoint, description, runtime, resources, progress)
        notes = (*begun, *notes)
        return AblationTarget(checkpoint, epoch, ensemble, description, plan, source, notes)
    own = own_config(checkpoint) or TrainConfig()
    where = pairs or locate(data["data"])
    named = with_own_columns(data, description.reading, lambda config: labelled_rows(where, config))
    config = TrainConfig(
        data=replace(named, labels=description.labels),
        split=SplitConfig(split=split),
        model=_single(description.model),
        fit=own.fit,
        runtime=runtime,
    )
    if split is not None:
        plan = plan_run(config, progress, source=pairs, resources=resources)
        return AblationTarget(checkpoint, epoch, ensemble, description, plan, f"validation pairs of {split}", begun)
    plan = plan_run(config, progress, [_every_pair(config, resources.cache, where, progress)], pairs, resources)
    source = f"every labelled pair of {plan.dataset.source}"
    notes = (*begun, *_used_pairs(description, plan.dataset.pairs))
    return AblationTarget(checkpoint, epoch, ensemble, description, plan, source, notes)


def _used_pairs(description: Description, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return a note on evaluated pairs that the training used, or may have used; empty if there are none."""
    if description.seen is None:
        return ("if the model was trained on some of these pairs, its scores here are too high",)
    used = int((description.seen.relation(pairs) != NEW).sum())
    shared = "were used in training, or share text or image with a training pair"
    return (f"{used:,} of {len(pairs):,} pairs {shared}. The scores here are too high",) if used else ()


def _own_pairs(
    checkpoint: Path, description: Description, runtime: RuntimeConfig, resources: Resources, progress: Progress
) -> tuple[Plan, str, tuple[str, ...]]:
    """Return the pairs of the checkpoint's run, their description, and a note if the run has been renamed."""
    run, config = Run(checkpoint.parent), own_config(checkpoint)
    splits = [] if config is None else splits_of(run, config.split.folds)
    if not splits or config is None or to_dict(config.model) != to_dict(description.model):
        raise CheckpointError(
            f"{checkpoint} is not in its run folder, so the pairs of its run are unknown",
            "set --data to a folder or table of labelled pairs; --split can name a split file",
        )
    moved = f"the checkpoint was trained as {description.run}; the pairs are those of {run.name}"
    plan = plan_run(replace(config, runtime=runtime), progress, splits, resources=resources)
    source = f"all pairs of {run.name}, out of fold" if plan.folds else f"validation pairs of {run.name}"
    return plan, source, () if description.run == run.name else (moved,)


def _single(model: ResolvedModel) -> ResolvedModel:
    """Return the same settings without those for an ensemble, since a plan without folds accepts only a single model.

    The result is used if the evaluated pairs are not the pairs of the run. The saved ensemble itself is not changed.
    """
    return replace(model, probes=(), logit_adjustment=0.0, models_per_fold=1)


def _every_pair(config: TrainConfig, cache: Path, pairs: Source, progress: Progress) -> Split:
    """Make a split in which each labelled pair is a training pair and a validation pair."""
    dataset = load_labelled(config.data, cache, progress, pairs)
    guids = tuple(pair.guid for pair in dataset.pairs)
    return Split(guids, guids, "every labelled pair", 0, 0.0, digest_of(guids, guids))
