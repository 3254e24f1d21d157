"""The one-page report of a run: HTML with its style, figures and thumbnails inside, ready to be mailed."""

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsent_cli.render.figures import confusion_png, curves_png
from mmsent_cli.render.tables import interval, majority_macro_f1, parameters, percent, seconds
from mmsent_cli.results import TrainResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportExample:
    """One validation pair shown in the report. `probability` (0 to 1) is that of the predicted class."""

    guid: str
    text: str
    thumbnail_jpeg: bytes | None
    true: str
    predicted: str
    probability: float


def train_report(
    result: TrainResult,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    examples: Sequence[ReportExample],
) -> str:
    """Write the report of a finished training run as one self-contained HTML page.

    Args:
        result: the run.
        config: its resolved configuration, as in `config.json`: sections of settings.
        environment: versions, device and digests, in any nesting.
        examples: validation pairs, right and wrong, in the order to be shown.
    """
    right = [example for example in examples if example.true == example.predicted]
    wrong = [example for example in examples if example.true != example.predicted]
    return _template().render(
        result=result,
        facts=_facts(result),
        majority_macro_f1=majority_macro_f1(result.majority_accuracy, len(result.labels)),
        curves=_data_uri(curves_png(result.history, result.majority_accuracy), "png") if result.history else None,
        confusion=_data_uri(confusion_png(result.best.confusion, result.labels), "png"),
        groups=[(name, group) for name, group in (("Wrong", wrong), ("Right", right)) if group],
        settings=[(f"{section} {name}", value) for section, name, value in _settings(config)],
        environment=_flat(environment),
        command=shlex.join(["mmsent", "train", "--config", str(Path(result.run) / "config.json")]),
    )


def _facts(result: TrainResult) -> list[tuple[str, str]]:
    return [
        ("Training pairs", f"{result.train_pairs:,}"),
        ("Validation pairs", f"{result.val_pairs:,}"),
        ("Classes", ", ".join(result.labels)),
        ("Text encoding", result.encoding),
        ("Encoders", result.encoders),
        ("Fusion", result.fusion),
        ("Parameters", parameters(result.trainable_parameters, result.total_parameters)),
        ("Device", f"{result.device}, {result.precision}"),
        ("Time", f"{seconds(result.seconds)}, of it {seconds(result.prepare_seconds)} to prepare"),
        ("Epochs", f"{result.epochs}, best {result.best_epoch}"),
        ("Pairs with problems", str(result.problems)),
        ("Run", result.run),
    ]


def _settings(config: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for section, values in config.items():
        rows += [
            (section, name, value) for name, value in _flat(values if isinstance(values, Mapping) else {"": values})
        ]
    return rows


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested values as rows of a dotted name and a text."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            rows.append((f"{prefix}{name}", text))
    return rows


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _unbroken(figure: str) -> str:
    return figure.replace(" ", "\u00a0")


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: _unbroken(percent(share)),
        interval=lambda bounds: _unbroken(interval(bounds)),
        jpeg=lambda content: _data_uri(content, "jpeg"),
    )
    return environment.get_template("report.html")
