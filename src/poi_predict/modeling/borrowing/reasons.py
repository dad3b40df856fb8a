"""Why a woman's log-odds are what they are, and what her missing values leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.design import Design
    from poi_predict.modeling.borrowing.joint import JointFit
    from poi_predict.modeling.borrowing.links import Link
    from poi_predict.modeling.borrowing.predictive import WomanRows

    FloatArray = NDArray[np.float64]

__all__ = ["attribute_log_odds", "compute_gap_variance"]


def compute_gap_variance(
    design: Design, deviations: FloatArray, spread: list[FloatArray], mean: FloatArray, covariance: FloatArray
) -> FloatArray:
    """Return the variance that gaps leave in each woman's linear predictor, shape (n,).

    The deviations are those that act in her: without therapy, her protocol and its interactions do not. Both the
    effect of a missing value and the uncertainty of that effect count: with covariance S of the gaps,
    ``b' S b + trace(S Cov(b))``.
    """
    variance = np.zeros(len(deviations))
    if not spread:
        return variance
    rows, pattern, gaps = spread[0], spread[1].astype(np.intp), spread[2]
    rows = rows.astype(np.intp)
    first = 1 + design.has_effect
    at = np.arange(first, first + len(design.baseline))
    places = list(design.baseline)
    slopes = np.zeros((len(rows), deviations.shape[1]))
    slopes[:, places] = mean[at]
    row = first + len(design.baseline) + len(design.protocol)
    for position, (a, b) in enumerate(design.pairs):
        slopes[:, a] += mean[row + position] * deviations[rows, b]
        slopes[:, b] += mean[row + position] * deviations[rows, a]
    of_effects = np.einsum("pij,ij->p", gaps[:, places][:, :, places], covariance[np.ix_(at, at)])
    for k in range(len(gaps)):
        member = pattern == k
        some = slopes[member] if design.pairs else slopes[member][:1]
        variance[rows[member]] = ((some @ gaps[k]) * some).sum(axis=1) + of_effects[k]
    return variance


def attribute_log_odds(
    fit: JointFit, women: WomanRows, base: WomanRows, missing: NDArray[np.bool_], link: Link
) -> tuple[FloatArray, float]:
    """Attribute log-odds to columns.

    Parameters
    ----------
    fit : JointFit
    women, base : WomanRows
        The women, and the one row they are compared with.
    missing : ndarray of bool, shape (n_women, n_columns)
    link : Link
    """
    eta, variance = fit.linear_moments(women)
    eta_base, variance_base = fit.linear_moments(base)
    output, baseline = _average_log_odds(link, eta, variance), _average_log_odds(link, eta_base, variance_base)
    shares = fit.shares()
    moved = women.rows - base.rows
    terms = (moved * fit.mean) @ shares
    pull = (moved * ((moved + 2.0 * base.rows) @ fit.covariance)) @ shares
    gaps = missing & fit.fillable
    pull += gaps * (women.gap_variance / np.maximum(gaps.sum(axis=1), 1))[:, None]
    stretched = terms * link.shrinkage(variance)[:, None]
    rest = output - baseline - stretched.sum(axis=1)
    blame = np.abs(pull) + 1e-9 * np.abs(moved * fit.mean) @ shares + 1e-15
    return stretched + blame * (rest / blame.sum(axis=1))[:, None], float(baseline[0])


def _average_log_odds(link: Link, eta: FloatArray, variance: FloatArray) -> FloatArray:
    """Log-odds of the mean probability, finite where that probability is 1 to the last digit."""
    likelier, less = link.average_both(eta, variance)
    return np.asarray(np.log(likelier) - np.log(less), dtype=np.float64)
