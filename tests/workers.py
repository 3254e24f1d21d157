"""Training workers that are forked from a process with everything imported; each spawned one imports PyTorch anew."""

import multiprocessing
import os
from functools import partial
from types import SimpleNamespace

from mmsent_cli.training import parallel

IMPORTED = ("mmsent_cli.experiments.arms", "mmsent_cli.training.fold_models", "tests.training.test_parallel")
"""What tests train with."""
LIBRARIES = ("accelerate", "openvino", "scipy.stats", "sklearn.linear_model", "transformers", "torchvision.models")
work = parallel._work


def work_here(environment, connection):
    """Train with these environment variables, and not with those of the process that forks."""
    os.environ.clear()
    os.environ.update(environment)
    work(connection)


class WorkHere:
    """Takes along the environment variables at the start of a worker, as spawning does."""

    def __reduce__(self):
        return partial, (work_here, dict(os.environ))


def fork_workers(patch):
    """Fork the training workers as long as a `MonkeyPatch` lasts."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES, *IMPORTED])
    current = multiprocessing.current_process
    patch.setattr(parallel, "multiprocessing", SimpleNamespace(get_context=lambda _: context, current_process=current))
    patch.setattr(parallel, "_work", WorkHere())
