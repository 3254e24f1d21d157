"""The link `latest` in a folder of runs. Where links are not allowed, it is a text file with the name of the run."""

import re
from pathlib import Path

from mmsent_cli.files import hidden_name
from mmsent_cli.interrupts import on_interrupt

LATEST = "latest"
RUN_NAME = re.compile(r"\d{8}-\d{6}-\S+")


def point_latest(runs_dir: Path, name: str) -> None:
    """Make `latest` a link to the run, or a text file with its name if links are not allowed.

    Something else of that name stays as it is, and `latest_note` reports it.
    """
    latest = runs_dir / LATEST
    if not is_own(latest):
        return
    hidden = hidden_name(latest)
    with on_interrupt(lambda: hidden.unlink(missing_ok=True)):
        try:
            hidden.symlink_to(name)
        except OSError:
            hidden.write_text(name, encoding="utf-8")
        hidden.replace(latest)


def latest_note(folder: Path) -> str:
    """Return a note if something else than mmsent's link is called `latest`, else ""."""
    latest = folder.parent / LATEST
    return "" if is_own(latest) else f"{latest} is no link of mmsent and was left alone; this run is {folder}"


def is_own(latest: Path) -> bool:
    """Return True if `latest` may be replaced: it is a link, a text file with the name of a run, or does not exist."""
    if latest.is_symlink() or not latest.exists():
        return True
    try:
        name = latest.read_text(encoding="utf-8").strip() if latest.is_file() else ""
    except (OSError, ValueError):
        return False
    return bool(RUN_NAME.fullmatch(name)) or (Path(name).name == name != "" and (latest.parent / name).is_dir())


def follow(path: Path) -> Path | None:
    """Return the folder `path`. If `path` is a link or the text file `latest`, return its target."""
    try:
        if path.name == LATEST and path.is_symlink():
            path = path.parent / path.readlink()
        elif path.name == LATEST and path.is_file():
            path = path.parent / path.read_text(encoding="utf-8").strip()
        return path if path.is_dir() else None
    except (OSError, ValueError):  # a file that cannot be read, or holds no name
        return None
