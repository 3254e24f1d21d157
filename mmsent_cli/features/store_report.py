"""Report and delete the content of the caches.

Chosen: a file is deleted only if it has a name that mmsent uses, and its folder has mmsent's mark (a file or value that
shows that mmsent created the folder). Links are never deleted. So other files that the user put in such a folder are
kept. Rejected: deleting a marked folder as a whole.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mmsent_cli.encoders.weights.mpnet_slices import FILES, NAME
from mmsent_cli.errors import MmsentError
from mmsent_cli.features.store import DESCRIPTION, KIND, read_index, shard_indexes
from mmsent_cli.files import CACHE_TAG, is_own_cache, reason
from mmsent_cli.results import StoredFeatures, StoreResult

DIGEST = "[0-9a-f]{32}"
UNFINISHED = "(?:[.][0-9a-f]{8})?"
"""Suffix of the name of an unfinished file. Such a name also begins with a dot."""
FEATURES = re.compile(rf"{DESCRIPTION}|{DIGEST}[.](?:npy|bin)|[.](?:{DESCRIPTION}|{DIGEST}[.](?:npy|bin)){UNFINISHED}")
MODELS = re.compile(
    rf"{CACHE_TAG}|(?:[.][^/]+/)?{DIGEST}[.](?:xml|bin|refused|json)|[.]{DIGEST}[.](?:refused|json){UNFINISHED}|"
    rf"{DIGEST}/[0-9]+[.]blob"
)
UNPACKED = re.compile(
    rf"{CACHE_TAG}|{DIGEST}[.]json|[.]{DIGEST}[.]json{UNFINISHED}|"
    rf"{re.escape(NAME)}/[.]?(?:{'|'.join(map(re.escape, FILES))}){UNFINISHED}"
)
"""Paths of mmsent's own files in a feature set, in the folder of converted models, and in the folder of weights."""


def store_report(root: Path, compiled_models: Path, weights: Path) -> StoreResult:
    """Make a report on the feature sets of a store, and on the sizes of the other caches.

    Args:
        root: folder of the feature store.
        compiled_models: folder of converted OpenVINO models.
        weights: folder of unpacked weights.
    """
    own, foreign = _feature_sets(root)
    described = [_describe(folder, content) for folder, content in own.items()]
    beside = {folder: names for folder, names in ((compiled_models, MODELS), (weights, UNPACKED)) if folder.is_dir()}
    foreign += [folder for folder in beside if _is_foreign(folder)]
    marked = {**dict.fromkeys(own, FEATURES), **{each: beside[each] for each in beside if is_own_cache(each)}}
    foreign += [path for folder, names in marked.items() for path, is_own in _files(folder, names) if not is_own]
    return StoreResult(
        folder=str(root),
        feature_sets=tuple(described),
        bytes=sum(each.bytes for each in described),
        compiled_models_bytes=_size(compiled_models, MODELS) if compiled_models in marked else 0,
        weights_bytes=_size(weights, UNPACKED) if weights in marked else 0,
        foreign=tuple(map(str, foreign)),
    )


def clear_store(root: Path, compiled_models: Path, weights: Path) -> StoreResult:
    """Delete the files of every feature set of a store, and of the caches next to it.

    Running processes keep the files they have open. Folders without mmsent's mark, links and other files are not
    deleted.

    Returns:
        What was deleted. `foreign` lists what was not deleted.

    Raises:
        MmsentError: a file cannot be deleted.
    """
    before = store_report(root, compiled_models, weights)
    for folder in _feature_sets(root)[0]:
        _delete(folder, FEATURES)
    for folder, names in ((compiled_models, MODELS), (weights, UNPACKED)):
        if is_own_cache(folder):
            _delete(folder, names)
    left = store_report(root, compiled_models, weights)
    return replace(
        before,
        cleared=True,
        bytes=before.bytes - left.bytes,
        compiled_models_bytes=before.compiled_models_bytes - left.compiled_models_bytes,
        weights_bytes=before.weights_bytes - left.weights_bytes,
        foreign=before.foreign,
    )


def _delete(folder: Path, names: re.Pattern[str]) -> None:
    """Delete mmsent's own files in a folder, and then the folder if it is empty."""
    mark = folder / CACHE_TAG
    try:
        for path, is_own in list(_files(folder, names)):
            if is_own and path != mark:
                path.unlink(missing_ok=True)
        if not any(path != mark for path, _ in _files(folder, names)):
            mark.unlink(missing_ok=True)
    except OSError as error:
        raise MmsentError(f"cannot delete {error.filename}: {reason(error)}", "delete it yourself") from error
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # something is left in it
            os.rmdir(path)  # noqa: PTH106 os.walk gives texts


def _files(folder: Path, names: re.Pattern[str]) -> Iterator[tuple[Path, bool]]:
    """Yield each file and link below a folder, and whether it is a file with a name that mmsent uses.

    No link is followed.
    """
    for parent, folders, files in os.walk(folder):
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        for path in (Path(parent, name) for name in [*files, *linked]):
            yield path, not path.is_symlink() and bool(names.fullmatch(path.relative_to(folder).as_posix()))


def _feature_sets(root: Path) -> tuple[dict[Path, dict[str, str]], list[Path]]:
    """Return the folders of feature sets with their descriptions, and folders that only look like feature sets."""
    folders = sorted(path.parent for path in root.glob(f"*/{DESCRIPTION}"))
    if root.is_symlink():
        return {}, [root] if folders else []
    contents = {folder: _read(folder) for folder in folders}
    own = {folder: content for folder, content in contents.items() if content is not None}
    return own, [folder for folder in folders if folder not in own]


def _read(folder: Path) -> dict[str, str] | None:
    """Read the description of a feature set. Returns None for a link, or for a folder without mmsent's mark."""
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
        bytes=_size(folder, FEATURES),
        used=_newest(folder),
    )


def _newest(folder: Path) -> str:
    times = [path.stat().st_mtime for path in folder.iterdir() if path.is_file()]
    return datetime.fromtimestamp(max(times)).strftime("%Y-%m-%d %H:%M") if times else ""


def _count_entries(index: Path) -> int:
    try:
        return len(read_index(index))
    except ValueError:
        return 0


def _is_foreign(folder: Path) -> bool:
    return not is_own_cache(folder) and any(folder.iterdir())


def _size(folder: Path, names: re.Pattern[str]) -> int:
    """Return the total size in bytes of mmsent's own files in a folder."""
    total = 0
    for path, is_own in _files(folder, names):
        with contextlib.suppress(FileNotFoundError):  # another process renamed its file meanwhile
            total += path.lstat().st_size if is_own else 0
    return total
