"""A regression that joins a clinic's women with published arms and prognostic effects in one likelihood."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from poi_predict.errors import ModelError
from poi_predict.modeling.borrowing.contrast import CONTRAST_COLUMNS, compute_contrast
from poi_predict.modeling.borrowing.joint import (
    Evidence,
    JointFit,
    add_information,
    blur_joint,
    fit_evidence_alone,
    fit_joint,
    subtract_information,
)
from poi_predict.modeling.borrowing.links import LinkName, find_link
from poi_predict.modeling.borrowing.summary import describe_arms, describe_conflict, describe_posterior
from poi_predict.modeling.borrowing.women import silence_few

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from poi_predict.modeling.borrowing.arms import Arm, Marginal, Prior
    from poi_predict.modeling.borrowing.predictive import WomanRows

    FloatArray = NDArray[np.float64]

__all__ = ["EvidenceLogisticRegression"]

NO_EVIDENCE = "A model needs women of both classes; all women of positive weight are of one class."


class EvidenceLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Multilevel regression on patients and published arms together.

    ``g(P(response)) = mu_j + x beta + treated (delta_j + z gamma) + interactions``, with ``mu_j ~ N(mu, tau²)`` and
    ``delta_j ~ N(delta, r² tau²)`` over studies and centres, r being `therapy_tau_scale` / `tau_scale`. A patient is a
    Bernoulli term with her weight; an arm is a binomial term whose probability is the mean over points that have its
    women's distribution (multilevel network meta-regression: Phillippo et al. 2020, doi 10.1111/rssa.12579). Without
    patients it is a reference model of the literature; every patient sharpens it.

    A gap in a baseline column is filled by its mean given the woman's other values, under the table of the field
    and the clinic's own values; what the gap leaves open widens her interval and draws her probability towards
    1/2. A gap in a protocol column stands for the average protocol.

    Parameters
    ----------
    link : {"logit", "probit"}
    priors : tuple of Prior
        A column without one has mean 0 and `default_sd` for one standard deviation of the column.
    arms : tuple of Arm
    population : tuple of Marginal
        The women of the field: where columns are centred, and what fills the gaps. Columns that X lacks are passed
        over.
    correlations : tuple of (str, str, float)
        Between derived columns.
    treatment : tuple of str
        Columns of the protocol: they act in treated women only.
    treated : str, optional
        Column that is 1 for treated women; all patients are treated if not given.
    interactions : tuple of (str, str)
    centre : str, optional
        Column of centre codes, 0 or missing where the centre is not known. Without it all patients are of one
        centre, and so are the women to be predicted.
    tau_scale : float
        SD of the half-normal prior of tau; 0 for a common intercept and effect of therapy.
    therapy_tau_scale : float
        The same for the SD of the effect of therapy; 0 for a common one. Hardly any study has both treated and
        untreated women, so that nobody could tell the two SDs apart: they are large or small together.
    tau_points, points : int
        Values of tau; points of an arm (a power of two).
    default_sd : float
    binomial : {"one_parameter", "two_parameter"}
        The second matches the variance of a sum of unequal women as well.
    tail : {"normal", "t"}
        "t" gives the priors of coefficients heavier tails (4 degrees of freedom), so that data in conflict win.
    correction : bool
        Whether draws correct the normal approximation of the posterior.
    sampler : {"importance", "quick", "fine"}
        Those draws: importance draws for one of many fits, or Hamiltonian chains, which heavy tails always have;
        "fine" is for a model that is kept, and has more points in each arm.
    random_state : int
        Of the points and importance draws.
    least : int
        A column in which fewer women differ from the others tells nothing: its effect keeps its prior. What is stored
        of the women is rounded for so many; 0 leaves all as it is. See `poi_predict.privacy`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    parameters_ : list of str
    mean_, covariance_ : ndarray of shape (d,) and (d, d)
        Of the posterior, all values of tau together.
    coef_, intercept_ : ndarray of shape (1, n_columns) and (1,)
        Posterior mean, a column's centre being 0; the interactions are not in them.
    centre_ : dict of str to float
        Where each column is centred.
    diagnostics_ : dict
        ``pareto_k`` of importance draws, ``r_hat`` of chains, ``effective_draws``, ``corrected``.

    No patient row is kept.

    References
    ----------
    Phillippo et al. 2020, doi 10.1111/rssa.12579; Ibrahim & Chen 2000, doi 10.1214/ss/1009212673.

    Examples
    --------
    Published evidence alone: 20 of 60 women menstruated after the therapy, 165 of 669 without it.

    >>> from poi_predict.modeling.borrowing import Arm, Prior
    >>> arms = (Arm("A", "cells", 20, 60, treated=True), Arm("B", "none", 165, 669, treated=False))
    >>> model = EvidenceLogisticRegression(arms=arms, priors=(Prior("treated", 0.0, 10.0),), tau_scale=0.0)
    >>> nobody = pd.DataFrame({"fsh__log": []}, dtype=float)
    >>> model.fit(nobody, []).posterior_.set_index("parameter").loc["treated", ["mean", "sd"]].round(2).tolist()
    [0.41, 0.29]
    >>> model.predict_contrast(pd.DataFrame({"fsh__log": [0.0]}))[["p_with", "p_without"]].round(2).to_numpy()
    array([[0.33, 0.25]])
    >>> EvidenceLogisticRegression().fit([[4.0], [4.1]], [0, 0])
    Traceback (most recent call last):
    ValueError: A model needs women of both classes; all women of positive weight are of one class.
    """

    accepts_one_class: ClassVar[bool] = True
    sampler: str = "importance"  # of bundles that were stored before there was a choice

    classes_: NDArray[Any]
    fit_: JointFit
    least: int = 0  # of models stored before these were parameters
    therapy_tau_scale: float = 0.0

    def __init__(  # noqa: PLR0913
        self,
        *,
        link: LinkName = "logit",
        priors: tuple[Prior, ...] = (),
        arms: tuple[Arm, ...] = (),
        population: tuple[Marginal, ...] = (),
        correlations: tuple[tuple[str, str, float], ...] = (),
        treatment: tuple[str, ...] = (),
        treated: str | None = None,
        interactions: tuple[tuple[str, str], ...] = (),
        centre: str | None = None,
        tau_scale: float = 0.5,
        tau_points: int = 9,
        default_sd: float = 0.5,
        points: int = 64,
        binomial: str = "one_parameter",
        tail: str = "normal",
        correction: bool = True,
        sampler: str = "importance",
        random_state: int = 0,
        least: int = 0,
        therapy_tau_scale: float = 0.0,
    ) -> None:
        self.link = link
        self.priors = priors
        self.arms = arms
        self.population = population
        self.correlations = correlations
        self.treatment = treatment
        self.treated = treated
        self.interactions = interactions
        self.centre = centre
        self.tau_scale = tau_scale
        self.tau_points = tau_points
        self.default_sd = default_sd
        self.points = points
        self.binomial = binomial
        self.tail = tail
        self.correction = correction
        self.sampler = sampler
        self.random_state = random_state
        self.least = least
        self.therapy_tau_scale = therapy_tau_scale

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the posterior.

        Parameters
        ----------
        X : array-like of shape (n_women, n_columns)
            NaN where missing. May have no row if there are arms or priors.
        y : array-like of shape (n_women,)
            Two classes, the second in sorted order being the response; with arms or priors, 0 and 1, and one may be
            absent.
        sample_weight : array-like of shape (n_women,), optional
            Not negative; a woman of weight zero does not count.

        Raises
        ------
        ValueError
            If the input is malformed, or there are neither arms nor priors nor women of both classes.
        EvidenceError, ModelError
            If the evidence does not fit the columns, or an option is not one.
        """
        values, labels = self._validate(X, y)
        weight = np.empty(0)
        if len(values):
            weight = _check_sample_weight(sample_weight, values, dtype=np.float64, ensure_non_negative=True)
        counted = weight > 0
        self.classes_ = self._find_classes(labels[counted])
        response = (labels[counted] == self.classes_[1]).astype(np.float64)
        self.fit_ = fit_joint(self._evidence(), self._columns(), values[counted], response, weight[counted])
        return self

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return the posterior mean of each woman's linear predictor, shape (n_women,)."""
        return self._moments(X)[0]

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return probabilities of both classes, averaged over the posterior, shape (n_women, 2)."""
        eta, variance = self._moments(X)
        return self._average(eta, variance)

    def _average(self, eta: FloatArray, variance: FloatArray) -> FloatArray:
        likelier, less = find_link(self.link).average_both(eta, variance)
        return np.column_stack([less, likelier])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likelier class, shape (n_women,)."""
        likelier = (self.decision_function(X) > 0).astype(np.intp)
        return np.asarray(self.classes_[likelier])

    def predict_interval(self, X: ArrayLike, coverage: float = 0.95) -> FloatArray:
        """Return the posterior interval of each woman's probability, shape (n_women, 2).

        It holds what is not known of the effects, of her centre if it is new, and of her missing values. Where the
        model knows no centres, it holds as well how far another clinic than that of its women may differ.

        Raises
        ------
        ModelError
            If the coverage is not between 0 and 1.
        """
        z, women = _normal_quantile(coverage), self._women(self._values(X))
        eta, variance = self.fit_.linear_moments(women)
        half = z * np.sqrt(variance + self.fit_.vary_elsewhere(women.therapy))
        return np.column_stack([find_link(self.link).probability(eta + side * half) for side in (-1.0, 1.0)])

    def predict_contrast(self, X: ArrayLike, coverage: float = 0.95) -> pd.DataFrame:
        """Predict each woman with and without therapy.

        Returns
        -------
        DataFrame of shape (n_women, 10)
            p_with, with_low, with_high, p_without, without_low, without_high, difference, difference_low,
            difference_high, distinguishable (whether the interval of the difference leaves out 0).

        Raises
        ------
        ModelError
            If nobody, neither woman nor arm, was without therapy.
        """
        check_is_fitted(self)
        if not self.fit_.design.has_effect:
            raise ModelError(
                "With and without therapy can be compared only if some women were not treated; here all were. "
                "Add arms without therapy, or name the column `treated`."
            )
        z = _normal_quantile(coverage)
        values = self._values(X)
        both = [self._women(values, therapy) for therapy in (1.0, 0.0)]
        found = compute_contrast(self.fit_, both[0], both[1], find_link(self.link), z)
        return pd.DataFrame(dict(zip(CONTRAST_COLUMNS, found, strict=True)))

    def sample_posterior(self, n: int, rng: np.random.Generator) -> pd.DataFrame:
        """Draw parameters, one row a draw; the last column is tau."""
        draws, tau = self.fit_.posterior.draw(n, rng)
        return pd.DataFrame(draws, columns=self.parameters_).assign(tau=tau)

    def sample_log_odds(
        self, X: ArrayLike, n: int, rng: np.random.Generator, *, therapy: float | None = None
    ) -> FloatArray:
        """Draw the linear predictor of every woman, shape (n, n_women).

        All women share each draw, its new centre or other clinic and the standing of their gaps, so that a difference
        between two rows of one woman is that of what was changed. `therapy` (1 or 0) overrules what the rows say.
        """
        women = self._women(self._values(X), therapy)
        draws = self.sample_posterior(n, rng).to_numpy()
        new_centre = draws[:, [-1]] * rng.standard_normal((n, 2)) @ women.new_centre.T
        gaps = rng.standard_normal((n, 1)) * np.sqrt(women.gap_variance)
        other_clinic = draws[:, [-1]] * rng.standard_normal((n, 2)) @ self.fit_.share_elsewhere(women.therapy).T
        return np.asarray(draws[:, :-1] @ women.rows.T + new_centre + gaps + other_clinic, dtype=np.float64)

    def compute_attributions(self, X: ArrayLike) -> tuple[FloatArray, float]:
        """Attribute each woman's log-odds to the columns.

        The terms of the linear predictor are exact Shapley values. Averaging over the posterior draws a probability
        towards 1/2; the first-order part of that stretches all terms alike, the rest is given to the columns whose
        values make the prediction less certain, in proportion.

        Returns
        -------
        ndarray of shape (n_women, n_columns)
            With the baseline they add up to the log-odds of `predict_proba`.
        float
            Log-odds of a treated woman at the centre of every column.
        """
        values = self._values(X)
        women = self._women(values)
        return self.fit_.attribute(women, values, find_link(self.link))

    @property
    def parameters_(self) -> list[str]:
        """Names of the parameters: coefficients, then deviations of studies and centres."""
        check_is_fitted(self)
        return [*self.fit_.design.coefficients, *self.fit_.groups]

    @property
    def mean_(self) -> FloatArray:
        """Posterior mean, shape (d,)."""
        return self.fit_.mean

    @property
    def covariance_(self) -> FloatArray:
        """Posterior covariance, shape (d, d)."""
        return self.fit_.covariance

    @property
    def tau_mean_(self) -> float:
        """Posterior mean of tau."""
        return float(self.fit_.posterior.weights @ self.fit_.posterior.taus)

    @property
    def centre_(self) -> dict[str, float]:
        """Where each column is centred."""
        return dict(zip(self.fit_.design.columns, self.fit_.centring.tolist(), strict=True))

    @property
    def coef_(self) -> FloatArray:
        """Posterior mean of one unit of each column in a treated woman, shape (1, n_columns)."""
        design = self.fit_.design
        main = len(design.coefficients) - len(design.definitions) - len(design.pairs)
        coefficients = self.fit_.mean[:main] @ design.shares()[:main]
        if design.treated is not None:
            coefficients[design.treated] = (self.fit_.base(1.0).rows - self.fit_.base(0.0).rows)[0] @ self.fit_.mean
        return coefficients[None, :]

    @property
    def intercept_(self) -> FloatArray:
        """Posterior mean of the linear predictor of an untreated (or the only) woman at the centre, shape (1,)."""
        without = self.fit_.base(therapy=float(self.fit_.design.treated is None))
        return np.asarray(without.rows @ self.fit_.mean)

    @property
    def diagnostics_(self) -> dict[str, Any]:
        """How far the normal approximation of the posterior can be trusted."""
        posterior = self.fit_.posterior
        return {
            "pareto_k": posterior.pareto_k,
            "effective_draws": posterior.effective_draws,
            "corrected": posterior.corrected,
            "r_hat": posterior.r_hat,
        }

    @property
    def posterior_(self) -> pd.DataFrame:
        """One row a parameter: mean, sd, quantiles, prior, shares of information, p-value of conflict."""
        return self.describe()[0]

    @property
    def conflict_(self) -> dict[str, Any]:
        """p-values: ``p_arms`` of the arms given the priors, ``p_patients`` of the women given both."""
        return self.describe()[1]

    def blur(self, least: int, rng: np.random.Generator, X: ArrayLike | None = None, n: int = 0) -> None:
        """Blur what the women taught, as it may be stored; see `blur_joint`.

        Parameters
        ----------
        least : int
        rng : Generator
            From `poi_predict.privacy.seed_noise`.
        X : array-like of shape (n_women, n_columns), optional
            The women it was fitted to; without them what they taught is what arms and priors do not say.
        n : int
            How many they are, where they are not given.
        """
        if X is None:
            alone = fit_evidence_alone(self.fit_, self._evidence())
            self.fit_ = blur_joint(self.fit_, n, least, rng, lambda found: subtract_information(found, alone))
            return
        women = self._women(silence_few(self._values(X), least)[0])
        link = find_link(self.link)
        information = partial(add_information, women=women, link=link)
        self.fit_ = blur_joint(self.fit_, len(women.rows), least, rng, information)

    def describe(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return `posterior_` and `conflict_` together, which cost no more than one of them."""
        evidence = self._evidence()
        alone = fit_evidence_alone(self.fit_, evidence)
        twin = alone if self.fit_.twin is None else fit_evidence_alone(self.fit_, evidence, as_twin=True)
        return describe_posterior(self.fit_, evidence, alone, twin), describe_conflict(self.fit_, evidence, twin)

    @property
    def arms_(self) -> pd.DataFrame:
        """One row an arm: what was observed, what the model fits, and which columns the arm was silent on."""
        return describe_arms(self.fit_, self._evidence())

    def _evidence(self) -> Evidence:
        return Evidence(
            link=self.link, priors=self.priors, arms=self.arms, population=self.population,
            correlations=self.correlations, treatment=self.treatment, treated=self.treated,
            interactions=self.interactions, centre=self.centre, tau_scale=self.tau_scale,
            tau_points=self.tau_points, default_sd=self.default_sd, points=self.points, binomial=self.binomial,
            tail=self.tail, correction=self.correction, sampler=self.sampler, seed=self.random_state,
            least=self.least, therapy_tau_scale=self.therapy_tau_scale,
        )  # fmt: skip

    def _validate(self, X: ArrayLike, y: ArrayLike) -> tuple[FloatArray, NDArray[Any]]:
        least = 0 if self.arms or self.priors else 1
        values, labels = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=least
        )
        if len(labels):
            check_classification_targets(labels)
        return values, labels

    def _find_classes(self, labels: NDArray[Any]) -> NDArray[Any]:
        found = np.unique(labels)
        if len(found) > 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass: {len(found)} classes."
            )
        if len(found) == 2:
            return found
        if not (self.arms or self.priors) or not np.isin(found, (0, 1)).all():
            raise ValueError(NO_EVIDENCE)
        return np.array([0, 1])

    def _columns(self) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if names is None else [str(name) for name in names]

    def _values(self, X: ArrayLike) -> FloatArray:
        check_is_fitted(self)
        values: FloatArray = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return values

    def _women(self, values: FloatArray, therapy: float | None = None) -> WomanRows:
        return self.fit_.place(values, therapy)

    def _moments(self, X: ArrayLike) -> tuple[FloatArray, FloatArray]:
        women = self._women(self._values(X))
        return self.fit_.linear_moments(women)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def _normal_quantile(coverage: float) -> float:
    if not 0 < coverage < 1:
        raise ModelError(f"coverage must be between 0 and 1; it is {coverage}. Use 0.95 for 95 %.")
    return float(ndtri(0.5 + 0.5 * coverage))
