"""Small proportions with honest intervals: what to report when the data carry no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import betaincinv

from .arrays import check_outcome, check_patient, check_weight, sum_by_patient
from .estimate import Estimate
from .intervals import compute_normal_quantile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["ProportionMethod", "compute_prevalence", "compute_proportion"]

ProportionMethod = Literal["wilson", "jeffreys", "exact"]
LABELS = {"wilson": "Wilson score", "jeffreys": "Jeffreys", "exact": "exact (Clopper–Pearson)"}


def compute_proportion(events: float, n: float, method: ProportionMethod = "wilson", level: float = 0.95) -> Estimate:
    """Share of women with the event, with a small-sample interval.

    Parameters
    ----------
    events, n : float
        Number of events, and of women. Effective numbers need not be whole.
    method : {"wilson", "jeffreys", "exact"}
        Wilson (1927, doi:10.1080/01621459.1927.10502953) and Jeffreys are the choices of Brown, Cai &
        DasGupta (2001, doi:10.1214/ss/1009213286) for small samples; Jeffreys is taken to 0 or 1 where no
        or all women have the event. Clopper & Pearson (1934, doi:10.1093/biomet/26.4.404) never cover less
        than `level`.
    level : float
        Confidence level.

    Raises
    ------
    ValueError
        If events are negative or more than `n`, or the method is unknown.

    Examples
    --------
    None of ten women became pregnant; a quarter might:

    >>> print(compute_proportion(0, 10))
    0.00 (0.00–0.28)
    >>> print(compute_proportion(0, 0))
    not estimable: no women
    >>> compute_proportion(11, 10)
    Traceback (most recent call last):
    ValueError: events must lie between 0 and n = 10; they are 11
    """
    if method not in LABELS:
        raise ValueError(f"method must be one of {', '.join(LABELS)}; it is {method!r}")
    if not 0 <= events <= n:
        raise ValueError(f"events must lie between 0 and n = {n}; they are {events}")
    label = f"proportion, {LABELS[method]} interval"
    if n == 0:
        return Estimate.not_estimable(label, "no women", level)
    if method == "wilson":
        low, high = _compute_wilson(events, n, compute_normal_quantile(level))
    else:
        low, high = _compute_beta(events, n, 0.5 if method == "jeffreys" else 0.0, (1.0 - level) / 2.0)
    low, high = (0.0 if events == 0 else low), (1.0 if events == n else high)
    return Estimate(events / n, low, high, label, level=level)


def _compute_wilson(events: float, n: float, z: float) -> tuple[float, float]:
    share, penalty = events / n, z**2 / n
    centre = (share + penalty / 2.0) / (1.0 + penalty)
    half = z / (1.0 + penalty) * float(np.sqrt(share * (1.0 - share) / n + penalty / (4.0 * n)))
    return centre - half, centre + half


def _compute_beta(events: float, n: float, prior: float, tail: float) -> tuple[float, float]:
    """Beta quantiles: the Jeffreys posterior (prior 0.5) or Clopper–Pearson's two one-sided betas (0)."""
    ahead = prior if prior > 0.0 else 1.0
    low = betaincinv(events + prior, n - events + ahead, tail) if events > 0 else 0.0
    high = betaincinv(events + ahead, n - events + prior, 1.0 - tail) if events < n else 1.0
    return float(low), float(high)


def compute_prevalence(
    y_true: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    method: ProportionMethod = "wilson",
    level: float = 0.95,
) -> Estimate:
    """Weighted share of rows with the event; the interval uses Kish's effective number of patients.

    Parameters
    ----------
    y_true, weight, patient : arrays of shape (n,)
        Outcome; optional sampling weights; optional patient of each row. Weights add up within a patient,
        so a woman with three rows is one unit.

    References
    ----------
    Kish (1965), Survey Sampling: effective size ``(sum w)² / sum w²``; Korn & Graubard (1998), Survey
    Methodology 24, 193.

    Examples
    --------
    >>> print(compute_prevalence([1, 1, 1, 0, 0, 0, 0, 0, 0]))
    0.33 (0.12–0.65)
    """
    y = check_outcome(y_true)
    w = check_weight(weight, y.size)
    codes = check_patient(patient, y.size)
    by_patient = sum_by_patient(w, codes, int(codes.max()) + 1)
    effective = float(by_patient.sum() ** 2 / np.square(by_patient).sum())
    events = min(float(np.average(y, weights=w)) * effective, effective)
    return compute_proportion(events, effective, method, level)
