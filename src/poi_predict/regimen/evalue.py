"""E-values: how strong an unrecorded reason would have to be to explain a contrast away.

VanderWeele & Ding (2017), doi:10.7326/M16-2607. An E-value of 2 says: a factor not adjusted for, which makes both
the option and the outcome twice as likely, could be all there is; a weaker one could not. It measures what
confounding would be *needed*, not how much there is.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

__all__ = ["EValue", "compute_evalue", "compute_evalue_of_difference", "compute_evalue_of_odds_ratio"]

LEAST_RISK = 1e-9


@dataclass(frozen=True)
class EValue:
    """E-value of a risk ratio and of the confidence limit nearer to no difference.

    Attributes
    ----------
    point : float
        Of the estimate; 1 or more.
    limit : float or None
        Of the limit nearer to 1; 1 where the interval holds 1, None where there is no interval.
    risk_ratio : float
        What it is an E-value of.
    ci_low, ci_high : float or None
        Interval of the risk ratio.
    """

    point: float
    limit: float | None
    risk_ratio: float
    ci_low: float | None = None
    ci_high: float | None = None

    @property
    def sentence(self) -> str:
        """What it means, in one or two sentences."""
        if self.limit == 1.0:
            return (
                "The interval already holds no difference; no unrecorded reason is needed to explain the contrast "
                f"(E-value {self.point:.2f}, of the limit 1)."
            )
        said = (
            f"An unrecorded reason that makes both the option and the outcome {self.point:.2f} times as likely could "
            "explain the contrast; a weaker one could not"
        )
        if self.limit is None:
            return said + "."
        return said + f". One of {self.limit:.2f} would be enough for the interval to hold no difference."

    def frame(self) -> pd.DataFrame:
        """Return one row."""
        return pd.DataFrame([asdict(self)])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self) | {"sentence": self.sentence}


def compute_evalue(risk_ratio: float, ci_low: float | None = None, ci_high: float | None = None) -> EValue:
    """Return the E-value of a risk ratio and of its confidence limit.

    Parameters
    ----------
    risk_ratio : float
        Positive; on either side of 1.
    ci_low, ci_high : float, optional
        Both or neither.

    Raises
    ------
    ValueError
        If a number is not positive and finite, or the interval does not hold the risk ratio.

    Examples
    --------
    The two examples of the paper: breast feeding and death from respiratory infection, and a protective factor.

    >>> evalue = compute_evalue(3.9, 1.8, 8.7)
    >>> round(evalue.point, 2), round(evalue.limit, 2)
    (7.26, 3.0)
    >>> evalue = compute_evalue(0.80, 0.71, 0.91)
    >>> round(evalue.point, 2), round(evalue.limit, 2)
    (1.81, 1.43)
    >>> compute_evalue(-0.2)
    Traceback (most recent call last):
    ValueError: a risk ratio must be positive and finite; it is -0.2
    """
    for ratio in (risk_ratio, ci_low, ci_high):
        if ratio is not None and not (math.isfinite(ratio) and ratio > 0.0):
            raise ValueError(f"a risk ratio must be positive and finite; it is {ratio}")
    if (ci_low is None) != (ci_high is None):
        raise ValueError("ci_low and ci_high must be given together, or both be None")
    limit = None
    if ci_low is not None and ci_high is not None:
        if not ci_low <= risk_ratio <= ci_high:
            raise ValueError(f"the interval must hold the risk ratio {risk_ratio}; it is {ci_low} to {ci_high}")
        limit = 1.0 if ci_low <= 1.0 <= ci_high else _transform(ci_low if risk_ratio > 1.0 else ci_high)
    return EValue(_transform(risk_ratio), limit, risk_ratio, ci_low, ci_high)


def compute_evalue_of_odds_ratio(
    odds_ratio: float, ci_low: float | None = None, ci_high: float | None = None, *, rare: bool = False
) -> EValue:
    """Return the E-value of an odds ratio.

    Parameters
    ----------
    odds_ratio, ci_low, ci_high : float
        As in `compute_evalue`.
    rare : bool
        Fewer than 15 % of the women have the event at the end of follow-up; the odds ratio then stands for the risk
        ratio. Otherwise its square root does (VanderWeele & Ding 2017, table 2).

    Examples
    --------
    >>> round(compute_evalue_of_odds_ratio(4.0).point, 2), round(compute_evalue_of_odds_ratio(4.0, rare=True).point, 2)
    (3.41, 7.46)
    """
    power = 1.0 if rare else 0.5
    limits = [None if value is None else _raise(value, power) for value in (ci_low, ci_high)]
    return compute_evalue(_raise(odds_ratio, power), *limits)


def compute_evalue_of_difference(
    difference: float, p_reference: float, ci_low: float | None = None, ci_high: float | None = None
) -> EValue:
    """Return the E-value of a risk difference: that of the ratio of the same two probabilities.

    A difference alone does not say which ratio it is, so the probability with the reference is needed (VanderWeele &
    Ding 2017, table 2). It is held fixed for the limits; where a risk ratio with its own interval is at hand, use
    `compute_evalue`.

    Parameters
    ----------
    difference, ci_low, ci_high : float
        Probability with the option less that with the reference.
    p_reference : float
        Probability with the reference, above 0 and at most 1.

    Raises
    ------
    ValueError
        If the reference is not a positive probability, or a difference leads outside 0 to 1.

    Examples
    --------
    20 % with the reference and 16 points more (4 to 28) are a ratio of 1.8 (1.2 to 2.4):

    >>> evalue = compute_evalue_of_difference(0.16, 0.20, 0.04, 0.28)
    >>> round(evalue.point, 2), round(evalue.limit, 2)
    (3.0, 1.69)
    >>> compute_evalue_of_difference(0.16, 0.0)
    Traceback (most recent call last):
    ValueError: p_reference must be above 0 and at most 1; it is 0.0
    """
    if not 0.0 < p_reference <= 1.0:
        raise ValueError(f"p_reference must be above 0 and at most 1; it is {p_reference}")
    if not 0.0 < p_reference + difference <= 1.0:
        raise ValueError(f"p_reference + difference must be above 0 and at most 1; it is {p_reference + difference}")
    # A limit beyond what is possible says no more than the largest or smallest possible ratio.
    limits = [
        None if limit is None else max(p_reference + limit, LEAST_RISK) / p_reference for limit in (ci_low, ci_high)
    ]
    return compute_evalue((p_reference + difference) / p_reference, *limits)


def _raise(ratio: float, power: float) -> float:
    if not ratio > 0.0:
        raise ValueError(f"an odds ratio must be positive and finite; it is {ratio}")
    return float(ratio**power)


def _transform(ratio: float) -> float:
    """Equation of the E-value, for ratios on either side of 1."""
    away = max(ratio, 1.0 / ratio)
    return away + math.sqrt(away * (away - 1.0))
