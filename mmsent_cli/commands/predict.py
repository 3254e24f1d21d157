"""`mmsent predict`: a trained model over unlabelled pairs, or over one."""

from pathlib import Path
from typing import Annotated

import typer

from mmsent_cli.commands.options import Checkpoint, Force, Json, RunsDir, options
from mmsent_cli.config import DataConfig, RuntimeConfig
from mmsent_cli.errors import ConfigError


@options(DataConfig, RuntimeConfig, omit={"labels", "limit", "workers", "jobs", "save_all"})
def predict(
    data: DataConfig,
    runtime: RuntimeConfig,
    out: Annotated[Path | None, typer.Option(help="File to write, rows guid,tag")] = None,
    checkpoint: Checkpoint = None,
    text: Annotated[str | None, typer.Option(help="Predict one pair: its text")] = None,
    image: Annotated[Path | None, typer.Option(help="Predict one pair: its image")] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column a class, and one naming a missing modality")
    ] = False,
    force: Force = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Predict the sentiment of unlabelled pairs, or of one text with its image."""
    is_single = text is not None or image is not None
    if is_single == (out is not None):
        raise ConfigError(
            "predict needs either an output file or one pair", "--out submission.txt, or --text WORDS --image FILE"
        )
    from mmsent_cli.records import find_checkpoint

    found = find_checkpoint(checkpoint, runs_dir)

    from mmsent_cli.inference.stream import predict_file, predict_one
    from mmsent_cli.reports.console import print_json
    from mmsent_cli.reports.predict import print_predict
    from mmsent_cli.reports.progress import ProgressView

    if out is None:
        result = predict_one(found, text, image, runtime)
    else:
        with ProgressView() as progress:
            result = predict_file(found, data, runtime, out, progress, probabilities, force)
    print_json(result) if json else print_predict(result)
