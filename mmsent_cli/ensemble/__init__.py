"""Ensembles: the members that predict a pair (models and linear probes), and the stacker that combines them.

Chosen: stacking of out-of-fold predictions. A model fits its training pairs within three epochs and is overconfident
on them; a probe on character n-grams is so at once. Their predictions for pairs that they were not trained on show how
reliable each member is, and a stacker with a few weights can use that. Rejected: n-grams as a further input of the
model, since they are fitted faster than all other features; one model with a larger head.
"""

from mmsent_cli.ensemble.ensemble import Ensemble, is_frozen, pool, probe_inputs
from mmsent_cli.ensemble.probabilities import geometric_mean, log_softmax, softmax
from mmsent_cli.ensemble.probes import (
    PROBES,
    Probe,
    ProbeInputs,
    auxiliary_encoders,
    fit_probe,
    join_inputs,
    reads_ocr,
)
from mmsent_cli.ensemble.stacker import Stacker, fit_stacker, stack_out_of_fold

__all__ = [
    "PROBES",
    "Ensemble",
    "Probe",
    "ProbeInputs",
    "Stacker",
    "auxiliary_encoders",
    "fit_probe",
    "fit_stacker",
    "geometric_mean",
    "is_frozen",
    "join_inputs",
    "log_softmax",
    "pool",
    "probe_inputs",
    "reads_ocr",
    "softmax",
    "stack_out_of_fold",
]
