"""Record finished predictions in the cache. With `--resume`, a finished prediction is not computed again."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mmsent_cli.config import to_dict
from mmsent_cli.errors import ConfigError, MmsentError
from mmsent_cli.files import atomic_write
from mmsent_cli.inference.partial import partial_path
from mmsent_cli.inference.rows import PredictionFile
from mmsent_cli.inference.scale.folder import hidden_folder
from mmsent_cli.results import Finding, PredictedBy, PredictResult, UnusablePair

NOTHING_TO_DO = "nothing to do: this prediction was finished before, and its output has not changed"


def whole_identity(file: PredictionFile, rows: Mapping[str, Any], inputs: Iterable[Path]) -> dict[str, Any]:
    """Return everything that a finished output depends on, as plain values: rows, format and input files."""
    form = {**to_dict(file.settings), "has_probabilities": file.has_probabilities}
    return json.loads(json.dumps({"rows": rows, "form": form, "inputs": blake2b(_states(inputs)).hexdigest()}))


def finished_before(file: PredictionFile, identity: Mapping[str, Any], cache: Path) -> PredictResult | None:
    """Return the recorded result if `file.resume` is set and the prediction is already finished; else None.

    Raises:
        ConfigError: with `file.resume`: the output exists, but was not written by this prediction.
    """
    is_begun = any(place(file.out).exists() for place in (partial_path, hidden_folder))
    if not file.resume or not file.out.exists() or is_begun:
        return None
    record = _read(file.out, cache)
    if record.get("identity") == identity and record.get("state") == _states([file.out]).decode():
        plain = record["result"]
        result = PredictResult(
            **{
                **plain,
                "model": PredictedBy(**plain["model"]),
                "unusable": tuple(UnusablePair(**pair) for pair in plain["unusable"]),
                "findings": tuple(Finding(**one) for one in plain["findings"]),
            }
        )
        return replace(result, notes=(NOTHING_TO_DO, *plain["notes"]))
    if file.force:
        return None
    raise ConfigError(
        f"{file.out} exists already, but is not the output of this prediction: the checkpoint, the pairs, the"
        " settings or the file have changed",
        "to predict again, replace --resume by --force",
    )


def remember(file: PredictionFile, identity: Mapping[str, Any], result: PredictResult, cache: Path) -> None:
    """Record the result of a finished prediction in `cache`. If the cache cannot be written, nothing is recorded."""
    record = {"identity": identity, "state": _states([file.out]).decode(), "result": asdict(result)}
    with contextlib.suppress(OSError, MmsentError):
        cache.mkdir(parents=True, exist_ok=True)
        atomic_write(_place(file.out, cache), json.dumps(record).encode())


def checkpoint_of(out: Path, cache: Path) -> str | None:
    """Return the path of the checkpoint that wrote a prediction file; None if `cache` has no record of it."""
    return _read(out, cache).get("result", {}).get("checkpoint")


def _read(out: Path, cache: Path) -> dict[str, Any]:
    try:
        record = json.loads(_place(out, cache).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _place(out: Path, cache: Path) -> Path:
    name = blake2b(str(out.absolute()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return cache / f"prediction-{name}.json"


def _states(files: Iterable[Path]) -> bytes:
    """Return the paths, sizes and modification times of the files that exist, encoded as UTF-8."""
    lines = []
    for path in files:
        with contextlib.suppress(OSError):
            state = path.stat()
            lines.append(f"{path.absolute()} {state.st_size} {state.st_mtime_ns}")
    return "\n".join(lines).encode("utf-8", "backslashreplace")
