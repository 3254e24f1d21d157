"""Set the random state from the run's seed and the epoch, so that a resumed run has the same random numbers."""

import random

import numpy as np
import torch

from mmsent_cli.compute.determinism import request_determinism


def seed_everything(seed: int, epoch: int = 0, process: int = 0) -> None:
    """Seed Python, numpy and torch for an epoch (0: building the model), and request deterministic kernels."""
    mixed = int(np.random.SeedSequence([seed, epoch, process] if process else [seed, epoch]).generate_state(1)[0])
    random.seed(mixed)
    np.random.seed(mixed)
    torch.manual_seed(mixed)
    request_determinism()
