"""The checkpoint of an ablation, with the labelled pairs that it is evaluated on."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from mmsent_cli.config import DataConfig, RuntimeConfig, SplitConfig, TrainConfig, read_train_config, to_dict
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.layouts import Source
from mmsent_cli.data.split import Split, digest_of
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import CheckpointError
from mmsent_cli.experiments.ablation.perturb import EncodedModel, mean_features
from mmsent_cli.files import default_cache_dir
from mmsent_cli.fusion import find_fusion
from mmsent_cli.model import SentimentModel
from mmsent_cli.progress import Progress, silent
from mmsent_cli.records import CONFIG, Run
from mmsent_cli.training.checkpoints import Description, load_model, read_checkpoint
from mmsent_cli.training.plan import Plan, plan_run
from mmsent_cli.training.run import SPLIT, splits_of
from mmsent_cli.training.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AblationTarget:
    """A trained model and its pairs.

    Attributes:
        checkpoint: the file.
        epoch: of the training run, counted from 1.
        model, description: what the file holds.
        plan: the pairs; the training pairs serve for the mean features and the unimodal models.
        source: describes the pairs.
        notes: for the reader of the scores.
    """

    checkpoint: Path
    epoch: int
    model: SentimentModel
    description: Description
    plan: Plan
    source: str
    notes: tuple[str, ...] = ()

    def subject(self, workspace: Workspace) -> tuple[EncodedModel, dict[str, Tensor]]:
        """The model with the encoded validation pairs, and the mean features [D] of the training pairs."""
        table = workspace.table(self.model, replace(self.plan.config.fit, augmentation="none"))
        compute = self.plan.compute
        means = mean_features(self.model, table, workspace.train, compute)
        keeps_tokens = find_fusion(self.description.model.fusion).reads == "tokens"
        return EncodedModel(self.model, table, workspace.val, compute, keeps_tokens), means


def examine(
    checkpoint: Path,
    data: DataConfig | None,
    split: str | None,
    runtime: RuntimeConfig,
    progress: Progress = silent,
    pairs: Source | None = None,
) -> AblationTarget:
    """Open a checkpoint and find its pairs: those its own run validated on, or others.

    Args:
        checkpoint: the file.
        data: other labelled pairs, or None for those of the checkpoint's run.
        split: a split file for `data`: its validation pairs are used; None: every labelled pair of `data`.
        runtime: device, precision, weights, cache.
        progress: receives how many pairs are checked.
        pairs: pairs in memory, instead of those that `data` names.

    Raises:
        CheckpointError: unreadable, not trained, unimodal, or outside its run's folder and without `data`.
        MmsentError: data that cannot be used.
    """
    epoch = read_checkpoint(checkpoint)["epoch"]
    if not isinstance(epoch, int) or epoch < 1:
        raise CheckpointError(
            f"{checkpoint} is an untrained model (epoch {epoch}), so there is nothing to ablate", "train a model first"
        )
    weights = WeightSource.of(runtime)
    model, description = load_model(checkpoint, weights)
    if find_fusion(description.model.fusion).is_reference:
        raise CheckpointError(
            f"{checkpoint} is a {description.model.fusion} model: it has no second modality to remove",
            "ablate a model that reads text and image",
        )
    if data is None:
        plan, source, notes = _own_pairs(checkpoint, description, runtime, progress)
        return AblationTarget(checkpoint, epoch, model, description, plan, source, notes)
    own = own_config(checkpoint) or TrainConfig()
    config = TrainConfig(
        data=replace(data, labels=description.labels),
        split=SplitConfig(split=split),
        model=description.model,
        fit=own.fit,
        runtime=runtime,
    )
    if split is not None:
        plan = plan_run(config, progress, source=pairs)
        return AblationTarget(checkpoint, epoch, model, description, plan, f"validation pairs of {split}")
    plan = plan_run(config, progress, [_every_pair(config, pairs)], pairs)
    source = f"every labelled pair of {plan.dataset.source}"
    notes = ("if the model was trained on some of these pairs, its scores here are too high",)
    return AblationTarget(checkpoint, epoch, model, description, plan, source, notes)


def own_config(checkpoint: Path) -> TrainConfig | None:
    """The configuration of the run whose folder holds the checkpoint, or None if it is elsewhere."""
    run = Run(checkpoint.parent)
    is_there = all(run.path(name).is_file() for name in (CONFIG, SPLIT))
    return read_train_config(run.folder) if is_there else None


def _own_pairs(
    checkpoint: Path, description: Description, runtime: RuntimeConfig, progress: Progress = silent
) -> tuple[Plan, str, tuple[str, ...]]:
    """The pairs of the run whose folder holds the checkpoint, their description, and a note if the run was renamed."""
    run = Run(checkpoint.parent)
    splits, config = splits_of(run), own_config(checkpoint)
    if not splits or config is None or to_dict(config.model) != to_dict(description.model):
        raise CheckpointError(
            f"{checkpoint} is not in its run folder, so its validation pairs are unknown",
            "give the pairs with --data FOLDER, and optionally a split file with --split",
        )
    moved = f"the checkpoint was trained as {description.run}; the pairs are those of {run.name}"
    plan = plan_run(replace(config, runtime=runtime), progress, splits)
    return plan, f"validation pairs of {run.name}", () if description.run == run.name else (moved,)


def _every_pair(config: TrainConfig, pairs: Source | None) -> Split:
    """All labelled pairs, for training and for validation: the mean features come from the same pairs."""
    dataset = load_labelled(config.data, default_cache_dir(config.runtime.cache_dir), source=pairs)
    guids = tuple(pair.guid for pair in dataset.pairs)
    return Split(guids, guids, "every labelled pair", 0, 0.0, digest_of(guids, guids))
