"""Several members of one pair, and the rule that joins them: networks, linear probes, and a stacker.

Chosen: late stacking on out-of-fold answers. A network that sees everything learns the training pairs by heart within
three epochs and then trusts itself too much; a character model does so at once. What each of them says of pairs that
it did not see tells how far to trust it, and a handful of numbers is enough to say it. Rejected: joining words as one
more input of the network, which drowns them in features that fit faster; and one network with a larger head.
"""

from mmsent_cli.ensemble.ensemble import Ensemble, is_frozen, log_softmax, mean_answer, pool, probe_inputs
from mmsent_cli.ensemble.probes import (
    PROBES,
    Probe,
    ProbeInputs,
    encoders_read,
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
    "encoders_read",
    "fit_probe",
    "fit_stacker",
    "is_frozen",
    "join_inputs",
    "log_softmax",
    "mean_answer",
    "pool",
    "probe_inputs",
    "reads_ocr",
    "stack_out_of_fold",
]
