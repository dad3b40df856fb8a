"""Whether one of two models is better on the same women, or these data cannot tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import LEAST_PROBABILITY, check_predicted_outcomes
from .intervals import build_estimate, compute_mean_influence
from .refitting import widen_difference

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .estimate import Estimate

__all__ = ["compute_log_loss_reduction"]


def compute_log_loss_reduction(
    y_true: ArrayLike,
    p_response: ArrayLike,
    p_reference: ArrayLike,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    *,
    patient: ArrayLike | None = None,
) -> Estimate:
    """Log loss of a reference less that of a model, on the same women; above 0 the model is better.

    The difference is taken woman by woman, so what makes her hard to predict for both cancels out.
    Probabilities are kept a millionth away from 0 and 1, so that one confident error weighs heavily but not
    infinitely.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    p_response, p_reference : arrays of shape (n,) or (n, repeats)
        Probabilities by the model and by the reference, from the same folds. With repeats the interval counts that
        the models were refitted on these women (`refitting`).
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row, who counts once in the interval.
    level : float
        Confidence level.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    A model that says what everyone knew is no better than it:

    >>> compute_log_loss_reduction([1, 0, 0, 1], [0.5] * 4, [0.5] * 4).estimate
    0.0
    """
    method = "log loss of the reference less that of the model, paired, influence-function t interval"
    model = check_predicted_outcomes(y_true, p_response, weight, patient)
    reference = check_predicted_outcomes(y_true, p_reference, weight, patient)
    reduction = _log_losses(model.y, reference.p) - _log_losses(model.y, model.p)
    mean, influence = compute_mean_influence(reduction, model.weight)
    estimate = build_estimate(mean, influence, model, method=method, level=level)
    return widen_difference(estimate, model.n_patients) if model.p.shape[1] > 1 else estimate


def _log_losses(y: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.clip(p, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    return -np.log(np.where(y[:, np.newaxis] == 1.0, kept, 1.0 - kept))
