"""Sentiment of text with an image: train, predict, compare.

The names below are imported when they are first used, so that importing this package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsent_cli.api import (
        ablate,
        augment_compare,
        check,
        compare,
        compare_fusions,
        env,
        evaluate,
        explain,
        export,
        inspect_encoding,
        load,
        paper,
        predict,
        read_pairs,
        runs,
        serve,
        split,
        train,
        tune,
    )
    from mmsent_cli.estimator import SentimentClassifier

__version__ = "0.1.0"
__all__ = [
    "SentimentClassifier",
    "ablate",
    "augment_compare",
    "check",
    "compare",
    "compare_fusions",
    "env",
    "evaluate",
    "explain",
    "export",
    "inspect_encoding",
    "load",
    "paper",
    "predict",
    "read_pairs",
    "runs",
    "serve",
    "split",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"mmsent_cli.{'estimator' if name == 'SentimentClassifier' else 'api'}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
