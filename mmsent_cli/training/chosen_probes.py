"""Choose the probes of a run before any pair is read: complete their names, and find usable optional probes.

The run records the chosen names, so that it is resumed and repeated with the same probes.
"""

from dataclasses import replace

from mmsent_cli.config import ResolvedModel
from mmsent_cli.data.ocr import OcrUnavailable, require_ocr
from mmsent_cli.encoders.registry import build_auxiliary_encoder, full_probe_name
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.ensemble import auxiliary_encoders, reads_ocr
from mmsent_cli.errors import ConfigError, WeightsUnavailable
from mmsent_cli.progress import Progress, Stage


def choose_probes(
    model: ResolvedModel, weights: WeightSource, progress: Progress
) -> tuple[ResolvedModel, tuple[str, ...]]:
    """Add the optional probes whose weights are found. Probes of words in images also need the OCR engine.

    Args:
        model: the settings of the model.
        weights: where to look for weights.
        progress: receives the number of checked probes.

    Returns:
        The settings, with all chosen probes in `probes` and no optional probes; and a note on each optional
        probe: that the probe is used, or why it is left out.

    Raises:
        ConfigError: two names mean the same probe, or the modality of a model cannot be found out.
        WeightsUnavailable: a model in `probes` that is named by a folder or by `hf:NAME` is not found.
    """
    probes, notes = [full_probe_name(name, weights) for name in model.probes], []
    optional = model.optional_probes or ()
    for number, name in enumerate(optional):
        progress(Stage("looking for weights", number, len(optional), "probe"))
        try:
            full = full_probe_name(name, weights)
            if full in probes:
                continue
            _require_parts(full, model, weights)
        except (WeightsUnavailable, OcrUnavailable) as error:
            notes.append(f"the optional probe {name} is left out: {error.message}; {error.hint}")
        else:
            probes.append(full)
            notes.append(f"the optional probe {name} is used, since all that it needs was found")
    doubled = [name for place, name in enumerate(probes) if name in probes[:place]]
    if doubled:
        raise ConfigError(f"--probes contains {', '.join(map(repr, doubled))} twice", "name each probe once")
    return replace(model, probes=tuple(probes), optional_probes=()), tuple(notes)


def _require_parts(name: str, model: ResolvedModel, weights: WeightSource) -> None:
    """Check that everything that a probe needs is installed: load each of its encoders once, and find the OCR engine.

    Raises:
        WeightsUnavailable: an encoder cannot be loaded.
        OcrUnavailable: the OCR engine is not installed.
    """
    if reads_ocr([name]):
        require_ocr()
    for encoder in auxiliary_encoders([name]):
        build_auxiliary_encoder(encoder, model, weights)
