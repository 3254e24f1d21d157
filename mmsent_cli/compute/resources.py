"""Open device, weights and cache folder once, from the runtime settings of a command."""

from dataclasses import dataclass
from pathlib import Path

from mmsent_cli.compute.device import Compute, choose_compute
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.files import default_cache_dir


@dataclass(frozen=True, slots=True)
class Resources:
    """Device, weights and cache folder of a command.

    Attributes:
        compute: device, precision, engine.
        weights: where to look for pretrained weights.
        cache: the cache folder.
        note: a note on device, precision and engine, or an empty string.
    """

    compute: Compute
    weights: WeightSource
    cache: Path
    note: str = ""

    @classmethod
    def open(cls, runtime: RuntimeConfig) -> "Resources":
        """Open the resources of the runtime settings.

        Raises:
            ConfigError: the device is not available, or does not support the precision.
            MmsentError: the cache folder cannot be created.
        """
        cache = default_cache_dir(runtime.cache_dir)
        compute, note = choose_compute(runtime, cache)
        return cls(compute, WeightSource.of(runtime, cache), cache, note)
