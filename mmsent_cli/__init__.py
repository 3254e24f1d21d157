"""Sentiment of text with an image: train, predict, compare.

The names in `__all__` are imported when they are first used, so that importing this package is fast.
"""

from collections.abc import Callable
from functools import wraps
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
    if name == "SentimentClassifier":
        return import_module("mmsent_cli.estimator").SentimentClassifier
    globals()[name] = _with_keywords(getattr(import_module("mmsent_cli.api"), name))
    return globals()[name]


def _with_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that its errors name keywords instead of command-line options.

    The call gives a Python warning if the model predicts one class for nearly all pairs, or if it was evaluated on
    pairs that it was trained on.
    """
    from mmsent_cli.errors import MmsentError, in_python_words
    from mmsent_cli.results import warn_of_findings

    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            returned = function(*arguments, **keywords)
        except MmsentError as error:
            error.message, error.hint = in_python_words(error.message), in_python_words(error.hint)
            error.args = (error.message,)
            error.add_note(f"hint: {error.hint}")  # a traceback shows it below the message
            raise
        warn_of_findings(getattr(returned, "result", returned))
        return returned

    return call


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
