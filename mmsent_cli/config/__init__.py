"""All settings with their types, defaults, help texts and checks, and the presets."""

from mmsent_cli.config.build import KINDS, RENAMED, build, read_train_config, to_dict, train_config, value_type
from mmsent_cli.config.defaults import (
    ENCODERS,
    Facts,
    ResolvedConfig,
    ResolvedFit,
    ResolvedModel,
    resolve,
    resolve_fit,
    resolve_model,
)
from mmsent_cli.config.probe_names import PROBE_ENCODERS, PROBES
from mmsent_cli.config.settings import (
    AUGMENTATION_ALIASES,
    CLEANING_STEPS,
    COLUMNS,
    SENTIMENTS,
    TRACKERS,
    VAL_SIZE,
    DataConfig,
    FitConfig,
    ModelConfig,
    RuntimeConfig,
    SplitConfig,
    TrainConfig,
    option,
    raise_if,
)
