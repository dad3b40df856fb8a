"""Multiple imputation inside a fit, so that a resample refits all of it.

One conditional mean in each gap says nothing of how little is known there. Here a linear model is fitted to
several completed tables, whose gaps hold draws; probabilities are averaged over them (Mertens, Banzato & de
Wreede 2020, doi:10.1002/bimj.201800289), coefficients pooled by Rubin's rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_feature_names_in, _check_sample_weight, check_is_fitted, validate_data

from poi_predict.errors import ModelError
from poi_predict.features import SEPARATOR, origin_of
from poi_predict.modeling.gaps import condition_gaps, find_patterns
from poi_predict.modeling.imputation import ROWS_AT_ONCE, GaussianImputer
from poi_predict.modeling.linear import NO_POSTERIOR, LinearClassifier, find_normal_quantile
from poi_predict.modeling.ridge import RidgeLogistic
from poi_predict.validation import compute_pooled_imputations

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    FloatArray = NDArray[np.float64]

__all__ = ["MultiplyImputed"]

INTERCEPT = "(intercept)"
OUTCOME = f"outcome{SEPARATOR}response"
NEAR = 1e-9
POOLED = ("column", "variable", "log_odds", "std_error", "ci_low", "ci_high", "df", "fraction_missing", "reason")


class MultiplyImputed(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear model fitted to several completed tables: imputation, scaling and model in one step.

    At fit, each imputation draws the parameters of the normal model and then every gap (`GaussianImputer.draw`),
    from a random stream of its own; the completed table is standardised and the model fitted. A new woman's
    probability is the mean over the imputations' models.

    A new woman's gaps are filled from their distribution given her own values under the imputer's estimate. The
    noise of an imputation is one fixed vector, a number for each column, the same for every woman (common random
    numbers); over the imputations each column's noise runs through the quantiles of the normal distribution
    (Latin hypercube: McKay, Beckman & Conover 1979, doi:10.1080/00401706.1979.10489755). So she scores the same
    alone and in a crowd, today and tomorrow; two women who differ in one value differ by it alone; and the mean
    is over what her gaps may hold. Conditional means would be as steady, but name one value for certain, which
    drives probabilities away from 1/2. Draws row by row would not be steady.

    Parameters
    ----------
    model : LinearClassifier, optional
        Unfitted; ridge if not given.
    n_imputations : int
        At least 2.
    imputer : GaussianImputer, optional
        Unfitted; one with its usual settings if not given.
    with_outcome : bool
        Whether gaps at fit are also drawn given the outcome. Right for estimating coefficients (Moons et al.
        2006, doi:10.1016/j.jclinepi.2006.01.009), which without it come out too small. Left out by default: new
        women have gaps and no outcome yet (Sisk et al. 2023, doi:10.1177/09622802231165001), and a penalty tuned
        on values drawn given the outcome has seen the outcome, so that on noise it is too weak.
    random_state : int
        Of all draws; same seed and same rows in the same order, same bytes.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    imputer_ : GaussianImputer
        Of the predictors, for new women.
    noise_ : ndarray of shape (n_imputations, n_columns)
        Standard normal quantiles for new women's gaps.
    intercepts_ : ndarray of shape (n_imputations,)
        Log-odds of a woman at every column's mean.
    coefficients_, centres_, scales_ : ndarray of shape (n_imputations, n_columns + n_flags)
        Log odds ratio of one standard deviation; mean and standard deviation of each column.
    posterior_means_, covariances_ : ndarray of shape (n_imputations, 1 + k) and (n_imputations, 1 + k, 1 + k)
        Of intercept and coefficients of each imputation's model, k columns and flags; NaN where it has none.
    attenuation_ : float
        Mean over the imputations' models; see `LinearClassifier`.
    complete_df_ : float
        Women less coefficients.
    centre_variance_, home_ : float, str or None
        See `LinearClassifier`.

    There is no ``coef_``: the mean of logistic models is not one.

    Examples
    --------
    FSH is missing in the last woman; LH, which goes with it, tells what it may be:

    >>> from poi_predict.modeling import FirthLogistic
    >>> women = np.array([[30.0, 15], [50, 25], [70, 36], [90, 44], [110, 55], [100, 51], [40, 19], [np.nan, 24]])
    >>> responds = np.array([1, 1, 0, 1, 0, 0, 1, 0])
    >>> model = MultiplyImputed(FirthLogistic(), n_imputations=5).fit(women, responds)
    >>> bool(0.3 < model.predict_proba(women)[-1, 1] < 0.9), model.pooled_["column"].tolist()
    (True, ['(intercept)', 'x0', 'x1'])
    """

    classes_: NDArray[Any]
    imputer_: GaussianImputer
    noise_: FloatArray
    intercepts_: FloatArray
    coefficients_: FloatArray
    centres_: FloatArray
    scales_: FloatArray
    posterior_means_: FloatArray
    covariances_: FloatArray
    attenuation_: float
    complete_df_: float
    centre_variance_: float = 0.0
    home_: str | None = None

    def __init__(
        self,
        model: LinearClassifier | None = None,
        n_imputations: int = 10,
        imputer: GaussianImputer | None = None,
        with_outcome: bool = False,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.n_imputations = n_imputations
        self.imputer = imputer
        self.with_outcome = with_outcome
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Draw the completed tables and fit the model to each.

        Parameters
        ----------
        X : array-like of shape (n_women, n_columns)
            NaN where missing.
        y : array-like of shape (n_women,)
            Two classes; the probability of the second in sorted order is modelled.
        sample_weight : array-like of shape (n_women,), optional
            Goes to the models; every woman counts once in imputing.

        Raises
        ------
        ModelError
            If there are fewer than two imputations, or the model is not linear.
        ValueError
            If the input is infinite, or not both classes have a woman of positive weight.
        """
        if self.n_imputations < 2:
            raise ModelError(
                f"n_imputations must be at least 2; it is {self.n_imputations}. With one, use the plain pipeline."
            )
        values, labels = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan")
        check_classification_targets(labels)
        weight = _check_sample_weight(sample_weight, values, dtype=np.float64, ensure_non_negative=True)
        table = self._name(values)
        self.imputer_ = self._new_imputer().fit(table)
        *streams, last = np.random.SeedSequence(self.random_state).spawn(self.n_imputations + 1)
        self.noise_ = _make_noise(self.n_imputations, values.shape[1], np.random.default_rng(last))
        drawer = self._fit_drawer(table, labels)
        fits = [
            self._fit_one(self._draw(drawer, table, labels, np.random.default_rng(stream)), labels, weight)
            for stream in streams
        ]
        models, scalers = [model for model, _ in fits], [scaler for _, scaler in fits]
        self.intercepts_ = np.array([float(model.intercept_[0]) for model in models])
        self.coefficients_ = np.array([np.ravel(model.coef_) for model in models])
        self.centres_ = np.array([scaler.mean_ for scaler in scalers])
        self.scales_ = np.array([scaler.scale_ for scaler in scalers])
        self.attenuation_ = float(np.mean([model.attenuation_ for model in models]))
        k = 1 + self.coefficients_.shape[1]
        unknown = np.full(k, np.nan), np.full((k, k), np.nan)
        self.posterior_means_ = np.array([getattr(model, "posterior_mean_", unknown[0]) for model in models])
        self.covariances_ = np.array([getattr(model, "covariance_", unknown[1]) for model in models])
        self.complete_df_ = float((weight > 0).sum() - self.coefficients_.shape[1] - 1)
        return self

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Return probabilities of both classes, means over the imputations, shape (n_women, 2)."""
        response = np.concatenate([expit(log_odds).mean(axis=0) for log_odds, _ in self._judge(X)])
        return np.column_stack([1.0 - response, response])

    @property
    def has_posterior(self) -> bool:
        """Whether the imputations' models say how sure they are."""
        return bool(np.isfinite(getattr(self, "covariances_", np.nan)).all())

    def predict_interval(self, X: ArrayLike, coverage: float = 0.95) -> FloatArray:
        """Return the interval of each woman's probability by Rubin's rules, shape (n_women, 2).

        The variance of her log-odds is the mean over the imputations, and that between them, which holds what her
        gaps and the gaps at fit leave open (Rubin 1987, ISBN 978-0-471-65574-9). NaN without a posterior.

        Raises
        ------
        ModelError
            If the coverage is not between 0 and 1.
        """
        z = find_normal_quantile(coverage)
        judged = self._judge(X)
        if not self.has_posterior:
            return np.full((sum(log_odds.shape[1] for log_odds, _ in judged), 2), np.nan)
        parts = []
        for _, columns in judged:
            design = self._standardise(columns)
            mean = np.einsum("mnk,mk->mn", design, self.posterior_means_)
            within = np.einsum("mnj,mjk,mnk->mn", design, self.covariances_, design, optimize=True)
            between = mean.var(axis=0, ddof=1)
            half = z * np.sqrt(within.mean(axis=0) + (1.0 + 1.0 / len(mean)) * between)
            parts.append(expit(mean.mean(axis=0)[:, None] + np.outer(half, [-1.0, 1.0])))
        return np.concatenate(parts)

    def sample_log_odds(self, X: ArrayLike, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw the log-odds of every woman, shape (n, n_women); all women share each draw.

        A draw belongs to one imputation: its completed columns, and coefficients of its model's posterior.

        Raises
        ------
        ModelError
            If the models do not say how sure they are.
        """
        design = self.standardise(X)
        log_odds = np.empty((n, design.shape[1]))
        for m, (of_draw, coefficients) in enumerate(self._draw_coefficients(n, rng)):
            log_odds[of_draw] = coefficients @ design[m].T
        return log_odds

    def sample_terms(self, X: ArrayLike, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw the terms that `sample_log_odds` adds up, without intercept, shape (n_women, n, n_columns + n_flags).

        Raises
        ------
        ModelError
            As `sample_log_odds`.
        """
        design = self.standardise(X)[:, :, 1:]
        terms = np.empty((design.shape[1], n, design.shape[2]))
        for m, (of_draw, coefficients) in enumerate(self._draw_coefficients(n, rng)):
            terms[:, of_draw] = design[m][:, None, :] * coefficients[:, 1:]
        return terms

    def standardise(self, X: ArrayLike) -> FloatArray:
        """Return ones and the completed columns in each imputation's units: (n_imputations, n_women, 1 + k)."""
        return np.concatenate([self._standardise(columns) for _, columns in self._judge(X)], axis=1)

    def _draw_coefficients(self, n: int, rng: np.random.Generator) -> list[tuple[NDArray[np.intp], FloatArray]]:
        """Return for each imputation which draws are its own, and their intercepts and coefficients."""
        if not self.has_posterior:
            raise ModelError(NO_POSTERIOR)
        each = [np.arange(m, n, len(self.posterior_means_)) for m in range(len(self.posterior_means_))]
        posteriors = zip(each, self.posterior_means_, self.covariances_, strict=True)
        return [
            (of, rng.multivariate_normal(mean, covariance, len(of), method="eigh"))
            for of, mean, covariance in posteriors
        ]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the likelier class, shape (n_women,)."""
        likelier = (self.predict_proba(X)[:, 1] > 0.5).astype(np.intp)
        return np.asarray(self.classes_[likelier])

    def compute_contributions(self, X: ArrayLike) -> tuple[FloatArray, float]:
        """Share each woman's probability out over the columns, exactly.

        Within an imputation the log-odds are a sum over columns, converted to the probability in proportion (one
        factor a woman); shares are averaged over imputations, as the probabilities are.

        Returns
        -------
        contribution : ndarray of shape (n_women, n_columns + n_flags)
            Order of `get_column_names`; with the baseline they add up to the probability.
        baseline : float
            Probability of a woman at every column's mean, averaged over imputations.
        """
        start = self.intercepts_[:, None]
        shares = []
        for log_odds, columns in self._judge(X):
            step = log_odds - start
            near = np.abs(step) < NEAR
            slope = (expit(log_odds) - expit(start)) / np.where(near, 1.0, step)
            slope = np.where(near, expit(start) * expit(-start), slope)
            standard = (columns - self.centres_[:, None, :]) / self.scales_[:, None, :]
            shares.append(np.einsum("mn,mnk,mk->nk", slope, standard, self.coefficients_) / len(start))
        return np.concatenate(shares), float(expit(self.intercepts_).mean())

    def get_column_names(self) -> list[str]:
        """Return the names of the columns, then of the flags ``<variable>__missing``."""
        check_is_fitted(self)
        return [str(name) for name in self.imputer_.get_feature_names_out()]

    @property
    def pooled_(self) -> pd.DataFrame:
        """Coefficients pooled by Rubin's rules, with t intervals of Barnard & Rubin at 95 %.

        One row for the intercept and for each column: column, variable (empty for the intercept), log_odds of
        one unit of the column, std_error, ci_low, ci_high, df, fraction_missing, and the reason where there is
        no interval. To be read with ``with_outcome=True``: otherwise effects of columns with gaps are too small.
        """
        check_is_fitted(self)
        slopes = self.posterior_means_[:, 1:] / self.scales_
        origins = self.posterior_means_[:, 0] - (slopes * self.centres_).sum(axis=1)
        estimates, variances = np.column_stack([origins, slopes]), self._compute_variances()
        names = [INTERCEPT, *self.get_column_names()]
        rows = [
            (name, "" if name == INTERCEPT else origin_of(name), *self._pool(estimates[:, j], variances[:, j]))
            for j, name in enumerate(names)
        ]
        return pd.DataFrame(rows, columns=list(POOLED))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def _name(self, values: FloatArray) -> pd.DataFrame:
        """Return a table whose columns are known to the imputer, which flags variables, not columns."""
        return pd.DataFrame(values, columns=[str(name) for name in _check_feature_names_in(self)])

    def _new_imputer(self) -> GaussianImputer:
        return GaussianImputer() if self.imputer is None else clone(self.imputer)

    def _fit_drawer(self, table: pd.DataFrame, labels: NDArray[Any]) -> GaussianImputer:
        if not self.with_outcome:
            return self.imputer_
        return self._new_imputer().fit(table.assign(**{OUTCOME: labels == np.max(labels)}))

    def _draw(
        self, drawer: GaussianImputer, table: pd.DataFrame, labels: NDArray[Any], rng: np.random.Generator
    ) -> FloatArray:
        if not self.with_outcome:
            return drawer.draw(table, rng)
        completed = drawer.draw(table.assign(**{OUTCOME: labels == np.max(labels)}), rng)
        return np.delete(completed, table.shape[1], axis=1)

    def _fit_one(
        self, completed: FloatArray, labels: NDArray[Any], weight: FloatArray
    ) -> tuple[LinearClassifier, StandardScaler]:
        """Return the model of one completed table, and the scaler before it."""
        scaler = StandardScaler().fit(completed)
        model = clone(RidgeLogistic() if self.model is None else self.model)
        if not isinstance(model, LinearClassifier):
            raise ModelError(f"Only linear models are fitted to imputations; a {type(model).__name__} is not.")
        model.fit(scaler.transform(completed), labels, sample_weight=weight)
        self.classes_ = model.classes_
        return model, scaler

    def _judge(self, X: ArrayLike) -> list[tuple[FloatArray, FloatArray]]:
        """Log-odds (n_imputations, n_rows) and completed columns of parts of the rows."""
        check_is_fitted(self)
        values = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        judged = []
        for start in range(0, len(values), ROWS_AT_ONCE):
            columns = self._complete(values[start : start + ROWS_AT_ONCE])
            slopes = self.coefficients_ / self.scales_
            standard = columns - self.centres_[:, None, :]
            judged.append((np.einsum("mnk,mk->mn", standard, slopes) + self.intercepts_[:, None], columns))
        return judged

    def _complete(self, values: FloatArray) -> FloatArray:
        """Complete new women's columns once an imputation, shape (n_imputations, n_rows, n_columns + n_flags)."""
        imputer = self.imputer_
        expected = np.asarray(imputer.transform(self._name(values)))
        completed = np.repeat(expected[None], len(self.noise_), axis=0)
        missing = np.isnan(values)
        patterns = find_patterns(missing)
        if not len(patterns.rows):
            return completed
        scale = np.sqrt(np.diag(imputer.covariance_))
        correlation = imputer.covariance_ / np.outer(scale, scale)
        gaps = condition_gaps((values - imputer.mean_) / scale, np.zeros(len(scale)), correlation, patterns)
        roots = np.linalg.cholesky(gaps.covariance)
        d = values.shape[1]
        for i, noise in enumerate(self.noise_):
            padded = np.append(noise, 0.0)[patterns.columns]  # padding is the column after the last
            drawn = np.zeros_like(values)
            patterns.put(drawn, gaps.mean + np.einsum("pij,pj->pi", roots, padded)[patterns.of_row])
            drawn = np.clip(imputer.mean_ + scale * drawn, imputer.low_, imputer.high_)
            np.copyto(completed[i, :, :d], drawn, where=missing)
        return completed

    def _standardise(self, columns: FloatArray) -> FloatArray:
        """Return completed columns in each imputation's units, ones before them."""
        standard = (columns - self.centres_[:, None, :]) / self.scales_[:, None, :]
        return np.concatenate([np.ones((*standard.shape[:2], 1)), standard], axis=2)

    def _compute_variances(self) -> FloatArray:
        """Squared standard errors of one unit of a column, the intercept first; none of a column left out."""
        units = np.zeros_like(self.covariances_)
        at = np.arange(1, units.shape[1])
        units[:, 0, 0], units[:, at, at], units[:, 0, 1:] = 1.0, 1.0 / self.scales_, -self.centres_ / self.scales_
        return np.asarray(np.einsum("mij,mjk,mik->mi", units, self.covariances_, units), dtype=np.float64)

    def _pool(self, estimates: FloatArray, variances: FloatArray) -> tuple[Any, ...]:
        mean = float(estimates.mean())
        reason = None
        if self.complete_df_ <= 0:
            reason = "not more women than coefficients"
        elif not (np.isfinite(variances) & (variances > 0)).all():
            reason = "the model has no standard error for it in every imputation"
        if reason is not None:
            return (mean, np.nan, np.nan, np.nan, np.nan, np.nan, reason)
        pooled = compute_pooled_imputations(estimates, variances, complete_df=self.complete_df_)
        low, high = pooled.estimate.ci_low, pooled.estimate.ci_high
        return (mean, float(np.sqrt(pooled.variance)), low, high, pooled.df, pooled.fraction_missing, None)


def _make_noise(n_imputations: int, n_columns: int, rng: np.random.Generator) -> FloatArray:
    """Return normal quantiles, mean 0 and variance 1 over the imputations, in another order in each column."""
    quantiles = ndtri((np.arange(n_imputations) + 0.5) / n_imputations)
    quantiles /= np.sqrt(np.mean(quantiles**2))
    return np.column_stack([rng.permutation(quantiles) for _ in range(n_columns)])
