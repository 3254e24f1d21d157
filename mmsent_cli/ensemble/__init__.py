"""Ensembles: models and probes (the members), and the stacker that combines their predictions.

Chosen: stacking of out-of-fold predictions. Members are overconfident on their training pairs. Their out-of-fold
predictions show how reliable they are, and the stacker weights them accordingly. Rejected: n-grams as an input of the
model, since the model overfits to n-grams before it learns from the other features; one model with a larger head.
"""

from mmsent_cli.ensemble.ensemble import NETWORK, Ensemble, is_frozen, pool, probe_inputs
from mmsent_cli.ensemble.probabilities import geometric_mean, log_softmax, softmax
from mmsent_cli.ensemble.probe_specs import PROBES, auxiliary_encoders, find_probe, reads_ocr
from mmsent_cli.ensemble.probes import Probe, ProbeInputs, fit_probe, join_inputs
from mmsent_cli.ensemble.stacker import Stacker, fit_stacker, stack_out_of_fold
