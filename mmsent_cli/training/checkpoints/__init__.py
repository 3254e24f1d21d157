"""Checkpoints contain trained parameters, plain data, and digests of the frozen weights.

They are loaded with `weights_only=True`. `predict` reads `best_model.pt`. `last.pt` also contains the state of the
optimizer, for `--resume`.
"""

from mmsent_cli.training.checkpoints.load import fit_state, load_ensemble, load_trained, read_checkpoint, read_fold
from mmsent_cli.training.checkpoints.save import EnsembleParts, save_checkpoint, save_ensemble, save_fold, save_last
from mmsent_cli.training.checkpoints.schema import Description, describe, frozen_digests, require_same_frozen
