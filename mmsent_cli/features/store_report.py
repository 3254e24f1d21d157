"""What the caches hold, and deleting them. Only what mmsent marked as its own is deleted, and never through a link."""

import contextlib
import json
import shutil
from pathlib import Path

from mmsent_cli.errors import MmsentError
from mmsent_cli.features.store import DESCRIPTION, KIND, read_index, shard_indexes
from mmsent_cli.files import is_own_cache, reason
from mmsent_cli.results import StoredFeatures, StoreResult


def store_report(root: Path, compiled_models: Path, weights: Path) -> StoreResult:
    """The feature sets of a store, and the size of the caches next to it.

    Args:
        root: folder of the feature store.
        compiled_models: folder of converted OpenVINO models.
        weights: folder of unpacked weights.
    """
    own, foreign = _feature_sets(root)
    described = [_describe(folder, content) for folder, content in own.items()]
    return StoreResult(
        folder=str(root),
        feature_sets=tuple(described),
        bytes=sum(each.bytes for each in described),
        compiled_models_bytes=_size(compiled_models),
        weights_bytes=_size(weights),
        foreign=tuple(map(str, [*foreign, *(each for each in (compiled_models, weights) if _is_foreign(each))])),
    )


def clear_store(root: Path, *beside: Path) -> None:
    """Delete every feature set of a store, and caches next to it. Running processes keep the files they have open.

    Folders without mmsent's mark, and links, stay as they are.

    Raises:
        MmsentError: a folder cannot be deleted.
    """
    own, _ = _feature_sets(root)
    for folder in [*own, *(folder for folder in beside if is_own_cache(folder))]:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise MmsentError(f"cannot delete {folder}: {reason(error)}", "delete the folder by hand") from error


def _feature_sets(root: Path) -> tuple[dict[Path, dict[str, str]], list[Path]]:
    """Folders of feature sets with their descriptions, and folders that look like one but lack mmsent's mark."""
    folders = sorted(path.parent for path in root.glob(f"*/{DESCRIPTION}"))
    if root.is_symlink():
        return {}, [root] if folders else []
    contents = {folder: _read(folder) for folder in folders}
    own = {folder: content for folder, content in contents.items() if content is not None}
    return own, [folder for folder in folders if folder not in own]


def _read(folder: Path) -> dict[str, str] | None:
    """The description of a feature set; None for a folder without mmsent's mark, and for a link."""
    path = folder / DESCRIPTION
    if folder.is_symlink() or path.is_symlink():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("kind") == KIND else None


def _describe(folder: Path, content: dict[str, str]) -> StoredFeatures:
    return StoredFeatures(
        feature_set=folder.name,
        encoder=content["encoder"],
        stages=content["stages"],
        entries=sum(_count_entries(path) for path in shard_indexes(folder)),
        bytes=_size(folder),
    )


def _count_entries(index: Path) -> int:
    try:
        return len(read_index(index))
    except ValueError:
        return 0


def _is_foreign(folder: Path) -> bool:
    return folder.is_dir() and not is_own_cache(folder) and any(folder.iterdir())


def _size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process renamed its file meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total
