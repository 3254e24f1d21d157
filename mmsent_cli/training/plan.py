"""Plan a run: resolve the configuration, read and check all pairs, and make the split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmsent_cli.compute import processes
from mmsent_cli.compute.device import Compute, Resources
from mmsent_cli.config import (
    Facts,
    ModelConfig,
    ResolvedConfig,
    ResolvedModel,
    SplitConfig,
    TrainConfig,
    resolve,
    resolve_fit,
    resolve_model,
)
from mmsent_cli.data.check import load_labelled
from mmsent_cli.data.findings import findings_note
from mmsent_cli.data.language import coverage_note, measure
from mmsent_cli.data.layouts import Source, locate
from mmsent_cli.data.pairs import MODALITIES, Dataset
from mmsent_cli.data.split import Split, make_folds, make_split, read_split, require_all_in_folds
from mmsent_cli.data.text import says_nothing
from mmsent_cli.encoders.registry import choose, is_from_scratch, require_encoders
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import ConfigError, counted, summarize
from mmsent_cli.fusion import find_fusion, require_fusion
from mmsent_cli.progress import Progress, silent
from mmsent_cli.training.chosen_probes import choose_probes


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that is ready to start.

    Attributes:
        given: the configuration as the user gave it. Settings that were not given are None.
        config: the resolved configuration.
        facts: facts that the defaults depend on.
        folds: all folds (`split` is the first); empty without cross-validation.
        probe_notes: the notes on optional probes, which are also in `notes`.
    """

    given: TrainConfig
    config: ResolvedConfig
    facts: Facts
    compute: Compute
    weights: WeightSource
    store: Path
    dataset: Dataset
    split: Split
    notes: tuple[str, ...]
    folds: tuple[Split, ...] = ()
    probe_notes: tuple[str, ...] = ()

    def with_given(self, given: TrainConfig) -> "Plan":
        """Return a plan with other model and training settings, for the same pairs and split."""
        model, fit = resolve(given.model, given.fit, self.facts)
        return replace(self, given=given, config=replace(self.config, model=model, fit=fit))

    def variant(self, fusion: str | None = None, **fit: object) -> ResolvedConfig:
        """Return the configuration with another fusion, the defaults of this fusion, and other training settings."""
        model = resolve_checked(replace(self.given.model, fusion=fusion or self.given.model.fusion), self.facts)
        return replace(self.config, model=model, fit=replace(self.config.fit, **fit))


def plan_run(
    config: TrainConfig,
    progress: Progress = silent,
    splits: Sequence[Split] = (),
    source: Source | None = None,
    resources: Resources | None = None,
) -> Plan:
    """Resolve the configuration, read and check every pair, and split them.

    Args:
        config: the configuration as the user gave it.
        progress: receives the number of checked pairs.
        splits: the recorded split or folds, for a resumed run.
        source: pairs in memory; None reads the pairs of `config.data`.
        resources: device, weights and cache, if they are already open.

    Raises:
        MmsentError: settings, data, weights or device cannot be used.
    """
    resources = resources or Resources.open(config.runtime)
    facts, encoder_note = gather_facts(config, resources)
    model = resolve_checked(config.model, facts)
    require_foldable(config, model)
    model, probe_notes = choose_probes(model, resources.weights, progress)
    source = source or locate(config.data.data)
    config = _from_anywhere(config, source, resources.weights)
    config = replace(config, model=replace(config.model, probes=model.probes, optional_probes=model.optional_probes))
    splits = splits or split_of_file(config.split)
    dataset = load_labelled(config.data, resources.cache, progress, source, needed_modalities(model))
    facts = replace(facts, pairs=len(dataset.pairs))
    splits = splits or divide(dataset, config)
    if facts.has_folds:
        require_all_in_folds(splits, dataset.pairs)
    return Plan(
        given=config,
        config=ResolvedConfig(
            data=replace(config.data, labels=dataset.labels),
            split=config.split,
            model=model,
            fit=resolve_fit(config.fit, model, facts),
            runtime=config.runtime,
        ),
        facts=facts,
        compute=resources.compute,
        weights=resources.weights,
        store=resources.cache / "features",
        dataset=dataset,
        split=splits[0],
        notes=tuple(
            filter(
                None,
                (
                    resources.note,
                    encoder_note,
                    *probe_notes,
                    *dataset.notes,
                    findings_note(dataset.pairs),
                    *_text_notes(dataset, model),
                ),
            )
        ),
        folds=tuple(splits) if facts.has_folds else (),
        probe_notes=probe_notes,
    )


def gather_facts(config: TrainConfig, resources: Resources) -> tuple[Facts, str]:
    """Return the facts that defaults depend on, and a note on the encoders that `auto` has chosen.

    The facts do not contain the number of pairs yet. Without `auto`, the note is empty.
    """
    name, note = config.model.encoders, ""
    if name == "auto":
        name, note = choose(resources.compute.device_type, resources.weights)
    return Facts(device_type=resources.compute.device_type, auto=name, has_folds=config.split.folds is not None), note


def resolve_checked(model: ModelConfig, facts: Facts) -> ResolvedModel:
    """Resolve the settings of the model, and check the names of encoders and fusion.

    Raises:
        ConfigError: a name is unknown, or settings are incompatible.
    """
    resolved = resolve_model(model, facts)
    require_encoders(resolved)
    require_fusion(resolved)
    return resolved


def needed_modalities(model: ResolvedModel) -> tuple[str, ...]:
    """Return the modalities that each pair must have: both, or one for a unimodal reference."""
    return (model.fusion.removesuffix("-only"),) if find_fusion(model.fusion).is_reference else MODALITIES


def _text_notes(dataset: Dataset, model: ResolvedModel) -> list[str]:
    """Return notes on texts that are empty after cleaning, or that the text encoder cannot read."""
    steps = model.text_cleaning
    if "text" not in needed_modalities(model):
        return []
    empty = [pair.guid for pair in dataset.pairs if pair.text is not None and says_nothing(pair.text, steps)]
    only = f"{counted(len(empty), 'text')} without words, such as links alone (guids: {summarize(empty, 'guids')})"
    coverage = measure((pair.text for pair in dataset.pairs if pair.text is not None), steps)
    return [only] * bool(empty) + [note for note in [coverage_note(coverage, model.text_encoder)] if note]


def _from_anywhere(config: TrainConfig, source: Source, weights: WeightSource) -> TrainConfig:
    """Return the configuration with absolute paths, so that a run can be resumed and repeated from another folder.

    The folder of weights is recorded even if an environment variable named it.
    """
    split, runtime = config.split, config.runtime
    weights_dir = None if weights.folder is None else str(weights.folder)
    return replace(
        config,
        data=replace(config.data, data=source.place),
        split=replace(split, split=_absolute(split.split)),
        runtime=replace(runtime, weights_dir=_absolute(weights_dir), cache_dir=_absolute(runtime.cache_dir)),
    )


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).absolute())


def split_of_file(config: SplitConfig) -> Sequence[Split]:
    """Read the split, or one fold, from the file of `--split`. Without such a file, the result is empty."""
    return [] if config.split is None else [read_split(Path(config.split), config.fold)]


def divide(dataset: Dataset, config: TrainConfig) -> Sequence[Split]:
    """Divide the pairs into the folds, or into a split."""
    if config.split.folds is not None:
        return make_folds(dataset.pairs, dataset.labels, config.split.folds, config.split.split_seed)
    return [make_split(dataset.pairs, dataset.labels, config.split)]


def require_several_models(config: TrainConfig, jobs: int) -> None:
    """Check that `--jobs` is only used with several models.

    Raises:
        ConfigError: the user asked for several models at a time, but there is only one model.
    """
    if jobs > 1 and config.split.folds is None:
        raise ConfigError(
            f"--jobs {jobs} needs --folds: without --folds, only one model is trained",
            "add --folds 5, or leave --jobs out",
        )


def require_foldable(config: TrainConfig, model: ResolvedModel) -> None:
    """Check that the settings fit `--folds` if it is given, and need no `--folds` if it is not given. No pair is read.

    Raises:
        ConfigError: a setting needs `--folds`, or does not work with it.
    """
    if config.split.folds is None:
        needing = {
            "--models-per-fold": model.models_per_fold > 1,
            "--probes": model.probes,
            "--optional-probes": model.optional_probes,
            "--logit-adjustment": model.logit_adjustment,
        }
        if used := [option for option, value in needing.items() if value]:
            raise ConfigError(
                f"{', '.join(used)} cannot be used without --folds, which give the ensemble its training data",
                f"add --folds 5, or leave out {', '.join(used)}",
            )
    elif processes.count() > 1:
        raise ConfigError(
            "--folds cannot be used with several processes for one model",
            "run it without accelerate launch or torchrun",
        )
    elif config.runtime.auto_batch:
        raise ConfigError("--auto-batch does not work with --folds", "give --batch-size and --accumulation-steps")
    elif config.runtime.save_all:
        raise ConfigError(
            "--save-all does not work with --folds: the checkpoint of an ensemble cannot contain frozen weights",
            "leave out one of the two options",
        )
    elif is_from_scratch(model):
        raise ConfigError(
            "--folds needs pretrained encoders; the vocabulary of --encoders light depends on the training pairs",
            "choose --encoders compact, or leave --folds out",
        )
