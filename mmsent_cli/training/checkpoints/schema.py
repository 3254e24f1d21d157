"""The metadata of checkpoints, and the checks of this metadata."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mmsent_cli.config import DataConfig, ResolvedModel, build, to_dict
from mmsent_cli.data.seen import SeenPairs
from mmsent_cli.errors import CheckpointError, MmsentError, damage
from mmsent_cli.model import SentimentModel
from mmsent_cli.results import Finding

FORMAT = "mmsent checkpoint"
VERSION = 1
PARTS = ("model", "labels", "vocabulary", "encoding", "run", "precision", "epoch", "frozen", "with_frozen")
OTHER_WEIGHTS = "{} was trained with different frozen encoder weights than those on this machine"
RETRAIN = "train again with mmsent train, or choose another checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The metadata of a checkpoint.

    Attributes:
        model: the resolved configuration of the model.
        labels: class names in order.
        vocabulary: words of a text encoder that was trained from scratch, else None.
        encoding: the decision on the character encoding of the training texts, as plain values.
        run: the name of the run.
        precision: the precision of the training.
        frozen: the digests of the frozen stages of the `text` and `image` encoder.
        seen: digests of the training and validation pairs; None in a checkpoint of an earlier version.
        columns: column names of the training pairs. New pairs are expected to have the same column names.
        label_map: the training's `--label-map`; empty if there was none.
        findings: findings that the model has learned too little.
    """

    model: ResolvedModel
    labels: tuple[str, ...]
    vocabulary: tuple[str, ...] | None
    encoding: Mapping[str, Any]
    run: str
    precision: str
    frozen: Mapping[str, str]
    seen: SeenPairs | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    label_map: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def reading(self) -> dict[str, Any]:
        """The settings with which the labelled pairs of the training were read."""
        return {**self.columns, **({"label_map": self.label_map} if self.label_map else {})}


def frozen_digests(model: SentimentModel) -> dict[str, str]:
    """Return the digest of the frozen stages of the `text` encoder and of the `image` encoder."""
    return {side: encoder.digest(encoder.frozen) for side, encoder in (("text", model.text), ("image", model.image))}


def require_same_frozen(model: SentimentModel, frozen: Mapping[str, str], path: Path) -> None:
    """Check that a model has the frozen stages that a checkpoint was trained on.

    Raises:
        CheckpointError: the frozen stages are different.
    """
    if frozen_digests(model) != frozen:
        raise CheckpointError(OTHER_WEIGHTS.format(path), RETRAIN)


def header(description: Description, epoch: int) -> dict[str, Any]:
    """Make the part of the content that every checkpoint has, as plain values."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": to_dict(description.model),
        "labels": list(description.labels),
        "vocabulary": None if description.vocabulary is None else list(description.vocabulary),
        "encoding": dict(description.encoding),
        "run": description.run,
        "precision": description.precision,
        "epoch": epoch,
        "frozen": dict(description.frozen),
        "columns": dict(description.columns),
        **({"label_map": list(description.label_map)} if description.label_map else {}),
        "findings": [asdict(finding) for finding in description.findings],
        "with_frozen": False,
    }


def check_header(content: Any, path: Path) -> dict[str, Any]:
    """Check that the content of a file is a checkpoint with all its parts, and return the content.

    Raises:
        CheckpointError: the file is not a checkpoint, has another version, or lacks a part.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not an mmsent checkpoint", RETRAIN)
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {content.get('version')}, but this mmsent reads version {VERSION}", RETRAIN
        )
    absent = [name for name in PARTS if name not in content]
    if absent:
        raise CheckpointError(f"{path} is damaged: these entries are missing: {', '.join(absent)}", RETRAIN)
    return content


def describe(content: Mapping[str, Any], path: Path) -> Description:
    """Read the metadata in the content of a checkpoint."""
    try:
        return Description(
            model=build(ResolvedModel, content["model"]),
            labels=_texts(content["labels"]),
            vocabulary=None if content["vocabulary"] is None else _texts(content["vocabulary"]),
            encoding=content["encoding"],
            run=content["run"],
            precision=content["precision"],
            frozen=content["frozen"],
            seen=_seen(content),
            columns=content.get("columns", {}),
            label_map=build(DataConfig, {"label_map": _texts(content.get("label_map", ()))}).label_map or (),
            findings=tuple(Finding(**finding) for finding in content.get("findings", ())),
        )
    except (KeyError, TypeError, ValueError, MmsentError) as error:
        raise CheckpointError(f"the metadata of the checkpoint {path} is damaged: {damage(error)}", RETRAIN) from error


def _seen(content: Mapping[str, Any]) -> SeenPairs | None:
    """Read the records of the training and validation pairs. A record that an older checkpoint lacks is None."""
    found = {
        part: SeenPairs.from_arrays(content[part], len(content["labels"]))
        for part in ("seen", "validation")
        if part in content
    }
    return replace(found["seen"], validation=found.get("validation")) if "seen" in found else None


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError("the labels, the words or the label map are not lists of texts")
    return tuple(values)
