"""Every setting of the program, once: type, default, help, check.

The command line is built from these dataclasses (`commands/options.py`), a run's `config.json` is written from
them, and `--config` reads them back, so the three cannot drift apart. `None` is a gap that `defaults.resolve` fills.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmsent_cli.errors import ConfigError, summarize

SENTIMENTS = ("negative", "neutral", "positive")
BY_ENCODERS = "depends on the encoders"
ENSEMBLE = "Ensemble"
CLEANING_STEPS = ("lowercase", "urls", "mentions", "retweets", "hashtags", "symbols", "stop-words")
VAL_SIZE = 0.2
PROBES = ("image", "text", "minilm", "mpnet", "characters", "lexicon", "ocr", "ocr-characters")
RENAMED_PROBES = {"writing": "ocr", "writing-characters": "ocr-characters"}
"""Earlier names of probes, for the error that gives the new one."""
AUGMENTATION_ALIASES = {"colour": "color"}


def option(default: Any, help: str, shown: str = "", panel: str = "", aliases: Mapping[str, str] | None = None) -> Any:
    """A dataclass field that becomes a command-line option.

    Args:
        default: the setting's value where none is given.
        help: the text in `--help`.
        shown: the default as `--help` shows it, where it is not `default` itself.
        panel: the panel of `--help`, where it is not that of the dataclass.
        aliases: other spellings of values, each with the value that it stands for.
    """
    return field(default=default, metadata={"help": help, "shown": shown, "panel": panel, "aliases": aliases or {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Which pairs, and how their files are read."""

    data: str | None = option(
        None,
        "Folder in the lab layout, or a .csv/.jsonl/.parquet manifest",
        shown="$MMSENT_DATA, ./data, ./data/sample",
    )
    guid_column: str = option("guid", "Manifest column with the pair's name")
    text_column: str = option("text", "Manifest column with the text")
    image_column: str = option("image", "Manifest column with the image path, relative to the manifest")
    tag_column: str = option("tag", "Manifest column with the label; a pair without one is to be predicted")
    labels: tuple[str, ...] | None = option(
        None,
        "Labels in order, comma-separated",
        shown="the sentiments (negative, neutral, positive) if two or more occur, else all tags found",
    )
    encoding: str = option("auto", "Text encoding; auto decides for the whole corpus (see inspect-encoding)")
    on_bad: Literal["stop", "drop", "blank"] = option(
        "stop", "If a text or image is unusable: stop; drop the pair; or blank that modality. Affected guids are listed"
    )
    limit: int | None = option(None, "Use only this many labelled pairs, for a quick try", shown="all pairs")

    def __post_init__(self) -> None:
        raise_if(
            (self.limit is not None and self.limit < 2, "limit must be at least 2"),
            (self.labels is not None and len(set(self.labels)) < 2, "labels needs two or more different names"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """How labelled pairs are divided into training and validation."""

    strategy: Literal["grouped", "plain-80-20", "plain-90-10"] = option(
        "grouped",
        "grouped keeps near-duplicates in the same split; plain-80-20 and plain-90-10 only stratify, as two published"
        " course systems do",
    )
    val_size: float = option(VAL_SIZE, "Share of pairs held out for validation (grouped only)")
    split_seed: int = option(
        42, "Seed of the split, separate from the training seed: all training seeds share one split"
    )

    split: str | None = option(None, "Split file written by mmsent split", shown="a new split")
    fold: int | None = option(None, "Which fold of the split file to validate on, counted from 1", shown="none")
    folds: int | None = option(
        None,
        "Cross-validate: each fold is predicted by models trained on the other folds, metrics are out-of-fold, and"
        " the checkpoint is an ensemble of all fold models",
        shown="none: one validation split",
        panel=ENSEMBLE,
    )

    def __post_init__(self) -> None:
        raise_if(
            (not 0 < self.val_size < 1, f"val_size must lie between 0 and 1, not {self.val_size}"),
            (self.folds is not None and self.folds < 2, "folds must be at least 2"),
            (
                self.folds is not None and self.split is not None,
                "folds divides the pairs anew and excludes split; leave one of them out",
            ),
            (
                self.folds is not None and self.fold is not None,
                "folds validates on every fold and excludes fold; leave one of them out",
            ),
            (
                self.folds is not None and self.val_size != VAL_SIZE,
                "folds have equal sizes, which excludes val_size; leave one of them out",
            ),
            (
                self.folds is not None and self.strategy != "grouped",
                f"folds keep near-duplicates together; strategy {self.strategy} does not",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Encoders, freezing, fusion and head. Stored in each checkpoint."""

    encoders: str = option("auto", "Text and image encoder: auto, light, compact, bert-resnet18, clip")
    text_encoder: str | None = option(
        None,
        "Text encoder, overrides --encoders: light, minilm, minilm-layers, mpnet, mpnet-layers, bert, clip, hf:NAME",
        shown=BY_ENCODERS,
    )
    image_encoder: str | None = option(
        None,
        "Image encoder, overrides --encoders: light, efficientnet-lite0, efficientnet-lite0-stages, resnet18, clip,"
        " hf:NAME, timm:NAME",
        shown=BY_ENCODERS,
    )
    fusion: str = option(
        "weighted",
        "Fusion layer: concat, weighted, self-attention, early, clip, blip, blip-advanced, gmu, cross-attention,"
        " logit-ensemble, text-only, image-only; compare-fusions --list describes them",
    )
    freeze_text: str | None = option(
        None, "Frozen part of the text encoder: none, all, or N (embeddings and the first N layers)", shown=BY_ENCODERS
    )
    freeze_image: str | None = option(
        None, "Frozen part of the image encoder: none, all, or N (stem and the first N stages)", shown=BY_ENCODERS
    )
    max_length_tokens: int | None = option(None, "Longest text in tokens; the rest is cut", shown=BY_ENCODERS)
    image_size_px: int | None = option(
        None, "Images are resized to a square with this side, in pixels", shown=BY_ENCODERS
    )
    text_cleaning: tuple[str, ...] | None = option(
        None, f"Cleaning steps to apply, comma-separated: {', '.join(CLEANING_STEPS)}", shown=BY_ENCODERS
    )
    head_hidden: tuple[int, ...] | None = option(
        None, "Widths of the head's hidden layers, comma-separated", shown=BY_ENCODERS
    )
    head_dropout: tuple[float, ...] | None = option(
        None, "Dropout after each hidden layer, comma-separated", shown=BY_ENCODERS
    )
    modality_dropout: float | None = option(
        None,
        "Probability of dropping the text or the image of a training pair, so that the model also works with one alone",
        shown=BY_ENCODERS,
    )
    auxiliary_weight: float | None = option(
        None,
        "Weight of the auxiliary losses, from a text-only and an image-only head trained together with the main head",
        shown=BY_ENCODERS,
    )
    probes: tuple[str, ...] | None = option(
        None,
        "Linear probes stacked with the model: image, text (its own frozen encoders); minilm, mpnet (an extra frozen"
        " text encoder); characters; lexicon; ocr, ocr-characters (words in the image: pip install 'mmsent[ocr]')."
        " Needs --folds",
        shown="none",
        panel=ENSEMBLE,
    )
    models_per_fold: int = option(
        1,
        "Models trained for each fold, each with another seed; their mean is one ensemble member. Needs --folds",
        panel=ENSEMBLE,
    )
    logit_adjustment: float | None = option(
        None,
        "Strength of logit adjustment towards rare classes (raises macro-F1): 0 = off, 1 = uniform class prior. Needs"
        " --folds",
        shown="0",
        panel=ENSEMBLE,
    )

    def __post_init__(self) -> None:
        unknown = [step for step in self.text_cleaning or () if step not in CLEANING_STEPS]
        strange = [name for name in self.probes or () if name not in PROBES]
        renamed = [f"probe {name} is now called {RENAMED_PROBES[name]}" for name in strange if name in RENAMED_PROBES]
        hidden, dropout = self.head_hidden, self.head_dropout
        mismatched = hidden is not None and dropout is not None and len(hidden) != len(dropout)
        raise_if(
            (bool(unknown), f"unknown text_cleaning {', '.join(unknown)}; known: {', '.join(CLEANING_STEPS)}"),
            (not 0 <= (self.logit_adjustment or 0) <= 1, "logit_adjustment must lie in [0, 1]"),
            (self.models_per_fold < 1, "models_per_fold must be at least 1"),
            (bool(renamed), "; ".join(renamed)),
            (bool(strange) and not renamed, f"unknown probes {', '.join(strange)}; known: {', '.join(PROBES)}"),
            (mismatched, f"head_dropout needs one number per hidden layer: {hidden} against {dropout}"),
            (any(not 0 <= p <= 1 for p in dropout or ()), "head_dropout must lie in [0, 1]"),
            (any(width < 1 for width in hidden or ()), "head_hidden must be positive"),
            (not 0 <= (self.modality_dropout or 0) <= 1, "modality_dropout must lie in [0, 1]"),
            ((self.auxiliary_weight or 0) < 0, "auxiliary_weight must not be negative"),
            (self.max_length_tokens is not None and self.max_length_tokens < 4, "max_length_tokens must be at least 4"),
            (self.image_size_px is not None and self.image_size_px < 32, "image_size_px must be at least 32"),
            *(_freeze_check(name, getattr(self, name)) for name in ("freeze_text", "freeze_image")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How the model is trained."""

    epochs: int | None = option(None, "Passes over the training pairs", shown=BY_ENCODERS)
    batch_size: int | None = option(None, "Pairs per batch", shown=BY_ENCODERS)
    accumulation_steps: int | None = option(None, "Batches per optimizer step", shown=BY_ENCODERS)
    encoder_lr: float | None = option(None, "Learning rate of encoder layers", shown=BY_ENCODERS)
    head_lr: float | None = option(None, "Learning rate of fusion and head", shown=BY_ENCODERS)
    weight_decay: float | None = option(None, "AdamW weight decay, not applied to biases and norms", shown=BY_ENCODERS)
    warmup: float | None = option(None, "Share of all steps during which the learning rate rises", shown=BY_ENCODERS)
    schedule: Literal["cosine", "linear", "constant"] | None = option(
        None, "Learning rate after the warm-up", shown=BY_ENCODERS
    )
    max_grad_norm: float | None = option(None, "Gradients are clipped to this norm; 0 = no clipping", shown=BY_ENCODERS)
    label_smoothing: float | None = option(None, "Label smoothing of the cross-entropy", shown=BY_ENCODERS)
    class_weights: Literal["none", "balanced", "sqrt"] | None = option(
        None,
        "Class weights in the loss: none; balanced (inverse frequency, mean 1); sqrt (square root of balanced)",
        shown=BY_ENCODERS,
    )
    patience: int | None = option(
        None,
        "Epochs without improvement before training stops; 0 never stops early, as with --folds",
        shown=BY_ENCODERS,
    )
    monitor: Literal["accuracy", "macro_f1", "loss"] | None = option(
        None, "Validation metric that picks the best epoch", shown=BY_ENCODERS
    )
    augmentation: Literal["none", "standard", "flip", "geometry", "color", "strong"] | None = option(
        None,
        "Augmentation of training images: none; flip (p=0.5); geometry (flip, rotation up to 10 degrees); color (jitter"
        " 0.2); standard (geometry and color); strong (larger changes, and crops)",
        shown=BY_ENCODERS,
        aliases=AUGMENTATION_ALIASES,
    )
    augmentation_views: int | None = option(None, "Number of augmented views per training image", shown=BY_ENCODERS)
    augmentation_seed: int = option(
        0, "Seed of the augmented views, separate from the training seed: all training seeds share the views"
    )
    seed: int = option(0, "Seed of initialisation, batches and dropout")

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "accumulation_steps", "augmentation_views")
        not_negative = (
            "encoder_lr",
            "head_lr",
            "weight_decay",
            "max_grad_norm",
            "patience",
            "seed",
            "augmentation_seed",
        )
        raise_if(
            *((_given(self, name) and getattr(self, name) < 1, f"{name} must be at least 1") for name in positive),
            *(
                (_given(self, name) and getattr(self, name) < 0, f"{name} must not be negative")
                for name in not_negative
            ),
            (not 0 <= (self.warmup or 0) <= 1, "warmup must lie in [0, 1]"),
            (not 0 <= (self.label_smoothing or 0) < 1, "label_smoothing must lie in [0, 1)"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """Where and with what a command runs. These settings change how a model is computed, not which model."""

    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "auto",
        "Precision of the forward pass; weights stay fp32. auto: bf16 where it is faster, which is"
        " measured once on a CPU with AVX-512 BF16",
    )
    engine: Literal["auto", "torch", "openvino"] = option(
        "auto",
        "Backend for frozen encoder stages. auto: openvino on a CPU where it is installed and supports the encoder,"
        " else torch. Features agree with float32 to a cosine of 0.999 (0.99 with --precision bf16). What is trained"
        " always runs in torch",
    )
    workers: int = option(0, "Extra processes that load batches")
    jobs: int = option(
        0,
        "Models trained in parallel on a CPU; does not affect results. 0 = automatic: one per core, at most 4, 2 GB of"
        " memory each",
    )
    weights_dir: str | None = option(
        None,
        "Folder with downloaded weights: bert-base-uncased/, clip-vit-base-patch32/, resnet18.pth",
        shown="$MMSENT_WEIGHTS",
    )
    offline: bool = option(False, "Never open a network connection")
    cache_dir: str | None = option(
        None, "Folder of the feature store and other caches", shown="$MMSENT_CACHE, else the user's cache folder"
    )
    save_all: bool = option(False, "Store frozen encoder weights in best_model.pt as well, for machines without them")

    def __post_init__(self) -> None:
        raise_if(
            (self.workers < 0, "workers must not be negative"),
            (self.jobs < 0, "jobs must not be negative"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run, whole: what `config.json` holds and `--config` replays."""

    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


def raise_if(*checks: tuple[bool, str]) -> None:
    """Raise one ConfigError that lists every problem. Each check is (is it a problem, its text)."""
    problems = [text for is_bad, text in checks if is_bad]
    if problems:
        raise ConfigError(summarize(problems), "mmsent COMMAND --help lists the options")


def _given(config: Any, name: str) -> bool:
    return getattr(config, name) is not None


def _freeze_check(name: str, value: str | None) -> tuple[bool, str]:
    is_bad = value is not None and value not in ("none", "all") and not value.isdigit()
    return is_bad, f"{name} must be none, all or a number of layers, not {value!r}"
