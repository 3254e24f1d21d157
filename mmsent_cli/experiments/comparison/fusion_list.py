"""The fusions with their sources and sizes, for `compare-fusions --list`."""

from dataclasses import replace

from mmsent_cli.compute.device import choose_compute
from mmsent_cli.config import SENTIMENTS, ResolvedModel, TrainConfig
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.model import SentimentModel, assemble, build_encoders
from mmsent_cli.results import FusionRow
from mmsent_cli.training.plan import gather_facts, resolve_checked


def list_fusions(config: TrainConfig) -> tuple[str, list[FusionRow]]:
    """Each fusion over the encoders of a configuration.

    Returns:
        The encoder pair's name, and a row a fusion, its parameters counted for three classes.

    Raises:
        MmsentError: encoders that cannot be had.
    """
    compute, _ = choose_compute(config.runtime)
    weights = WeightSource.of(config.runtime)
    facts, _ = gather_facts(config, compute, weights)

    def variant(name: str) -> ResolvedModel:
        return resolve_checked(replace(config.model, fusion=name), facts)

    encoders = build_encoders(variant(next(iter(FUSIONS))), weights, vocabulary=())
    rows = [
        FusionRow(
            name=name,
            summary=spec.summary,
            source=spec.source,
            parameters=_parameters(assemble(variant(name), len(SENTIMENTS), *encoders)),
        )
        for name, spec in FUSIONS.items()
    ]
    return variant(rows[0].name).encoders, rows


def _parameters(model: SentimentModel) -> int:
    """Those of the fusion, the head and the unimodal heads."""
    parts = (model.fusion, model.head, model.text_head, model.image_head)
    return sum(parameter.numel() for part in parts if part is not None for parameter in part.parameters())
