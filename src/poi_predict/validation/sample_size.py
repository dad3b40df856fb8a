"""What a cohort of this size can carry: Riley's criteria, shrinkage and error to expect.

Riley et al. (2020), doi:10.1136/bmj.m441, for binary outcomes: (1) little overfitting (shrinkage at least
0.9), (2) little difference between apparent and adjusted Nagelkerke R², (3) the overall risk within ± 0.05.
Expected error of individual predictions by van Smeden et al. (2019), doi:10.1177/0962280218784726.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

__all__ = [
    "SampleSize",
    "compute_affordable_parameters",
    "compute_expected_mape",
    "compute_expected_shrinkage",
    "compute_max_r2_cox_snell",
    "compute_r2_from_c_statistic",
    "compute_sample_size",
    "compute_sample_size_for_mape",
]

SHRINKAGE = 0.9
OPTIMISM_IN_R2 = 0.05
MARGIN_OF_RISK = 0.05
Z_95 = 1.96
"""As printed by Riley et al.; their numbers rest on two decimals."""


@dataclass(frozen=True)
class SampleSize:
    """Women needed by each of Riley's criteria.

    Attributes
    ----------
    for_shrinkage, for_r2, for_prevalence : int
        Criteria 1, 2 and 3.
    required : int
        The largest of them.
    events : int
        Expected number of events among the women required, rounded up.
    """

    for_shrinkage: int
    for_r2: int
    for_prevalence: int
    required: int
    events: int


def compute_max_r2_cox_snell(prevalence: float) -> float:
    """Largest Cox–Snell R² that any model can reach at this prevalence.

    Examples
    --------
    >>> round(compute_max_r2_cox_snell(0.05), 2)
    0.33
    """
    _check_fraction("prevalence", prevalence)
    log_likelihood = prevalence * math.log(prevalence) + (1.0 - prevalence) * math.log1p(-prevalence)
    return 1.0 - math.exp(2.0 * log_likelihood)


def compute_r2_from_c_statistic(c_statistic: float, prevalence: float) -> float:
    """Cox–Snell R² of a model with this c-statistic, its log-odds being normal in each class.

    Riley, Van Calster & Collins (2021), doi:10.1002/sim.8806, simulate a large data set; here the expected
    log-likelihood is integrated by Gauss–Hermite quadrature, without simulation error.

    Examples
    --------
    >>> round(compute_r2_from_c_statistic(0.75, 0.25), 3)
    0.145
    """
    _check_fraction("prevalence", prevalence)
    if not 0.5 < c_statistic < 1.0:
        raise ValueError(f"c_statistic must lie between 0.5 and 1; it is {c_statistic}")
    shift = math.sqrt(2.0) * float(ndtri(c_statistic))
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(101)
    node_weights = node_weights / node_weights.sum()
    intercept = math.log(prevalence / (1.0 - prevalence)) - shift**2 / 2.0
    for_events = -np.logaddexp(0.0, -(intercept + shift * (nodes + shift)))
    for_others = -np.logaddexp(0.0, intercept + shift * nodes)
    fitted = float(node_weights @ (prevalence * for_events + (1.0 - prevalence) * for_others))
    null = prevalence * math.log(prevalence) + (1.0 - prevalence) * math.log1p(-prevalence)
    return 1.0 - math.exp(2.0 * (null - fitted))


def compute_sample_size(r2_cox_snell: float, n_parameters: int, prevalence: float) -> SampleSize:
    """Women needed to develop a model (Riley's criteria 1–3).

    Parameters
    ----------
    r2_cox_snell : float
        Anticipated Cox–Snell R².
    n_parameters : int
        Candidate parameters considered, not those kept.
    prevalence : float
        Anticipated share with the event.

    Raises
    ------
    ValueError
        If R² is not between 0 and its maximum, or another argument is out of range.

    Examples
    --------
    >>> size = compute_sample_size(0.288, 24, 0.174)
    >>> size.for_shrinkage, size.for_r2, size.for_prevalence, size.required
    (623, 662, 221, 662)
    """
    _check_r2(r2_cox_snell, prevalence)
    if n_parameters < 1:
        raise ValueError(f"n_parameters must be at least 1; it is {n_parameters}")
    targets = (SHRINKAGE, _compute_shrinkage_for_r2(r2_cox_snell, prevalence))
    first, second = (math.ceil(n_parameters / _parameters_per_woman(s, r2_cox_snell)) for s in targets)
    third = math.ceil((Z_95 / MARGIN_OF_RISK) ** 2 * prevalence * (1.0 - prevalence))
    required = max(first, second, third)
    return SampleSize(first, second, third, required, math.ceil(required * prevalence))


def compute_affordable_parameters(n: int, r2_cox_snell: float, prevalence: float) -> int:
    """Largest number of parameters for which `n` women satisfy criteria 1 and 2; may be 0.

    Examples
    --------
    >>> compute_affordable_parameters(662, 0.288, 0.174)
    24
    >>> compute_affordable_parameters(60, 0.1, 0.2)
    0
    """
    _check_r2(r2_cox_snell, prevalence)
    strictest = max(SHRINKAGE, _compute_shrinkage_for_r2(r2_cox_snell, prevalence))
    return math.floor(n * _parameters_per_woman(strictest, r2_cox_snell) + 1e-9)


def compute_expected_shrinkage(n: int, n_parameters: int, r2_cox_snell: float) -> float:
    """Uniform shrinkage factor that `n` women and `n_parameters` lead one to expect; 1 is no overfitting.

    Solves criterion 1 for the shrinkage. `r2_cox_snell` is the anticipated (not the apparent) R².

    Examples
    --------
    >>> round(compute_expected_shrinkage(623, 24, 0.288), 2)
    0.9
    >>> round(compute_expected_shrinkage(100, 24, 0.288), 2)
    0.62
    """
    if not 0.0 < r2_cox_snell < 1.0:
        raise ValueError(f"r2_cox_snell must lie between 0 and 1; it is {r2_cox_snell}")
    if n < 1 or n_parameters < 1:
        raise ValueError(f"n and n_parameters must be at least 1; they are {n} and {n_parameters}")
    target = n_parameters / n

    def compute_excess(shrinkage: float) -> float:
        return _parameters_per_woman(shrinkage, r2_cox_snell) - target

    lowest, highest = r2_cox_snell * (1.0 + 1e-12), 1.0 - 1e-12
    if compute_excess(lowest) <= 0.0:
        return lowest
    return float(brentq(compute_excess, lowest, highest))


def compute_expected_mape(n: int, n_parameters: int, prevalence: float) -> float:
    """Mean absolute error of individual predictions to expect from an unpenalised logistic model.

    The formula of van Smeden et al. was fitted to simulations with up to 12 parameters; beyond them it is an
    extrapolation. A prevalence above one half is mirrored.

    Examples
    --------
    >>> round(compute_expected_mape(189, 8, 59 / 189), 7)
    0.0733141
    """
    _check_fraction("prevalence", prevalence)
    if n < 1 or n_parameters < 1:
        raise ValueError(f"n and n_parameters must be at least 1; they are {n} and {n_parameters}")
    rarer = min(prevalence, 1.0 - prevalence)
    return math.exp(-0.508 + 0.259 * math.log(rarer) + 0.504 * math.log(n_parameters) - 0.544 * math.log(n))


def compute_sample_size_for_mape(mape: float, n_parameters: int, prevalence: float) -> int:
    """Women needed for an expected mean absolute prediction error of `mape` (Riley's criterion 4).

    Examples
    --------
    >>> compute_sample_size_for_mape(0.05, 24, 0.174)
    801
    """
    _check_fraction("mape", mape)
    at_one = compute_expected_mape(1, n_parameters, prevalence)
    return math.ceil(math.pow(at_one / mape, 1.0 / 0.544))


def _compute_shrinkage_for_r2(r2_cox_snell: float, prevalence: float) -> float:
    return r2_cox_snell / (r2_cox_snell + OPTIMISM_IN_R2 * compute_max_r2_cox_snell(prevalence))


def _parameters_per_woman(shrinkage: float, r2_cox_snell: float) -> float:
    return (shrinkage - 1.0) * math.log1p(-r2_cox_snell / shrinkage)


def _check_fraction(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie between 0 and 1; it is {value}")


def _check_r2(r2_cox_snell: float, prevalence: float) -> None:
    largest = compute_max_r2_cox_snell(prevalence)
    if not 0.0 < r2_cox_snell < largest:
        raise ValueError(
            f"r2_cox_snell must lie between 0 and its maximum at this prevalence, {largest:.3f}; it is {r2_cox_snell}"
        )
