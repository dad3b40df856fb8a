"""Attribution of a prediction to the clinical variables behind it.

Shapley values of the fitted model (Lundberg & Lee 2017, arXiv:1705.07874) are computed on the derived
columns and summed back to the clinical variable each column came from. No background sample is kept:
a linear model's reference is the training mean, which the scaler holds; a tree's is in its node
weights (Lundberg et al. 2020, doi 10.1038/s42256-019-0138-9); a model of the published evidence shares
its own log-odds out, about the average woman of the field. So an explanation needs no patient row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from poi_predict.errors import ModelError
from poi_predict.explain.trees import TreeAttribution
from poi_predict.features import origin_of
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR, RecalibratedClassifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

__all__ = ["Explanation", "explain_columns", "explain_predictions", "find_leading"]


@dataclass(frozen=True)
class Explanation:
    """What moved each woman's prediction away from the baseline value.

    Attributes
    ----------
    variables : tuple of str
        Clinical variables, in the order of the columns of the arrays.
    attributions : ndarray of shape (n_women, n_variables)
        Log-odds; positive raises the probability of response.
    baseline : float
        Log-odds before anything is known about a woman.
    output : ndarray of shape (n_women,)
        The model's log-odds; equals ``baseline + attributions.sum(axis=1)``.

    Examples
    --------
    A woman whose FSH lowers and whose age raises the log-odds by the same amount stays at the baseline:

    >>> one = Explanation(("fsh", "age"), np.array([[-0.4, 0.4]]), -1.0, np.array([-1.0]))
    >>> float(one.probability[0]) == one.baseline_probability
    True
    """

    variables: tuple[str, ...]
    attributions: NDArray[np.float64]
    baseline: float
    output: NDArray[np.float64]

    def __post_init__(self) -> None:
        gap = np.abs(self.baseline + self.attributions.sum(axis=1) - self.output)
        if gap.size and gap.max() > 1e-6:
            raise ModelError(
                "Baseline and attributions must add up to the model's output; "
                f"the largest gap is {gap.max():.1e} log-odds. This is a defect: please report it."
            )

    @property
    def probability(self) -> NDArray[np.float64]:
        """Predicted probability of response, shape (n_women,)."""
        return np.asarray(expit(self.output), dtype=np.float64)

    @property
    def baseline_probability(self) -> float:
        """Probability at the baseline value."""
        return float(expit(self.baseline))

    @property
    def probability_share(self) -> NDArray[np.float64]:
        """Attributions as shares of the probability: they add up to ``probability - baseline_probability``.

        The log-odds are converted in proportion (each woman has one factor), so order and sign are kept.
        """
        factor = _secant(self.baseline, self.output, expit, _logistic_density)
        return np.asarray(self.attributions * factor[:, None], dtype=np.float64)

    def frame(self) -> pd.DataFrame:
        """Tidy attributions: row, variable, log_odds, probability_share."""
        n, k = self.attributions.shape
        return pd.DataFrame(
            {
                "row": np.repeat(np.arange(n), k),
                "variable": np.tile(np.array(self.variables, dtype=object), n),
                "log_odds": self.attributions.ravel(),
                "probability_share": self.probability_share.ravel(),
            }
        )

    def summary(self) -> pd.DataFrame:
        """Mean absolute attribution of each variable over the cohort, largest first."""
        mean_abs = np.abs(self.attributions).mean(axis=0)
        total = mean_abs.sum()
        share = mean_abs / total if total > 0 else np.zeros_like(mean_abs)
        frame = pd.DataFrame({"variable": list(self.variables), "mean_abs_log_odds": mean_abs, "share": share})
        return frame.sort_values(["mean_abs_log_odds", "variable"], ascending=[False, True], ignore_index=True)

    def leading(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the k strongest variables of each woman: their positions and log-odds, strongest first."""
        return find_leading(self.attributions, k)


def find_leading(attributions: NDArray[np.float64], k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return each row's k strongest columns and what they hold, strongest first; of equals the first column.

    Parameters
    ----------
    attributions : ndarray of shape (n_women, n_variables)
    k : int
        All columns if there are fewer.

    Examples
    --------
    >>> order, log_odds = find_leading(np.array([[0.1, -0.7, 0.3]]), 2)
    >>> order.tolist(), log_odds.tolist()
    ([[1, 2]], [[-0.7, 0.3]])
    """
    k = min(k, attributions.shape[1])
    left = np.abs(attributions)
    order = np.empty((len(left), k), dtype=np.intp)
    rows = np.arange(len(left))
    for place in range(k):  # for a few of many columns faster than sorting them all
        order[:, place] = left.argmax(axis=1)
        left[rows, order[:, place]] = -1.0
    return order, np.take_along_axis(attributions, order, axis=1)


def explain_predictions(pipeline: Pipeline, X: pd.DataFrame, *, n_jobs: int = 1) -> Explanation:
    """Explain a fitted pipeline's predictions on its clinical variables.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted by `poi_predict.modeling`, its last step named "model".
    X : DataFrame of shape (n_women, n_inputs)
        Canonical predictor columns, in canonical units.
    n_jobs : int
        Threads that share the rows of a model of trees, if there are many; changes no byte of the result.

    Returns
    -------
    Explanation
        In log-odds. Models that average probabilities (the forest) are explained on that scale, and
        their attributions converted in proportion, so the sum still equals the model's output. Of a
        recalibrated model, the base's explanation is moved and stretched with its log-odds.

    Raises
    ------
    ModelError
        If the model is of a kind that has no exact attribution here.
    """
    return explain_columns(pipeline[-1], pipeline[:-1].transform(X), n_jobs=n_jobs)


def explain_columns(
    model: Any, columns: pd.DataFrame, *, trees: TreeAttribution | None = None, n_jobs: int = 1
) -> Explanation:
    """Explain what a pipeline's last step makes of its columns; as `explain_predictions`, columns being at hand.

    Parameters
    ----------
    model : estimator
        The pipeline's last step.
    columns : DataFrame of shape (n_women, n_columns)
        What it takes.
    trees : TreeAttribution, optional
        Of the model below any recalibration, if it is one of trees that is asked again and again.
    n_jobs : int
        As of `explain_predictions`.
    """
    base = model.base if isinstance(model, RecalibratedClassifier) else model
    found = _explain_columns(base, columns, trees or TreeAttribution(base), n_jobs)
    return found if base is model else _recalibrate(found, model)


def _recalibrate(base: Explanation, model: RecalibratedClassifier) -> Explanation:
    return Explanation(
        base.variables,
        model.slope * base.attributions,
        model.intercept + model.slope * base.baseline,
        np.asarray(model.intercept + model.slope * base.output),
    )


def _explain_columns(model: Any, columns: pd.DataFrame, trees: TreeAttribution, n_jobs: int) -> Explanation:
    if hasattr(model, "compute_attributions"):  # a mean over a posterior, shared out on the log-odds scale
        contribution, baseline = model.compute_attributions(columns)
        names, on_log_odds = [str(c) for c in columns.columns], True
    elif hasattr(model, "compute_contributions"):  # a mean over multiple imputations, on the probability scale
        contribution, baseline = model.compute_contributions(columns)
        names, on_log_odds = model.get_column_names(), False
    else:
        names = [str(c) for c in columns.columns]
        values = columns.to_numpy(dtype=np.float64)
        closed = _attribute_closed_form(model, values)
        contribution, baseline, on_log_odds = closed or trees.attribute(values, n_jobs=n_jobs)
    variables, summed = _sum_by_origin(contribution, names)
    if on_log_odds:
        return Explanation(variables, summed, baseline, baseline + summed.sum(axis=1))
    probability = np.clip(baseline + summed.sum(axis=1), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    base = float(np.clip(baseline, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))
    factor = _secant(base, probability, logit, _logit_derivative)
    # A clipped probability is no longer the plain sum, so the factor is applied to the clipped total.
    total = summed.sum(axis=1)
    ratio = np.divide(probability - base, total, out=np.ones_like(total), where=np.abs(total) > 1e-12)
    return Explanation(
        variables, summed * (factor * ratio)[:, None], float(logit(base)), np.asarray(logit(probability))
    )


def _attribute_closed_form(model: Any, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, bool] | None:
    """Attributions of derived columns, the baseline value, and whether both are log-odds; None for other models."""
    from sklearn.dummy import DummyClassifier  # noqa: PLC0415

    if isinstance(model, DummyClassifier):
        return np.zeros_like(values), float(logit(model.class_prior_[1])), True
    if hasattr(model, "coef_"):
        coefficients = np.ravel(model.coef_)
        # The pipeline's scaler centred every column on its training mean, so zero is the reference.
        return values * coefficients, float(np.ravel(model.intercept_)[0]), True
    return None


def _sum_by_origin(contribution: NDArray[np.float64], names: list[str]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    origins = [origin_of(name) for name in names]
    variables = tuple(dict.fromkeys(origins))
    membership = np.array([[origin == v for v in variables] for origin in origins], dtype=np.float64)
    return variables, contribution @ membership


def _secant(
    start: float,
    end: NDArray[np.float64],
    function: Callable[[Any], Any],
    derivative: Callable[[Any], Any],
) -> NDArray[np.float64]:
    """Slope of `function` between `start` and each `end`; its derivative where they coincide."""
    step = end - start
    near = np.abs(step) < 1e-9
    slope = (function(end) - function(start)) / np.where(near, 1.0, step)
    return np.asarray(np.where(near, derivative(start), slope), dtype=np.float64)


def _logistic_density(log_odds: float) -> float:
    return float(expit(log_odds) * (1 - expit(log_odds)))


def _logit_derivative(p: float) -> float:
    return 1.0 / (p * (1.0 - p))
