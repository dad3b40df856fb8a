"""Clinical utility: net benefit of treating by the model, against treating everyone and no one.

Vickers & Elkin (2006), doi:10.1177/0272989X06295361. At threshold t a woman is treated when her predicted
probability is at least t, and a false positive costs t / (1 - t) of a true positive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .arrays import FloatArray, PredictedOutcomes, check_predicted_outcomes
from .intervals import build_estimate, compute_mean_influence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

    from .estimate import Estimate

__all__ = ["compute_decision_curve", "compute_net_benefit", "compute_net_benefit_treat_all"]

METHOD = "net benefit, influence-function t interval"


def compute_net_benefit(
    y_true: ArrayLike,
    p_response: ArrayLike,
    threshold: float,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Net true positives per woman when all with a probability of at least `threshold` are treated.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_response : array of shape (n,) or (n, repeats)
        Predicted probabilities; the mean over repeats is reported.
    threshold : float
        Between 0 and 1, exclusive.

    Raises
    ------
    ValueError
        If an array is malformed or the threshold is outside (0, 1).

    Examples
    --------
    Of four women two are treated, one rightly; at 20 % a false positive costs a quarter: (1 - 1/4) / 4.

    >>> compute_net_benefit([1, 0, 0, 1], [0.6, 0.3, 0.1, 0.1], 0.2).estimate
    0.1875
    """
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    return _estimate_net_benefit(_compute_gain(sample, threshold), sample, level)


def compute_net_benefit_treat_all(
    y_true: ArrayLike,
    threshold: float,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Net benefit of treating every woman; parameters as for `compute_net_benefit`.

    Examples
    --------
    >>> compute_net_benefit_treat_all([1, 0, 0, 1], 0.5).estimate
    0.0
    """
    y = np.asarray(y_true, dtype=np.float64)
    return compute_net_benefit(y, np.ones_like(y), threshold, weight, level, patient=patient)


def compute_decision_curve(
    y_true: ArrayLike,
    p_response: ArrayLike,
    thresholds: Iterable[float],
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> pd.DataFrame:
    """Net benefit over thresholds, for the model and for the two policies that need none.

    Returns
    -------
    DataFrame
        One row for each threshold and strategy: ``threshold``, ``strategy`` (``model``, ``treat_all``,
        ``treat_none``, ``model_minus_best_default``), ``net_benefit``, ``ci_low``, ``ci_high``, ``reason``
        (why there is no interval). The difference is the one that answers whether the model helps; its
        default is the better of treating all and none at that threshold in these data.

    Examples
    --------
    >>> curve = compute_decision_curve([1, 0, 0, 1], [0.6, 0.3, 0.1, 0.1], [0.2])
    >>> curve[["strategy", "net_benefit"]].values.tolist()
    [['model', 0.1875], ['treat_all', 0.375], ['treat_none', 0.0], ['model_minus_best_default', -0.1875]]
    """
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    records = []
    for threshold in thresholds:
        by_model = _compute_gain(sample, threshold)
        for_all = np.broadcast_to(_compute_gain_if_treated(sample, threshold), by_model.shape)
        nobody = np.zeros_like(by_model)
        default = for_all if np.average(for_all[:, 0], weights=sample.weight) > 0.0 else nobody
        strategies = {
            "model": by_model,
            "treat_all": for_all,
            "treat_none": nobody,
            "model_minus_best_default": by_model - default,
        }
        for strategy, gain in strategies.items():
            estimate = _estimate_net_benefit(gain, sample, level)
            records.append((threshold, strategy, estimate))
    return pd.DataFrame(
        {
            "threshold": [threshold for threshold, _, _ in records],
            "strategy": [strategy for _, strategy, _ in records],
            "net_benefit": [estimate.estimate for _, _, estimate in records],
            "ci_low": pd.Series([estimate.ci_low for _, _, estimate in records], dtype="float64"),
            "ci_high": pd.Series([estimate.ci_high for _, _, estimate in records], dtype="float64"),
            "reason": pd.Series([estimate.reason for _, _, estimate in records], dtype="str"),
        }
    )


def _compute_gain_if_treated(sample: PredictedOutcomes, threshold: float) -> FloatArray:
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"threshold must lie between 0 and 1; it is {threshold}")
    gain: FloatArray = (sample.y - (1.0 - sample.y) * threshold / (1.0 - threshold))[:, np.newaxis]
    return gain


def _compute_gain(sample: PredictedOutcomes, threshold: float) -> FloatArray:
    gain: FloatArray = (sample.p >= threshold) * _compute_gain_if_treated(sample, threshold)
    return gain


def _estimate_net_benefit(gain: FloatArray, sample: PredictedOutcomes, level: float) -> Estimate:
    mean, influence = compute_mean_influence(gain, sample.weight)
    return build_estimate(mean, influence, sample, method=METHOD, level=level)
