"""Open the checkpoint of an ablation, and find the labelled pairs to evaluate it on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from mmsent_cli.compute.resources import Resources
from mmsent_cli.config import RuntimeConfig, SplitConfig, TrainConfig, read_train_config, to_dict
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.own_columns import with_own_columns
from mmsent_cli.data.source_rows import labelled_rows
from mmsent_cli.data.split import Split, digest_of
from mmsent_cli.errors import CheckpointError
from mmsent_cli.experiments.ablation.perturb import EncodedModel, mean_features
from mmsent_cli.fusion import find_fusion
from mmsent_cli.model import SentimentModel
from mmsent_cli.progress import Progress, silent
from mmsent_cli.run_folders import CONFIG, Run
from mmsent_cli.training.checkpoints import Description, load_model, read_checkpoint
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.run_folder import SPLIT, splits_of
from mmsent_cli.training.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AblationTarget:
    """A trained model and its pairs.

    Attributes:
        checkpoint: the checkpoint file.
        epoch: the epoch of the checkpoint, counted from 1.
        model, description: the content of the checkpoint.
        plan: the pairs. The training pairs are used for mean features and for retrained models.
        source: a description of the pairs.
        notes: notes for the report.
    """

    checkpoint: Path
    epoch: int
    model: SentimentModel
    description: Description
    plan: Plan
    source: str
    notes: tuple[str, ...] = ()

    def subject(self, workspace: Workspace) -> tuple[EncodedModel, dict[str, Tensor]]:
        """Encode the pairs. Returns model and validation pairs, and the mean features [D] of the training pairs."""
        table = workspace.table(self.model, replace(self.plan.config.fit, augmentation="none"))
        compute = self.plan.compute
        means = mean_features(self.model, table, workspace.train, compute)
        keeps_tokens = find_fusion(self.description.model.fusion).reads == "tokens"
        return EncodedModel(self.model, table, workspace.val, compute, keeps_tokens), means


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
        data: settings of other labelled pairs; None uses the validation pairs of the checkpoint's run. Their columns
            are those of the training pairs unless others are named.
        split: a split file for `data`, to use only its validation pairs; None uses all pairs of `data`.
        runtime: device, precision, weights, cache.
        progress: receives the number of checked pairs.
        pairs: pairs in memory, used instead of `data`.

    Raises:
        CheckpointError: the checkpoint is unreadable, untrained or unimodal, or `data` is needed and not given.
        MmsentError: the data cannot be used.
    """
    epoch = read_checkpoint(checkpoint)["epoch"]
    if not isinstance(epoch, int) or epoch < 1:
        raise CheckpointError(
            f"{checkpoint} is an untrained model (epoch {epoch}), so there is nothing to ablate", "train a model first"
        )
    resources = Resources.open(runtime)
    model, description = load_model(checkpoint, resources.weights)
    fusion = description.model.fusion
    if find_fusion(fusion).is_reference:
        raise CheckpointError(
            f"{checkpoint} is {'an' if fusion[0] in 'aeiou' else 'a'} {fusion} model:"
            " it has no second modality to remove",
            "ablate a model that reads text and image",
        )
    if data is None:
        plan, source, notes = _own_pairs(checkpoint, description, runtime, resources, progress)
        return AblationTarget(checkpoint, epoch, model, description, plan, source, notes)
    own = own_config(checkpoint) or TrainConfig()
    where = pairs or locate(data["data"])
    named = with_own_columns(data, description.columns, lambda config: labelled_rows(where, config))
    config = TrainConfig(
        data=replace(named, labels=description.labels),
        split=SplitConfig(split=split),
        model=description.model,
        fit=own.fit,
        runtime=runtime,
    )
    if split is not None:
        plan = plan_run(config, progress, source=pairs, resources=resources)
        return AblationTarget(checkpoint, epoch, model, description, plan, f"validation pairs of {split}")
    plan = plan_run(config, progress, [_every_pair(config, resources.cache, where, progress)], pairs, resources)
    source = f"every labelled pair of {plan.dataset.source}"
    notes = ("if the model was trained on some of these pairs, its scores here are too high",)
    return AblationTarget(checkpoint, epoch, model, description, plan, source, notes)


def own_config(checkpoint: Path) -> TrainConfig | None:
    """Return the configuration of the checkpoint's run, or None if the checkpoint is not in a run folder."""
    run = Run(checkpoint.parent)
    is_there = all(run.path(name).is_file() for name in (CONFIG, SPLIT))
    return read_train_config(run.folder) if is_there else None


def _own_pairs(
    checkpoint: Path, description: Description, runtime: RuntimeConfig, resources: Resources, progress: Progress
) -> tuple[Plan, str, tuple[str, ...]]:
    """Return the pairs of the checkpoint's run, their description, and a note if the run was renamed."""
    run = Run(checkpoint.parent)
    splits, config = splits_of(run), own_config(checkpoint)
    if not splits or config is None or to_dict(config.model) != to_dict(description.model):
        raise CheckpointError(
            f"{checkpoint} is not in its run folder, so the pairs of its run are unknown",
            "give the pairs with --data FOLDER, and optionally a split file with --split",
        )
    moved = f"the checkpoint was trained as {description.run}; the pairs are those of {run.name}"
    plan = plan_run(replace(config, runtime=runtime), progress, splits, resources=resources)
    return plan, f"validation pairs of {run.name}", () if description.run == run.name else (moved,)


def _every_pair(config: TrainConfig, cache: Path, pairs: Source, progress: Progress) -> Split:
    """Make a split with all labelled pairs as training and as validation pairs."""
    dataset = load_labelled(config.data, cache, progress, pairs)
    guids = tuple(pair.guid for pair in dataset.pairs)
    return Split(guids, guids, "every labelled pair", 0, 0.0, digest_of(guids, guids))
