"""`mmsent predict`: predict unlabelled pairs, or one pair, with a trained model."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Force, Json, RunsDir, options
from mmsent_cli.commands.output import print_notices, require_one_output
from mmsent_cli.config import DataConfig
from mmsent_cli.errors import DataError
from mmsent_cli.interrupts import on_interrupt

if TYPE_CHECKING:
    from mmsent_cli.data.layouts import Source

NAME = "standard input"
"""Name of the temporary file, which messages show. The file has no suffix, so its format is found from its content."""


def read_standard_input() -> str:
    """Read the whole of standard input as one text.

    Raises:
        DataError: standard input is empty, closed, or not text.
    """
    _prompt("type the text, then Ctrl-D:")
    try:
        text = "" if sys.stdin is None else sys.stdin.read().strip()
    except (UnicodeError, OSError) as error:
        raise DataError(f"cannot read the text from standard input: {error}", "write the text after --text") from error
    if not text:
        raise DataError("standard input is empty", 'pipe a text in, as in: echo "what a day" | mmsent predict --text -')
    return text


@contextmanager
def standard_input_table() -> Iterator["Source"]:
    """Copy the table from standard input to a temporary file, since a table is read several times.

    The table is yielded as a source. Relative image paths start in the current folder.

    Raises:
        DataError: standard input is empty or closed, or cannot be copied.
    """
    from mmsent_cli.data.layouts import Source
    from mmsent_cli.files import reason

    _prompt("type a table with a header, then Ctrl-D:")
    with ExitStack() as cleanup:
        try:
            folder = Path(tempfile.mkdtemp(prefix="mmsent-"))
            remove = partial(shutil.rmtree, folder, ignore_errors=True)
            cleanup.callback(remove)
            cleanup.enter_context(on_interrupt(remove))
            path = _spool(folder / NAME)
        except OSError as error:
            raise DataError(
                f"cannot copy the table from standard input to a temporary file: {reason(error)}",
                "save the table to a file, and set --data to this file",
            ) from error
        yield Source(path, "manifest", "data: standard input (--data -)", home=Path.cwd())


def _spool(path: Path) -> Path:
    """Write standard input to a file.

    Raises:
        DataError: standard input is empty or closed.
        OSError: standard input cannot be read, or the file cannot be written.
    """
    from mmsent_cli.data.tables.opening import first_bytes

    with path.open("wb") as file:
        if sys.stdin is not None:
            shutil.copyfileobj(sys.stdin.buffer, file)
    if not first_bytes(path):
        raise DataError("standard input is empty", "pipe a table in: mmsent predict --data - --out out.csv < pairs.csv")
    return path


def _prompt(text: str) -> None:
    if sys.stdin is not None and sys.stdin.isatty():
        print(text, file=sys.stderr)


@options(COMMANDS["predict"])
def predict(
    given: dict[str, Any],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, or - for standard output. The file extension sets the format: .csv, .txt, .tsv,"
            " .jsonl, or .parquet (needs pip install '.\\[parquet]'). The columns are guid and tag"
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    text: Annotated[
        str | None, typer.Option(help="Text of one pair to predict, or - to read the text from standard input")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Image file of one pair to predict")] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Also write the probability of each class, and a column 'missing'. It says text or image if the pair"
            " lacks this part, and is empty otherwise",
        ),
    ] = False,
    force: Force = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue an interrupted prediction into the same --out file. Finished predictions are kept",
        ),
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Predict the sentiment of all pairs without a label (--out FILE), or of one pair (--text, --image, or both).

    With --data -, a table is read from standard input. Its image paths are relative to the current folder.
    """
    if out is not None:
        _require_request(out, given, force, resume)
    from mmsent_cli import api
    from mmsent_cli.next_steps import after_predict
    from mmsent_cli.outputs import STANDARD_OUTPUT
    from mmsent_cli.reports.progress import ProgressView
    from mmsent_cli.reports.small_results import print_predict
    from mmsent_cli.reports.tables import print_json

    require_one_output(out, json)
    pair: dict[str, Any] = {"text": read_standard_input() if text == "-" else text, "image": image}
    typed = {name: value for name, value in given.items() if name in {each.name for each in fields(DataConfig)}}
    file = {"out": out, "probabilities": probabilities, "force": force, "resume": resume}
    where = {"checkpoint": checkpoint, "runs_dir": runs_dir}
    with ExitStack() as stack:
        if given.get("data") == "-":
            given["data"] = stack.enter_context(standard_input_table())
        progress = stack.enter_context(ProgressView(is_brief=json))
        result = api.predict(progress=progress, **pair, **file, **where, **given)
    if out == STANDARD_OUTPUT:
        print_notices(result.notes)
    elif json:
        print_json(result)
    else:
        print_predict(result, [] if given.get("engine") == "ray" else after_predict(result, typed, **pair))


def _require_request(out: Path, given: dict[str, Any], force: bool, resume: bool) -> None:
    """Check that the output can be written, before torch is imported."""
    from mmsent_cli.config import build
    from mmsent_cli.config.command_settings import PredictSettings
    from mmsent_cli.inference.early import require_request
    from mmsent_cli.inference.rows import PredictionFile

    settings = build(PredictSettings, COMMANDS["predict"].sort(given)[PredictSettings])
    file = PredictionFile(out=out, force=force, resume=resume, settings=settings)
    require_request(file, is_in_parts=given.get("engine") == "ray")
