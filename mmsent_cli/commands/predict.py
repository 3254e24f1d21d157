"""`mmsent predict`: predict unlabelled pairs, or one pair, with a trained model."""

from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from mmsent_cli.command_settings import COMMANDS
from mmsent_cli.commands.options import Checkpoint, Force, Json, RunsDir, options
from mmsent_cli.commands.output import print_notices, require_one_output
from mmsent_cli.config import DataConfig


@options(COMMANDS["predict"])
def predict(
    given: dict[str, Any],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write. Its ending gives the format: .csv, .txt, .tsv (a row guid,tag per pair), .jsonl,"
            " .parquet (needs the extra parquet). - writes to standard output"
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    text: Annotated[
        str | None, typer.Option(help="Predict a single pair with this text. - reads the text from standard input")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="Predict a single pair with this image")] = None,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Add the probability of each class, and a column with the missing modality (text, image or empty)",
        ),
    ] = False,
    force: Force = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the interrupted prediction of the same --out file. Finished predictions are kept",
        ),
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Predict the sentiment of all unlabelled pairs (--out FILE), or of one pair (--text, --image).

    With --data -, a table is read from standard input. Its image paths are relative to the current folder.
    """
    if out is not None:
        _require_request(out, given, force, resume)
    from mmsent_cli import api
    from mmsent_cli.commands.standard_input import read_standard_input, standard_input_table
    from mmsent_cli.next_steps import after_predict
    from mmsent_cli.outputs import STANDARD_OUTPUT
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.predict import print_predict
    from mmsent_cli.reports.progress import ProgressView

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
    """Refuse an output that cannot be written before torch is imported."""
    from mmsent_cli.config import build
    from mmsent_cli.inference.early import require_request
    from mmsent_cli.inference.rows import PredictionFile
    from mmsent_cli.inference.settings import PredictSettings

    settings = build(PredictSettings, COMMANDS["predict"].sort(given)[PredictSettings])
    file = PredictionFile(out=out, force=force, resume=resume, settings=settings)
    require_request(file, is_in_parts=given.get("engine") == "ray")
