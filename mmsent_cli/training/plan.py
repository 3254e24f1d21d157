"""What a run is about to do: configuration without gaps, every pair checked, the split; nothing computed yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mmsent_cli.compute.device import Compute, choose_compute
from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, TrainConfig
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.pairs import Dataset
from mmsent_cli.data.split import Split, make_folds, make_split, read_split, require_all_in_folds
from mmsent_cli.encoders.registry import is_from_scratch, resolve
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.fusion import fill_defaults
from mmsent_cli.results import EpochResult


class Listener(Protocol):
    """Who watches a run; the command line draws what it hears."""

    def prepare(self, stage: str, done: int, total: int | None) -> None: ...
    def step(self, epoch: int, done: int, total: int) -> None: ...
    def epoch(self, result: EpochResult) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can start.

    Attributes:
        asked: the configuration as the user gave it, with gaps.
        config: the same without gaps.
        folds: all folds, of which `split` is the first; empty in a training with one validation side.
    """

    asked: TrainConfig
    config: TrainConfig
    compute: Compute
    weights: WeightSource
    store: Path
    dataset: Dataset
    split: Split
    notes: tuple[str, ...]
    folds: tuple[Split, ...] = ()

    def asking(self, asked: TrainConfig) -> "Plan":
        """A plan for other model and training settings on the same pairs and split."""
        pairs = len(self.dataset.pairs)
        model, fit, _ = fill_gaps(asked.model, asked.fit, self.compute, self.weights, pairs)
        return replace(self, asked=asked, config=replace(self.config, model=model, fit=fit))

    def variant(self, fusion: str | None = None, **fit: object) -> TrainConfig:
        """This run's configuration with another fusion (which may bring its own head) and other training settings."""
        asked = replace(self.asked.model, encoders=self.config.model.encoders)
        asked = replace(asked, fusion=fusion or asked.fusion)
        model, _, _ = fill_gaps(asked, self.asked.fit, self.compute, self.weights)
        return replace(self.config, model=model, fit=replace(self.config.fit, **fit))


def plan_run(config: TrainConfig, listener: Listener, splits: Sequence[Split] = ()) -> Plan:
    """Resolve the configuration, read and check every pair, and divide them.

    Args:
        config: as the user gave it.
        listener: hears how far the checks are.
        splits: the split made earlier, or its folds, for a resumed run.

    Raises:
        MmsentError: anything that would keep the run from finishing, as far as it can be known now.
    """
    compute, device_note = choose_compute(config.runtime)
    weights = WeightSource.of(config.runtime.weights_dir, config.runtime.offline, config.runtime.cache_dir)
    model, fit, encoder_note = fill_gaps(config.model, config.fit, compute, weights)
    resolved = replace(config, model=model, fit=fit)
    _require_folds(resolved)
    cache = default_cache_dir(config.runtime.cache_dir)
    dataset = load_labelled(config.data, cache, lambda done, total: listener.prepare("checking pairs", done, total))
    # Once more, since the batch size may go by the number of pairs, and a wrong option should not wait for the check.
    _, fit, _ = fill_gaps(model, config.fit, compute, weights, len(dataset.pairs))
    splits = splits or _divide(dataset, config)
    if config.split.folds:
        require_all_in_folds(splits, dataset.pairs)
        fit = replace(fit, patience=0)  # stopping early would choose an epoch by the pairs that judge
    notes = (device_note, encoder_note, *dataset.notes)
    data: DataConfig = replace(config.data, labels=dataset.labels)
    return Plan(
        asked=config,
        config=replace(resolved, fit=fit, data=data),
        compute=compute,
        weights=weights,
        store=cache / "features",
        dataset=dataset,
        split=splits[0],
        notes=tuple(note for note in notes if note),
        folds=tuple(splits) if config.split.folds else (),
    )


def fill_gaps(
    model: ModelConfig, fit: FitConfig, compute: Compute, weights: WeightSource, pairs: int = 0
) -> tuple[ModelConfig, FitConfig, str]:
    """Fill every gap: with what belongs to the fusion, then with what belongs to the encoders and so many pairs."""
    return resolve(fill_defaults(model), fit, compute.device_type, weights, pairs)


def _divide(dataset: Dataset, config: TrainConfig) -> Sequence[Split]:
    """The split or the folds that the configuration asks for: from a file, or made now."""
    if config.split.folds is not None:
        return make_folds(dataset.pairs, dataset.labels, config.split.folds, config.split.split_seed)
    if config.split.split is not None:
        return [read_split(Path(config.split.split), config.split.fold)]
    return [make_split(dataset.pairs, dataset.labels, config.split)]


def _require_folds(config: TrainConfig) -> None:
    """Check what goes with folds and what does not, before any pair is read.

    Raises:
        ConfigError: probes or an adjustment without folds, or folds of encoders that start from scratch.
    """
    if config.split.folds is None:
        if config.model.probes or config.model.logit_adjustment or config.model.networks > 1:
            raise ConfigError(
                "several networks, probes and logit adjustment join on what is said out of fold",
                "add --folds 5, or leave them out",
            )
    elif config.runtime.save_all:
        raise ConfigError(
            "an ensemble keeps no frozen weights, so --save-all cannot be had with --folds", "leave one of them out"
        )
    elif is_from_scratch(config.model):
        raise ConfigError(
            "folds need encoders that come with trained weights: light takes its words from each training side",
            "choose --encoders compact, or leave --folds out",
        )
