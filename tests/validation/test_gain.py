"""The c-statistic of a model beside that of a reference, on the same pairs of women."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from poi_predict.validation import compute_c_gain_within_folds, compute_c_statistic_within_folds


def test_the_gain_over_a_reference_is_the_difference_of_both_c_statistics_and_its_interval_is_paired():
    rng = np.random.default_rng(4)
    y = (rng.random(80) < 0.4).astype(int)
    fold = np.column_stack([rng.permutation(80) % 5 for _ in range(3)])
    model = expit(0.9 * y[:, None] + rng.normal(size=(80, 3)))
    near = expit(np.log(model / (1 - model)) + rng.normal(0, 0.05, (80, 3)))
    far = rng.random((80, 3))
    c = [compute_c_statistic_within_folds(y, p, fold).estimate for p in (model, near, far)]
    gains = [compute_c_gain_within_folds(y, model, p, fold) for p in (model, near, far)]
    np.testing.assert_allclose([gain.estimate for gain in gains], [0.0, c[0] - c[1], c[0] - c[2]], atol=1e-9)
    assert gains[0].ci_low == gains[0].ci_high == 0.0
    width = [gain.ci_high - gain.ci_low for gain in gains]
    assert width[1] < 0.2 * width[2]  # what both find hard cancels out


def test_the_interval_of_a_gain_covers_none_where_there_is_none():
    """Two predictions that know equally little: zero is in the 95 % interval of about 95 % of data sets."""
    rng, held = np.random.default_rng(9), 0
    for _ in range(200):
        y = np.zeros(60, dtype=int)
        y[rng.choice(60, 20, replace=False)] = 1
        gain = compute_c_gain_within_folds(y, rng.random(60), rng.random(60), np.arange(60) % 5)
        held += gain.ci_low <= 0 <= gain.ci_high
    assert held >= 186
