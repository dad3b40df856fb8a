"""All numbers of many women from one placing: probability, interval, and reasons, with memory that does not grow.

What the single questions of the estimator answer one by one is worked out here together: gaps are filled once for
each pattern of gaps, and one product of matrices, a few thousand rows at a time, holds the mean of the linear
predictor, its variance, and every term of the reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from poi_predict.modeling.gap_patterns import PatternFiller

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.modeling.borrowing.joint import JointFit
    from poi_predict.modeling.borrowing.links import Link
    from poi_predict.modeling.gap_patterns import GapPattern

    FloatArray = NDArray[np.float64]

__all__ = ["Judged", "OnePass"]

ROWS_AT_ONCE = 2048
"""So few that what is worked out for them stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model says of women, by row.

    Attributes
    ----------
    p_response, low, high : ndarray of shape (n_women,)
        Probability, averaged over the posterior, and its interval.
    attributions : ndarray of shape (n_women, n_members) or None
        Log-odds.
    """

    p_response: FloatArray
    low: FloatArray
    high: FloatArray
    attributions: FloatArray | None


@dataclass(frozen=True, eq=False)
class _Placed:
    """Some women in the design, and all that is linear in it."""

    rows: FloatArray
    products: FloatArray
    new_centre: FloatArray
    missing: NDArray[np.bool_]
    gap_variance: FloatArray


class OnePass:
    """A fit without interactions, made ready to judge many women; keeps no woman.

    Parameters
    ----------
    fit : JointFit
    link : Link
    z : float
        Half the width of an interval, in standard deviations.
    members : ndarray of shape (n_columns, n_members)
        1 where a derived column belongs to a clinical variable: attributions are summed over it.
    """

    def __init__(self, fit: JointFit, link: Link, z: float, members: FloatArray) -> None:
        design, n = fit.design, len(fit.design.coefficients)
        k, d = n - len(design.definitions), n + len(fit.groups)  # the women's own definition has no column
        used = np.r_[:k, n + fit.n_study_groups : d]  # nor has a published study
        self._fit, self._link, self._z, self._members, self._k = fit, link, z, members, k
        self._at, self._acting = list(design.baseline), list(design.protocol)
        self._first = 1 + design.has_effect
        places = np.ix_(self._at, self._at)
        self._filler = PatternFiller(fit.moments.mean[self._at], fit.moments.covariance[places])
        own = np.arange(self._first, self._first + len(self._at))
        self._slopes, self._slope_covariance = fit.mean[own], fit.covariance[np.ix_(own, own)]
        self._tau_square = fit.posterior.tau_square
        by_parameter = fit.shares()[used] @ members
        mean, covariance = fit.mean[used], fit.covariance[np.ix_(used, used)]
        self._products = np.hstack([covariance, mean[:, None], mean[:, None] * by_parameter])
        self._by_parameter, self._small = by_parameter, 1e-9 * np.abs(mean)
        base = fit.base()
        self._base, self._new_base = base.rows[0, used], base.new_centre
        self._at_base = self._base @ self._products
        self.baseline = self._find_baseline()

    def judge(self, values: FloatArray, *, reasons: bool) -> Judged:
        """Judge women.

        Parameters
        ----------
        values : ndarray of shape (n_women, n_columns)
            Derived columns, NaN where missing.
        reasons : bool
            Whether to attribute as well.
        """
        n = len(values)
        p, low, high = np.empty(n), np.empty(n), np.empty(n)
        found = np.empty((n, self._members.shape[1])) if reasons else None
        filled, gap_variance = self._fill(values)
        therapy = self._fit.design.therapy(values)
        known, new_centre = self._fit.find_shares(self._fit.find_groups(values), therapy)
        known = known[:, self._fit.n_study_groups :]
        for start in range(0, n, ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            rows = self._place(values[part], filled[part], therapy[part], known[part])
            missing = np.isnan(values[part, self._at])
            placed = _Placed(rows, rows @ self._products, new_centre[part], missing, gap_variance[part])
            eta, variance = self._moments(placed)
            half = self._z * np.sqrt(variance + self._fit.vary_elsewhere(therapy[part]))
            low[part], high[part] = self._link.probability(eta - half), self._link.probability(eta + half)
            p[part], less = self._link.average_both(eta, variance)
            if found is not None:
                found[part] = self._attribute(placed, np.log(p[part]) - np.log(less), variance)
        return Judged(p, low, high, found)

    def _find_baseline(self) -> float:
        nothing = np.zeros((1, len(self._at)), dtype=bool), np.zeros(1)
        base = _Placed(self._base[None], self._at_base[None], self._new_base, *nothing)
        p, less = self._link.average_both(*self._moments(base))
        return float(np.log(p[0]) - np.log(less[0]))

    def _fill(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return columns that work in every woman, less their centres, and the variance that her gaps leave."""
        filled, rows, patterns = self._filler.fill(values[:, self._at])
        variances = np.array([self._compute_gap_variance(pattern) for pattern in patterns])
        variance = np.empty(len(values))
        variance[rows.order] = np.repeat(variances, np.diff(rows.bounds))
        return filled - self._fit.centring[self._at], variance

    def _compute_gap_variance(self, pattern: GapPattern) -> float:
        """With covariance S of the gaps: slopes' S slopes + trace(S Cov(slopes)); see `compute_gap_variance`."""
        at, covariance = pattern.columns, pattern.covariance
        slopes = self._slopes[at]
        return float(slopes @ covariance @ slopes + (covariance * self._slope_covariance[np.ix_(at, at)]).sum())

    def _place(self, values: FloatArray, filled: FloatArray, therapy: FloatArray, known: FloatArray) -> FloatArray:
        """Return rows of the design and shares of the centres' deviations."""
        rows = np.empty((len(values), self._k + known.shape[1]))
        rows[:, 0] = 1.0
        rows[:, 1 : self._first] = therapy[:, None]
        after = self._first + len(self._at)
        rows[:, self._first : after] = filled
        acting = values[:, self._acting] - self._fit.centring[self._acting]
        acting *= therapy[:, None]
        rows[:, after : self._k] = np.nan_to_num(acting, copy=False)
        rows[:, self._k :] = known
        return rows

    def _moments(self, placed: _Placed) -> tuple[FloatArray, FloatArray]:
        """Return mean and variance of the linear predictor; see `compute_linear_moments`."""
        d = len(self._base)
        variance = np.einsum("ij,ij->i", placed.products[:, :d], placed.rows) + placed.gap_variance
        variance += self._tau_square * (placed.new_centre**2).sum(axis=1)
        return placed.products[:, d].copy(), np.maximum(variance, 0.0)

    def _attribute(self, placed: _Placed, output: FloatArray, variance: FloatArray) -> FloatArray:
        """Return attributions summed by member, shape (n_rows, n_members); see `attribute_log_odds`."""
        d = len(self._base)
        moved = placed.rows - self._base
        terms = placed.products[:, d + 1 :] - self._at_base[d + 1 :]
        pull = placed.products[:, :d] + self._at_base[:d]
        pull *= moved
        share = placed.gap_variance / np.maximum(placed.missing.sum(axis=1), 1)
        pull[:, self._first : self._first + len(self._at)] += placed.missing * share[:, None]
        if d > self._k:  # deviations belong to one column all together
            of_centre = pull[:, self._k :].sum(axis=1)
            pull[:, self._k :] = 0.0
            pull[:, self._k if self._fit.design.centre is not None else self._first - 1] += of_centre
        blame = np.abs(pull, out=pull)
        blame += np.abs(moved, out=moved) * self._small
        blamed = blame @ self._by_parameter + 1e-15 * self._members.sum(axis=0)
        terms *= self._link.shrinkage(variance)[:, None]
        rest = output - self.baseline - terms.sum(axis=1)
        return np.asarray(terms + blamed * (rest / blamed.sum(axis=1))[:, None], dtype=np.float64)
