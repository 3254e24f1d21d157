"""Continue an interrupted prediction: find its finished rows, check them, and print how to continue."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmsent_cli import __version__
from mmsent_cli.config import COLUMNS, DataConfig, RuntimeConfig, to_dict
from mmsent_cli.data.layouts import Source, is_pattern
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import default_cache_dir, with_way_on
from mmsent_cli.inference.early import is_unfinished
from mmsent_cli.inference.finished_output import checkpoint_of
from mmsent_cli.inference.partial import START_OVER, Row, how_begun
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.inference.rows import PredictionFile
from mmsent_cli.inference.settings import PredictSettings
from mmsent_cli.interrupts import advice
from mmsent_cli.outputs import STANDARD_OUTPUT, is_stream
from mmsent_cli.printed_commands import command_line
from mmsent_cli.results import PredictedBy, Prediction
from mmsent_cli.training.checkpoints import Description


def identity_of(
    model: PredictedBy, source: Source, predictor: Predictor, data: DataConfig, rows: int, file: PredictionFile
) -> dict[str, Any] | None:
    """Return what the rows of a prediction depend on; None if it cannot be continued.

    Args:
        model: what predicts.
        source: where the pairs are.
        predictor: the loaded checkpoint.
        data: settings of the data.
        rows: number of rows to predict.
        file: the file that the prediction is to write.

    Raises:
        ConfigError: `file.resume` is set, and the prediction cannot be continued.
    """
    if file.out == STANDARD_OUTPUT or is_stream(file.out):
        if file.resume:
            raise ConfigError(f"a prediction into {file.out} cannot be resumed", "give a plain file with --out")
        return None
    if source.home is not None:
        if file.resume:
            raise ConfigError("a prediction of standard input cannot be resumed", "save the table to a file")
        return None
    compute = predictor.compute
    return {
        "mmsent": model.mmsent,
        "checkpoint": model.checkpoint_digest,
        "data": source.place,
        "rows": rows,
        "shard": file.settings.shard,
        "on_bad": data.on_bad,
        "columns": [getattr(data, name) for name in COLUMNS],
        "encoding": data.encoding,
        "compute": [compute.device, compute.precision, compute.engine_name, predictor.chunk_pairs],
    }


def done_before(row: Row, pair: Pair | None, out: Path, labels: Sequence[str]) -> Prediction:
    """Return the prediction in a finished row, after checking that it belongs to the next pair.

    Raises:
        ConfigError: the row belongs to another pair.
    """
    if pair is None or pair.guid != row[0]:
        raise ConfigError(f"the pairs have changed since the prediction of {out} was interrupted", START_OVER)
    shares = dict(zip(labels, row[3:], strict=True))
    return Prediction(guid=row[0], tag=row[1], probabilities=shares, missing=row[2])


def begun_with(out: Path, runtime: RuntimeConfig) -> str | None:
    """Return the checkpoint that a prediction of an output was begun with; None if it is not known or not there."""
    began = how_begun(out).get("checkpoint") or checkpoint_of(out, default_cache_dir(runtime.cache_dir))
    return began if isinstance(began, str) and Path(began).is_file() else None


@contextmanager
def with_advice(go_on: str, file: PredictionFile, is_in_parts: bool = False) -> Iterator[None]:
    """If the prediction is interrupted in this block, or the disk is full, show how to continue it."""
    try:
        with advice(go_on):
            yield
    except MmsentError as error:
        raise (with_way_on(error, go_on) if is_unfinished(file.out, is_in_parts) else error) from error.__cause__
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {go_on}") from None


def resume_line(
    checkpoint: Path, given: Mapping[str, Any], runtime: RuntimeConfig, file: PredictionFile, source: Source
) -> str:
    """Return the command that continues an interrupted prediction, or the first command if nothing can be resumed."""
    if file.out == STANDARD_OUTPUT or is_stream(file.out) or source.home is not None:
        return "run the same command again"
    if source.kind == "frame":
        return f"go on with: predict(data, out={str(file.out.absolute())!r}, resume=True), with the same arguments"
    changed = _changed(runtime, RuntimeConfig())
    pairs = {**given, "data": _place(given, source)}
    output = {"out": file.out, "probabilities": file.has_probabilities, "force": file.force, "resume": True}
    asked = _changed(file.settings, PredictSettings())
    return f"go on with: {command_line('predict', {'checkpoint': checkpoint, **pairs, **changed, **asked, **output})}"


def _changed(settings: Any, usual: Any) -> dict[str, Any]:
    """The settings that differ from their defaults."""
    defaults = to_dict(usual)
    return {name: value for name, value in to_dict(settings).items() if value != defaults[name]}


def _place(given: Mapping[str, Any], source: Source) -> Path:
    """The source, or the pattern that it is the first file of."""
    pattern = given.get("data")
    return Path(pattern if pattern and is_pattern(pattern) else source.place)


def predicted_by(checkpoint: Path, description: Description) -> PredictedBy:
    """Return the run, the digest of the checkpoint file and the version of mmsent."""
    with checkpoint.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return PredictedBy(run=description.run, checkpoint_digest=digest, mmsent=__version__)
