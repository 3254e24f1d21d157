"""Several judges of one pair, and the rule that joins them: networks, linear experts, and a stacker.

Chosen: late stacking on out-of-fold answers. A network that sees everything learns the training pairs by heart within
three epochs and then trusts itself too much; a character model does so at once. What each of them says of pairs that
it did not see tells how far to trust it, and a handful of numbers is enough to say it. Rejected: joining words as one
more input of the network, which drowns them in features that fit faster; and one network with a larger head.
"""

from mmsent_cli.ensemble.ensemble import Ensemble, expert_inputs, is_frozen, log_softmax, mean_answer, pool
from mmsent_cli.ensemble.experts import (
    EXPERTS,
    Expert,
    ExpertInputs,
    encoders_read,
    fit_expert,
    join_inputs,
    reads_writing,
)
from mmsent_cli.ensemble.stacking import Stacker, fit_stacker, stack_out_of_fold

__all__ = [
    "EXPERTS",
    "Ensemble",
    "Expert",
    "ExpertInputs",
    "Stacker",
    "encoders_read",
    "expert_inputs",
    "fit_expert",
    "fit_stacker",
    "is_frozen",
    "join_inputs",
    "log_softmax",
    "mean_answer",
    "pool",
    "reads_writing",
    "stack_out_of_fold",
]
