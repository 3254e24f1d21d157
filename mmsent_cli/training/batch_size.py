"""Find the largest batch that fits into the memory of the device (`--auto-batch`).

The batch is halved and the accumulation steps are doubled until a training step with the longest texts fits. An
optimizer step then still covers the same number of pairs, or slightly more if a half is rounded up.
"""

import gc
from dataclasses import replace

import torch

from mmsent_cli.compute import processes
from mmsent_cli.config import to_dict
from mmsent_cli.errors import ConfigError
from mmsent_cli.progress import Progress, silent
from mmsent_cli.run_folders import CONFIG, LAST, Run
from mmsent_cli.training.memory import halved, out_of_memory
from mmsent_cli.training.plan import Plan
from mmsent_cli.training.workspace import Workspace


def with_fitting_batch(plan: Plan, run: Run, progress: Progress = silent) -> Plan:
    """Return the plan with the largest batch size that fits. The run records this size, so that it can be resumed.

    Args:
        plan: the plan of a run without folds.
        run: the run. After its first epoch, its batch size is not changed.
        progress: receives the number of encoded texts and images.

    Raises:
        ConfigError: several processes train the model.
        MmsentError: not even a batch of one pair fits.
    """
    if processes.count() > 1:
        raise ConfigError("--auto-batch works only in one process", "give --batch-size and --accumulation-steps")
    if run.path(LAST).is_file():
        return plan
    workspace = Workspace(plan, progress)
    while not _fits(workspace, plan):
        fit = plan.config.fit
        if fit.batch_size == 1:
            raise out_of_memory(fit)
        batch_size, steps = halved(fit)
        plan = replace(
            plan, config=replace(plan.config, fit=replace(fit, batch_size=batch_size, accumulation_steps=steps))
        )
    run.write_json(CONFIG, to_dict(plan.config))
    return plan


def _fits(workspace: Workspace, plan: Plan) -> bool:
    """Return True if a training step fits into the memory. The trainer is discarded afterwards to free the memory."""
    trainer = workspace.trainer(plan.config)[2]
    try:
        trainer.try_step()
        return True
    except torch.OutOfMemoryError:
        return False
    finally:
        del trainer
        gc.collect()
        if plan.compute.device_type == "cuda":
            torch.cuda.empty_cache()
