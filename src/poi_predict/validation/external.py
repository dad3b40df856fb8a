"""The assessment of a fixed model on women of another cohort: external validation.

Collins et al. (2024, doi:10.1136/bmj-2023-074819) and Riley et al. (2024, doi:10.1136/bmj-2023-074820): the model is
left as it is, and every figure is of the new women. What is found decides between three verdicts; with few women
none can be given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arrays import check_predicted_outcomes
from .assessment import METRICS, assess_fixed
from .calibration import compute_joint_intercept
from .calibration_curve import CalibrationCurve, compute_calibration_curve, compute_calibration_errors
from .estimate import Estimate
from .recalibration_options import RecalibrationOption, compute_recalibration_options
from .utility import compute_decision_curve

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["EXTERNAL_METRICS", "FEWEST_EVENTS", "ExternalAssessment", "assess_external"]

Verdict = Literal["too_few", "no_discrimination", "miscalibrated", "compatible"]

EXTERNAL_METRICS = (*METRICS, "joint_intercept", "ici", "e50", "e90", "emax")
"""Keys of an external assessment, in the order of a report."""

FEWEST_EVENTS = 5
"""Women in the rarer outcome group below which no figure that compares the groups is given."""

COMPARE_GROUPS = ("c_statistic", "calibration_slope", "joint_intercept", "ici", "e50", "e90", "emax")
THRESHOLDS = np.round(np.arange(0.02, 0.99, 0.02), 2)


@dataclass(frozen=True, eq=False)
class ExternalAssessment:
    """What a fixed model is worth on a new cohort.

    Attributes
    ----------
    n, n_patients, events : int
        Rows, women, and rows with the event.
    expected : float
        Events that the model expected among the rows, by weight.
    metrics : mapping of str to Estimate
        One entry for each of `EXTERNAL_METRICS`, of the model as it is.
    calibration_curve : CalibrationCurve
    decision_curve : DataFrame
        See `compute_decision_curve`; empty where there are too few events.
    options : tuple of RecalibrationOption
    """

    n: int
    n_patients: int
    events: int
    fewer: int
    expected: float
    metrics: Mapping[str, Estimate]
    calibration_curve: CalibrationCurve
    decision_curve: pd.DataFrame
    options: tuple[RecalibrationOption, ...]

    @property
    def verdict(self) -> Verdict:
        """What the intervals allow.

        ``too_few``: fewer than ten women in the rarer outcome group. ``no_discrimination``: the interval of the
        c-statistic does not lie above 0.5. ``miscalibrated``: the interval of calibration-in-the-large excludes
        0, or that of the slope excludes 1. ``compatible``: neither, which is no proof of good calibration.
        """
        c = self.metrics["c_statistic"]
        if self.fewer < 2 * FEWEST_EVENTS:
            return "too_few"
        if c.ci_low is None or c.ci_low <= 0.5:
            return "no_discrimination"
        return "miscalibrated" if self.advised is not None else "compatible"

    @property
    def advised(self) -> RecalibrationOption | None:
        """The mildest recalibration on offer that the intervals call for; None where they call for none."""
        move, stretch = self.options
        if stretch.is_offered and _excludes(self.metrics["calibration_slope"], 1.0):
            return stretch
        if move.is_offered and _excludes(self.metrics["calibration_in_the_large"], 0.0):
            return move
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold, without any prediction of a woman."""
        curve = self.calibration_curve
        return {
            "n": self.n,
            "n_patients": self.n_patients,
            "events": self.events,
            "expected_events": self.expected,
            "metrics": {name: estimate.as_dict() for name, estimate in self.metrics.items()},
            "calibration_curve": {"form": curve.form, "reason": curve.reason, "points": _records(curve.frame)},
            "decision_curve": _records(self.decision_curve),
            "recalibration": [option.as_dict() for option in self.options],
            "advised": None if self.advised is None else self.advised.kind,
        }


def assess_external(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
    *,
    seed: int,
) -> ExternalAssessment:
    """Assess the predictions of a fixed model for women it was not made from.

    Parameters
    ----------
    y_true, p_response : arrays of shape (n,)
        Outcome, and predicted probability.
    weight, patient : arrays of shape (n,), optional
        Inverse probability of being observed; patient of each row.
    level : float
        Confidence level.
    seed : int
        Of the bootstraps.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    Ten of forty respond where twenty were expected:

    >>> y, p = [1, 0, 0, 0] * 10, [0.6, 0.4, 0.5, 0.5] * 10
    >>> found = assess_external(y, p, seed=1)
    >>> round(found.metrics["o_e_ratio"].estimate, 2), found.options[0].is_offered
    (0.5, True)
    >>> print(assess_external(y[:16], p[:16], seed=1).metrics["c_statistic"])
    not estimable: only 4 women in the rarer outcome group; 5 are needed
    """
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    y, p, w, codes = sample.y, sample.p[:, 0], sample.weight, sample.patient
    fewer = min(sample.n_event_patients, sample.n_event_free_patients)
    metrics = assess_fixed(y, p, w, codes, level)
    metrics["joint_intercept"] = compute_joint_intercept(y, p, w, level, patient=codes)
    metrics |= compute_calibration_errors(y, p, w, level, patient=codes, seed=seed)
    curve = compute_calibration_curve(y, p, w, level, patient=codes)
    decisions = compute_decision_curve(y, p, THRESHOLDS.tolist(), w, level, patient=codes)
    if fewer < FEWEST_EVENTS:
        reason = f"only {fewer} women in the rarer outcome group; {FEWEST_EVENTS} are needed"
        for name in COMPARE_GROUPS:
            metrics[name] = Estimate.not_estimable(metrics[name].method, reason, level)
        curve = replace(curve, form=None, frame=curve.frame.head(0), reason=reason)
        decisions = decisions.head(0)
    return ExternalAssessment(
        n=y.size,
        n_patients=sample.n_patients,
        events=int(y.sum()),
        fewer=fewer,
        expected=float(w @ p),
        metrics={name: metrics[name] for name in EXTERNAL_METRICS},
        calibration_curve=curve,
        decision_curve=decisions,
        options=compute_recalibration_options(y, p, w, codes, level, seed=seed),
    )


def _excludes(estimate: Estimate, ideal: float) -> bool:
    if estimate.ci_low is None or estimate.ci_high is None:
        return False
    return not estimate.ci_low <= ideal <= estimate.ci_high


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as plain values; what is missing is None."""
    plain = frame.astype(object)
    return [{str(k): v for k, v in row.items()} for row in plain.where(plain.notna(), None).to_dict("records")]
