"""A split of guids into training and validation, and its file format."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mmsent_cli.errors import ConfigError, DataError
from mmsent_cli.outputs import is_stream, open_output, require_writable

FORMAT = "mmsent split 1"
REMAKE = "make it again with mmsent split"


@dataclass(frozen=True, slots=True)
class Split:
    """The guids of the training and the validation pairs.

    `digest` is the result of `digest_of`; `fold` is the number of the fold, from 1, or None.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    strategy: str
    seed: int
    val_size: float
    digest: str
    fold: int | None = None
    folds: int | None = None


def digest_of(train: Iterable[str], val: Iterable[str]) -> str:
    """Return the hex digest of a split (BLAKE2b-128). The order of the guids does not matter."""
    lines = sorted([*((guid, "train") for guid in train), *((guid, "val") for guid in val)])
    return blake2b(
        "".join(f"{guid}\t{side}\n" for guid, side in lines).encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def require_split_name(path: Path) -> None:
    """Check that a name suits a split file.

    Raises:
        ConfigError: its ending is that of another kind of file.
    """
    if path.suffix.lower() not in ("", ".json") and not is_stream(path):
        raise ConfigError(f"--out {path}: a split is not written as a {path.suffix} file", "give a name with .json")


def write_split(split: Split | Sequence[Split], path: Path, force: bool) -> None:
    """Write a split, or all folds, to a JSON file.

    Raises:
        MmsentError: the file exists and `force` is False, or the file cannot be written.
    """
    require_writable(path, force)
    parts = [split] if isinstance(split, Split) else list(split)
    text = json.dumps({"format": FORMAT, "splits": [asdict(part) for part in parts]}, indent=1, ensure_ascii=False)
    with open_output(path) as stream:
        stream.write(f"{text}\n")


def read_split(path: Path, fold: int | None = None) -> Split:
    """Read a split file, and check its digest.

    Args:
        path: the split file.
        fold: the number of the fold, from 1; required if the file has folds.

    Raises:
        DataError: the file does not exist, is not a split file or was changed, or there is no such fold.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
        splits = [_from_json(part) for part in content["splits"]]
    except OSError as error:
        raise DataError(f"cannot read the split {path}: {error.strerror}", "make one with mmsent split") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a split file: {error}", REMAKE) from error
    for split in splits:
        if split.digest != digest_of(split.train, split.val) or set(split.train) & set(split.val):
            raise DataError(f"{path} was changed after it was written: its digest does not match", REMAKE)
    return _pick(splits, path, fold)


def _from_json(values: Mapping[str, Any]) -> Split:
    sides = {name: tuple(values[name]) for name in ("train", "val")}
    if not all(isinstance(guid, str) for guids in sides.values() for guid in guids):
        raise ValueError("a guid is not text")
    return Split(**{**values, **sides})


def _pick(splits: Sequence[Split], path: Path, fold: int | None) -> Split:
    if len(splits) == 1 and fold is None:
        return splits[0]
    chosen = [split for split in splits if fold is not None and split.fold == fold]
    if not chosen:
        known = ", ".join(str(split.fold) for split in splits if split.fold is not None)
        problem = "has several folds, and --fold is not given" if fold is None else f"has no fold {fold}"
        raise DataError(f"{path} {problem}", f"choose a fold with --fold: {known}" if known else "leave out --fold")
    return chosen[0]
