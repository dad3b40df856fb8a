from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from poi_predict.evidence.consistency import compute_exact_interval, compute_log_odds_ratio


@given(n=st.integers(1, 400), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_exact_interval_puts_the_tail_probability_at_its_limits(n, share):
    events = round(share * n)
    low, high = compute_exact_interval(events, n)
    assert low <= events / n <= high
    if events > 0:
        assert binom.sf(events - 1, n, low) == pytest.approx(0.025, rel=1e-6)
    if events < n:
        assert binom.cdf(events, n, high) == pytest.approx(0.025, rel=1e-6)


def test_interval_reaches_the_ends_without_and_with_events_only():
    assert compute_exact_interval(0, 21)[0] == 0
    assert compute_exact_interval(21, 21)[1] == 1


def test_an_empty_cell_takes_half_a_woman_and_stays_finite():
    table = pd.DataFrame(
        {
            "exposed_events": [7, 8],
            "exposed_n": [33, 25],
            "reference_events": [0, 0],
            "reference_n": [17, 25],
        }
    )
    log_odds_ratio, se = compute_log_odds_ratio(table)
    assert np.exp(log_odds_ratio).round(2).tolist() == [9.91, 24.77]
    assert se.round(3).tolist() == [1.493, 1.488]
