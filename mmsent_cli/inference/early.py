"""Check the requested output of a prediction, before anything heavy is imported or read."""

from pathlib import Path

from mmsent_cli.errors import ConfigError
from mmsent_cli.inference.partial import how_begun, partial_path
from mmsent_cli.inference.rows import PredictionFile
from mmsent_cli.inference.scale.folder import PARTS, hidden_folder, is_folder, require_free_folder
from mmsent_cli.outputs import STANDARD_OUTPUT, is_stream, require_writable


def require_request(file: PredictionFile, is_in_parts: bool) -> None:
    """Check name, format and shard of the output. Nothing is created.

    Args:
        file: the file of the prediction.
        is_in_parts: True for a prediction in parts, by `--engine ray`.

    Raises:
        MmsentError: the output exists or cannot be written, its format or shard is unknown, or there is an interrupted
            prediction of the same output.
    """
    out, is_open = file.out, file.out == STANDARD_OUTPUT or is_stream(file.out)
    if is_in_parts and is_open:
        raise ConfigError(f"--engine ray cannot write to {out}", "give the name of a file or folder with --out")
    if is_in_parts and file.settings.shard is not None:
        raise ConfigError(
            "--shard cannot be combined with --engine ray, which divides the rows itself",
            "leave out one of the two options",
        )
    is_repeated = file.resume and out.exists() and not is_unfinished(out, is_in_parts)
    if is_in_parts and is_folder(out):
        require_free_folder(out, file.force or is_repeated)
    else:
        require_writable(out, file.force or is_repeated)
        file.require_known()
    if file.resume or file.force or is_open:
        return
    if is_unfinished(out, is_in_parts):
        go_on = "" if is_in_parts else how_begun(out).get("go_on", "")
        raise ConfigError(
            f"an earlier prediction into {out} was interrupted",
            f"{go_on or 'continue with --resume'}; or start over with --force",
        )


def is_unfinished(out: Path, is_in_parts: bool) -> bool:
    """Return True if an interrupted prediction of this output has left rows (or parts, with `--engine ray`)."""
    left = next(hidden_folder(out).glob(PARTS), None) if is_in_parts else partial_path(out)
    return left is not None and left.is_file() and not left.is_symlink()
