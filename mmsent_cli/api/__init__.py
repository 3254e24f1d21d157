"""The Python interface: the commands as functions, with the same settings as keywords.

The functions print nothing, write the same files as the commands, and return the result. All options of
`mmsent COMMAND --help` are keywords of the functions: the option `--head-lr 0.001` is the keyword `head_lr=0.001`.

The module of a function is imported when the function is first used. So `predict` does not import modules that only
`train` needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmsent_cli.api.data import check, env, inspect_encoding, read_pairs, split
    from mmsent_cli.api.evaluation import compare, evaluate, explain, export, runs, serve
    from mmsent_cli.api.models import load, predict
    from mmsent_cli.api.training import ablate, augment_compare, compare_fusions, list_fusions, paper, train, tune

MODULES = {
    "data": ("check", "env", "inspect_encoding", "read_pairs", "split"),
    "evaluation": ("compare", "evaluate", "explain", "export", "runs", "serve"),
    "models": ("load", "predict"),
    "training": ("ablate", "augment_compare", "compare_fusions", "list_fusions", "paper", "train", "tune"),
}


def __getattr__(name: str) -> Any:
    for module, names in MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
