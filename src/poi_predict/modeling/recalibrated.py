"""A model whose log-odds were moved and stretched to agree with another cohort.

Logistic recalibration (Cox 1958, doi:10.1093/biomet/45.3-4.562; Steyerberg et al. 2004, doi:10.1002/sim.1844):
the recalibrated log-odds are ``intercept + slope * log-odds of the model``. Nothing else of the model changes,
so women keep their order, and an explanation is the old one times the slope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from poi_predict.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]

__all__ = [
    "PROBABILITY_FLOOR",
    "RecalibratedClassifier",
    "recalibrate_draws",
    "recalibrate_interval",
    "recalibrate_moments",
    "recalibrate_pipeline",
]

PROBABILITY_FLOOR = 1e-6
"""A probability of 0 or 1, which an average of trees can give, has no log-odds; it counts as this far from it."""


class RecalibratedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted two-class model with recalibrated log-odds.

    Parameters
    ----------
    base : estimator
        Fitted; left as it is.
    intercept : float
        Added to the log-odds.
    slope : float
        Factor of the base's log-odds; positive.
    covariance : array-like of shape (2, 2), optional
        Of intercept and slope, which were estimated as well; widens every interval. Recalibrations of earlier versions
        have none.

    Examples
    --------
    Twice the odds for everyone: one in three becomes one in two.

    >>> from sklearn.dummy import DummyClassifier
    >>> base = DummyClassifier(strategy="prior").fit([[0.0]] * 3, [0, 0, 1])
    >>> moved = RecalibratedClassifier(base, intercept=float(np.log(2.0)))
    >>> moved.predict_proba([[0.0]])[0].round(3).tolist()
    [0.5, 0.5]
    >>> moved.fit([[0.0]] * 3, [0, 0, 1])
    Traceback (most recent call last):
    poi_predict.errors.ModelError: A recalibrated model must not be fitted again; its recalibration belongs to ...
    """

    covariance: ArrayLike | None = None

    def __init__(
        self, base: BaseEstimator, intercept: float = 0.0, slope: float = 1.0, covariance: ArrayLike | None = None
    ) -> None:
        self.base = base
        self.intercept = intercept
        self.slope = slope
        self.covariance = covariance

    @property
    def classes_(self) -> NDArray[Any]:
        """Both classes, as the base knows them."""
        return np.asarray(self.base.classes_)

    @property
    def coef_(self) -> NDArray[np.float64]:
        """Coefficients of a linear base, recalibrated; other bases have none."""
        return np.asarray(self.slope * self.base.coef_, dtype=np.float64)

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Intercept of a linear base, recalibrated; other bases have none."""
        return np.asarray(self.intercept + self.slope * self.base.intercept_, dtype=np.float64)

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse: a refit in a resample would bring a recalibration that was learnt elsewhere.

        Raises
        ------
        ModelError
            Always.
        """
        raise ModelError(
            "A recalibrated model must not be fitted again; its recalibration belongs to the base it was made for. "
            "Fit the base, and recalibrate anew."
        )

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return recalibrated log-odds of the second class, shape (n_women,)."""
        check_is_fitted(self)
        return np.asarray(self.intercept + self.slope * _base_log_odds(self.base, X), dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return recalibrated probabilities of both classes, shape (n_women, 2)."""
        log_odds = self.decision_function(X)
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likelier class, shape (n_women,)."""
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(np.intp)])

    def recalibrate(self, p: FloatArray) -> FloatArray:
        """Return probabilities of the base, moved and stretched as the model's predictions are.

        Examples
        --------
        >>> from sklearn.dummy import DummyClassifier
        >>> twice_the_odds = RecalibratedClassifier(DummyClassifier(), intercept=float(np.log(2.0)))
        >>> twice_the_odds.recalibrate(np.array([0.5])).round(3).tolist()
        [0.667]
        """
        return np.asarray(expit(self.intercept + self.slope * _find_log_odds(p)), dtype=np.float64)

    def __sklearn_is_fitted__(self) -> bool:
        check_is_fitted(self.base)
        return True


def recalibrate_pipeline(
    pipeline: Pipeline, intercept: float, slope: float = 1.0, covariance: ArrayLike | None = None
) -> Pipeline:
    """Return a pipeline with recalibrated log-odds; it shares the fitted parts of the one given.

    A model that was recalibrated before is recalibrated further, in one step, not wrapped twice.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, its last step named "model".
    intercept, slope : float
        Of the outcome's log-odds on the model's log-odds.
    covariance : array-like of shape (2, 2), optional
        Of intercept and slope.

    Raises
    ------
    ModelError
        If the numbers are not finite, or the slope is not positive: the women would change their order.
    """
    if not (np.isfinite(intercept) and np.isfinite(slope) and slope > 0):
        raise ModelError(
            "A recalibration must have a finite intercept and a finite, positive slope; this one has not. "
            "A model that ranks women the wrong way round cannot be mended by recalibration: develop another."
        )
    base = pipeline[-1]
    if isinstance(base, RecalibratedClassifier):
        earlier = np.array([[1.0, base.intercept], [0.0, base.slope]])
        if covariance is not None or base.covariance is not None:
            both = [np.zeros((2, 2)) if known is None else np.asarray(known) for known in (base.covariance, covariance)]
            covariance = slope**2 * both[0] + earlier @ both[1] @ earlier.T
        intercept, slope = intercept + slope * base.intercept, slope * base.slope
        base = base.base
    known = None if covariance is None else np.asarray(covariance, dtype=np.float64)
    moved = RecalibratedClassifier(base, float(intercept), float(slope), known)
    return Pipeline([*pipeline.steps[:-1], ("model", moved)])


def recalibrate_moments(
    model: RecalibratedClassifier, mean: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of recalibrated log-odds, given those of the base.

    What is not known of the base and what is not known of the recalibration are independent: they come from different
    women.

    Examples
    --------
    Recalibrated on few women, log-odds of -1 that were known to 0.3 are known to 0.5:

    >>> from sklearn.dummy import DummyClassifier
    >>> model = RecalibratedClassifier(DummyClassifier(), 0.2, 1.0, [[0.16, 0.0], [0.0, 0.0]])
    >>> mean, variance = recalibrate_moments(model, np.array([-1.0]), np.array([0.09]))
    >>> mean.round(2).tolist(), np.sqrt(variance).round(2).tolist()
    ([-0.8], [0.5])
    """
    own = np.zeros(len(mean))
    if model.covariance is not None:
        known = np.asarray(model.covariance, dtype=np.float64)
        own = known[0, 0] + 2.0 * mean * known[0, 1] + mean**2 * known[1, 1]
    return model.intercept + model.slope * mean, np.asarray(model.slope**2 * variance + own, dtype=np.float64)


def recalibrate_interval(model: RecalibratedClassifier, interval: FloatArray, z: float) -> FloatArray:
    """Return an interval of the base, shape (n_women, 2), as that of the recalibrated model.

    Parameters
    ----------
    model : RecalibratedClassifier
    interval : ndarray of shape (n_women, 2)
        Probabilities, even about their middle on the log-odds scale.
    z : float
        Half their width in standard deviations.
    """
    low, high = _find_log_odds(interval).T
    mean, variance = recalibrate_moments(model, (low + high) / 2.0, ((high - low) / (2.0 * z)) ** 2)
    half = z * np.sqrt(variance)
    return np.column_stack([expit(mean - half), expit(mean + half)])


def recalibrate_draws(model: RecalibratedClassifier, log_odds: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return draws of log-odds, draws first, each recalibrated by a draw of intercept and slope."""
    terms = np.tile([model.intercept, model.slope], (len(log_odds), 1))
    if model.covariance is not None:
        known = np.asarray(model.covariance, dtype=np.float64)
        terms = rng.multivariate_normal(terms[0], known, len(log_odds), method="eigh")
    shape = (-1, *(1,) * (log_odds.ndim - 1))
    return np.asarray(terms[:, 0].reshape(shape) + terms[:, 1].reshape(shape) * log_odds, dtype=np.float64)


def _find_log_odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)), dtype=np.float64)


def _base_log_odds(base: Any, X: ArrayLike) -> NDArray[np.float64]:
    # A model that averages over a posterior says a chance whose log-odds are not its mean linear predictor.
    if hasattr(base, "decision_function") and not hasattr(base, "compute_attributions"):
        return np.asarray(base.decision_function(X), dtype=np.float64)
    return _find_log_odds(np.asarray(base.predict_proba(X), dtype=np.float64)[:, 1])
