"""What moving, or moving and stretching, the predictions would mend on a new cohort, and what of it would last.

A recalibrated model is judged on the very women it was recalibrated on, so its apparent calibration is perfect
by construction. The recalibration step is therefore repeated in bootstrap resamples of the women, and what it
loses from its own resample to the cohort is taken off (Harrell's optimism). The model itself is fixed: it saw
none of these women, and adds no optimism.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit

from .arrays import check_predicted_outcomes
from .assessment import METRICS, assess_fixed
from .calibration import compute_calibration_in_the_large, compute_calibration_slope, compute_joint_intercept
from .logistic import fit_logistic_designs
from .optimism import OptimismResult, compute_optimism
from .recalibration import compute_recalibration_covariance
from .resampled_metrics import compute_resampled_metrics
from .resampling import make_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from .arrays import FloatArray, PredictedOutcomes
    from .estimate import Estimate

__all__ = ["OPTIMISM_NOTE", "RecalibrationOption", "compute_recalibration_options"]

Kind = Literal["intercept", "intercept_slope"]

FEWEST_TO_MOVE, FEWEST_TO_STRETCH = 5, 10
"""Women in the rarer outcome group from which one parameter, and two, may be learnt: five a parameter. That is
little, and the report says so; to judge calibration well takes 100 or more (Collins et al. 2016,
doi:10.1002/sim.6787)."""

BOUNDS = {"c_statistic": (0.0, 1.0), "brier": (0.0, 1.0), "log_loss": (0.0, np.inf), "o_e_ratio": (0.0, np.inf)}
OPTIMISM_NOTE = (
    "Figures after recalibration are judged on the same women it was learnt from. 'Apparent' is therefore perfect by "
    "construction where it concerns calibration; 'corrected' takes off what the recalibration step loses from "
    "bootstrap resamples to the cohort. Only another cohort can confirm it."
)


@dataclass(frozen=True)
class RecalibrationOption:
    """One way to mend the predictions on this cohort.

    Attributes
    ----------
    kind : {"intercept", "intercept_slope"}
        Log-odds moved, or moved and stretched.
    intercept, slope : Estimate
        Of the recalibrated log-odds ``intercept + slope * log-odds``.
    covariance : ndarray of shape (2, 2) or None
        Of intercept and slope; None where the interval would rest on a single patient.
    refusal : str or None
        Why it is not offered; None where it is.
    apparent : mapping of str to Estimate
        Metrics of the recalibrated predictions on the women it was learnt from; empty where not offered.
    corrected : mapping of str to OptimismResult
        The same less the optimism of the recalibration step.
    """

    kind: Kind
    intercept: Estimate
    slope: Estimate | None = None
    covariance: FloatArray | None = None
    refusal: str | None = None
    apparent: Mapping[str, Estimate] = field(default_factory=dict)
    corrected: Mapping[str, OptimismResult] = field(default_factory=dict)

    @property
    def is_offered(self) -> bool:
        """Whether the recalibration can be learnt from these women."""
        return self.refusal is None

    @property
    def label(self) -> str:
        """The option in words."""
        return "intercept" if self.kind == "intercept" else "intercept and slope"

    @property
    def coefficients(self) -> tuple[float, float]:
        """Intercept and slope of an option that is offered."""
        slope = 1.0 if self.slope is None else self.slope.estimate
        if self.intercept.estimate is None or slope is None:
            raise ValueError("an option that is not estimable has no coefficients")
        return self.intercept.estimate, slope

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: offered, coefficients, and each metric apparent and corrected."""
        return {
            "kind": self.kind,
            "offered": self.is_offered,
            "reason": self.refusal,
            "intercept": self.intercept.as_dict(),
            "slope": None if self.slope is None else self.slope.as_dict(),
            "after": {
                metric: result.corrected.as_dict()
                | {
                    "apparent": result.apparent,
                    "optimism": result.optimism,
                    "n_resamples": result.n_ok,
                    "failed_resamples": dict(result.reasons),
                }
                for metric, result in self.corrected.items()
            },
        }


def compute_recalibration_options(
    y_true: ArrayLike,
    p_response: ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    level: float = 0.95,
    *,
    n_resamples: int = 200,
    seed: int,
) -> tuple[RecalibrationOption, ...]:
    """Compute both recalibrations of a fixed model's predictions, and what each is worth.

    Parameters
    ----------
    y_true, p_response : arrays of shape (n,)
        Outcome, and the fixed model's predicted probability.
    weight, patient : arrays of shape (n,), optional
        Sampling weights; patient of each row, who is drawn as a whole.
    level : float
        Confidence level.
    n_resamples, seed : int
        Bootstrap resamples of the recalibration step.

    Returns
    -------
    tuple of RecalibrationOption
        Intercept, then intercept and slope; one that is not offered says why.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    Half respond where one in five was expected:

    >>> move, stretch = compute_recalibration_options([1, 0] * 20, [0.2] * 40, seed=1)
    >>> round(move.coefficients[0], 3), move.is_offered
    (1.386, True)
    >>> stretch.refusal
    'the predictions are constant'
    """
    sample = check_predicted_outcomes(y_true, p_response, weight, patient)
    y, p, w, codes = sample.y, sample.p[:, 0], sample.weight, sample.patient
    move = RecalibrationOption(
        "intercept",
        compute_calibration_in_the_large(y, p, w, level, patient=codes),
        covariance=compute_recalibration_covariance(sample, with_slope=False),
    )
    stretch = RecalibrationOption(
        "intercept_slope",
        compute_joint_intercept(y, p, w, level, patient=codes),
        compute_calibration_slope(y, p, w, level, patient=codes),
        compute_recalibration_covariance(sample, with_slope=True),
    )
    plan = make_bootstrap(y, codes, n_resamples=n_resamples, seed=seed)
    drawn = plan.frequencies() * w
    failures = [plan.failures.get(b) for b in range(len(plan))]
    return tuple(
        _judge(option, sample, drawn, failures, level)
        if (refusal := _refusal(option, sample)) is None
        else replace(option, refusal=refusal)
        for option in (move, stretch)
    )


def _refusal(option: RecalibrationOption, sample: PredictedOutcomes) -> str | None:
    for estimate in (option.intercept, option.slope):
        if estimate is not None and estimate.estimate is None:
            return estimate.reason
    fewer = min(sample.n_event_patients, sample.n_event_free_patients)
    needed = FEWEST_TO_MOVE if option.kind == "intercept" else FEWEST_TO_STRETCH
    if fewer < needed:
        return f"only {fewer} women in the rarer outcome group; {needed} are needed to learn the {option.label}"
    if option.coefficients[1] <= 0:
        return "the slope is not positive: the model ranks these women the wrong way round, which nothing here mends"
    return None


def _judge(
    option: RecalibrationOption,
    sample: PredictedOutcomes,
    drawn: FloatArray,
    failures: list[str | None],
    level: float,
) -> RecalibrationOption:
    """Assess the recalibrated predictions, apparent and corrected for the optimism of the step."""
    log_odds = sample.log_odds[:, 0]
    intercept, slope = option.coefficients
    p_after = expit(intercept + slope * log_odds)
    apparent = assess_fixed(sample.y, p_after, sample.weight, sample.patient, level)
    usable = np.array([reason is None for reason in failures], dtype=bool)
    p_refits, ok = _recalibrate_resamples(option.kind, log_odds, sample.y, drawn[usable])
    used = np.flatnonzero(usable)
    reasons = list(failures)
    for b in used[~ok]:
        reasons[b] = "the recalibration was not estimable in the resample"
    used = used[ok]
    on_resample = on_cohort = None
    if used.size:
        judged = np.tile(sample.weight, (used.size, 1))
        on_resample = compute_resampled_metrics(sample.y, p_refits[ok].T, drawn[used])
        on_cohort = compute_resampled_metrics(sample.y, p_refits[ok].T, judged)
    corrected = {}
    for metric in METRICS:
        values = np.full((2, len(reasons)), np.nan)
        if on_resample is not None and on_cohort is not None:
            values[:, used] = [on_resample[metric], on_cohort[metric]]
        corrected[metric] = compute_optimism(
            apparent[metric].estimate,
            *values,
            failures=reasons,
            level=level,
            bounds=BOUNDS.get(metric, (-np.inf, np.inf)),
        )
    return replace(option, apparent=apparent, corrected=corrected)


def _recalibrate_resamples(
    kind: Kind, log_odds: FloatArray, y: FloatArray, drawn: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Predictions of shape (resamples, n) by the recalibration learnt in each resample, and which exist."""
    if not len(drawn):
        return np.empty((0, y.size)), np.empty(0, dtype=bool)
    ones = np.ones((y.size, 1))
    with_slope = kind == "intercept_slope"
    design = np.column_stack([ones, log_odds]) if with_slope else ones
    offset = None if with_slope else np.tile(log_odds, (len(drawn), 1))
    fits = fit_logistic_designs(design, y, drawn, offset)
    slope = fits.coefficients[:, [1]] if with_slope else 1.0
    return expit(fits.coefficients[:, [0]] + slope * log_odds), fits.is_estimable
