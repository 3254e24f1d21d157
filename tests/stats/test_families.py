"""McNemar, Holm and the verdict."""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from mmsent_cli.stats import holm, mcnemar, verdict

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_agrees_with_statsmodels_and_scipy(answers):
    arm, baseline = np.array(answers, dtype=float).T
    both, only_arm = np.sum((arm == 1) & (baseline == 1)), np.sum((arm == 1) & (baseline == 0))
    only_baseline, neither = np.sum((arm == 0) & (baseline == 1)), np.sum((arm == 0) & (baseline == 0))
    p = mcnemar(arm, baseline)
    if only_arm + only_baseline:
        table = [[both, only_arm], [only_baseline, neither]]
        assert p == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue)
        assert p == pytest.approx(binomtest(int(only_arm), int(only_arm + only_baseline)).pvalue)
    else:
        assert p == 1.0
    assert mcnemar(baseline, arm) == pytest.approx(p)


@settings(max_examples=25)
@given(P_VALUES)
def test_holm_agrees_with_statsmodels(p_values):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda *_: 0)  # which statsmodels calls each time
        expected = multipletests(p_values, method="holm")[1]
    assert holm(p_values) == pytest.approx(expected)


@given(P_VALUES)
def test_holm_never_lowers_a_p_nor_changes_their_order(p_values):
    adjusted = holm(p_values)
    assert all(raw <= value <= 1 for raw, value in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_holm_of_nothing_is_nothing():
    assert holm([]) == ()


@pytest.mark.parametrize(
    ("difference", "p_adjusted", "word"),
    [
        (0.1, 0.049, "better"),
        (-0.1, 0.049, "worse"),
        (0.1, 0.05, "not distinguishable"),
        (-0.1, 1.0, "not distinguishable"),
    ],
)
def test_the_verdict_follows_sign_and_adjusted_p(difference, p_adjusted, word):
    assert verdict(difference, p_adjusted) == word
