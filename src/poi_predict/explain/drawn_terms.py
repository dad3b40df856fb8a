"""Draws of what each clinical variable adds to a woman's log-odds, from the posterior of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poi_predict.features import origin_of
from poi_predict.modeling import LinearPass, find_base, is_linear
from poi_predict.modeling.borrowing.women import fill_gaps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

    FloatArray = NDArray[np.float64]

__all__ = ["DrawnTerms", "draw_linear_terms"]


class DrawnTerms:
    """The terms of the linear predictor in draws of the posterior.

    Parameters
    ----------
    model : EvidenceLogisticRegression
        Fitted.
    n_draws : int
    rng : Generator

    Attributes
    ----------
    variables : tuple of str
        Clinical variables.
    pairs : tuple of (str, str)
        Those whose effects depend on one another.
    """

    def __init__(self, model: EvidenceLogisticRegression, n_draws: int, rng: np.random.Generator) -> None:
        self.fit, design = model.fit_, model.fit_.design
        self.draws = model.sample_posterior(n_draws, rng).to_numpy()[:, :-1]
        self.standing = rng.standard_normal((n_draws, len(design.columns)))
        origins = [origin_of(name) for name in design.columns]
        self.variables = tuple(dict.fromkeys(origins))
        self.members = np.array([[origin == v for v in self.variables] for origin in origins], dtype=np.float64)
        named = [(origins[a], origins[b]) for a, b in design.pairs]
        self.pairs = tuple(dict.fromkeys(named))
        first = len(design.coefficients) - len(design.definitions) - len(design.pairs)
        self.pair_terms = slice(first, first + len(design.pairs))
        same = [[name == pair for pair in self.pairs] for name in named]
        self.pair_members = np.array(same, dtype=np.float64).reshape(len(named), len(self.pairs))
        self.shares = self.fit.shares()

    def draw(self, values: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield each woman's terms by variable, and her interactions.

        Parameters
        ----------
        values : ndarray of shape (n_women, n_columns)
            NaN where missing. All women share the draws and the standing of their gaps, so that what is said of one
            does not depend on the others.

        Yields
        ------
        tuple of ndarray
            Log-odds, or the link's units, less those at every column's centre: shapes (n_draws, n_variables) and
            (n_draws, n_pairs). Half of an interaction is among the terms of either variable.
        """
        fit, design = self.fit, self.fit.design
        centred = np.where(np.isnan(values) & ~fit.fillable, fit.centring, values)
        filled, gaps = fill_gaps(centred, fit.moments, fit.fillable)
        roots = dict(_list_roots(gaps))
        therapy, base = design.therapy(values), fit.base().rows
        deviations = fit.place(values).rows[:, len(design.coefficients) :]
        for row in range(len(values)):
            placed = filled[[row]] + self.standing @ roots[row] if row in roots else filled[[row]]
            rows = design.rows(placed - fit.centring, np.full(len(placed), therapy[row]))
            rows = np.hstack([rows, np.tile(deviations[row], (len(rows), 1))])
            terms = (rows - base) * self.draws
            yield terms @ self.shares @ self.members, terms[:, self.pair_terms] @ self.pair_members


def _list_roots(gaps: list[FloatArray]) -> Iterator[tuple[int, FloatArray]]:
    """Yield each woman with gaps, and a root of the covariance of what is missing of her."""
    if not gaps:
        return
    rows, pattern, covariance = gaps
    value, vector = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(value, 0.0))[:, :, None] * np.swapaxes(vector, 1, 2)
    yield from zip(rows.astype(int).tolist(), roots[pattern.astype(np.intp)], strict=True)


def draw_linear_terms(
    pipeline: Pipeline, X: pd.DataFrame, variables: Sequence[str], n_draws: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield each woman's terms by variable, log-odds less those at every column's mean, shape (n_draws, n_variables).

    Parameters
    ----------
    pipeline : Pipeline
        A linear model with a posterior; a recalibration is not looked at.
    X : DataFrame of shape (n_women, n_inputs)
        All women share the draws and the standing of their gaps.
    variables : sequence of str
    n_draws : int
    rng : Generator
    """
    derived, base = pipeline[:1].transform(X), find_base(pipeline)
    if not is_linear(pipeline):  # several imputations, in whose draws her gaps are drawn
        origins = [origin_of(name) for name in base.get_column_names()]
        members, seed = _list_members(origins, variables), int(rng.integers(2**32))
        for row in range(len(derived)):  # each woman anew from the seed, so that all share the draws
            yield base.sample_terms(derived.iloc[[row]], n_draws, np.random.default_rng(seed))[0] @ members
        return
    one, values = LinearPass(pipeline), derived.to_numpy(dtype=np.float64)
    members = _list_members(one.origins, variables)
    unit = pipeline["scale"].scale_
    slopes = base.sample_coefficients(n_draws, rng)[:, 1:] / unit
    standing = rng.standard_normal((n_draws, values.shape[1]))
    for columns, (gaps, root) in zip(one.place(values)[0], one.list_gaps(values), strict=True):
        placed = np.tile(columns, (n_draws, 1))
        placed[:, gaps] += standing[:, gaps] @ root.T
        yield (placed * slopes) @ members


def _list_members(origins: Sequence[str], variables: Sequence[str]) -> FloatArray:
    return np.array([[origin == v for v in variables] for origin in origins], dtype=np.float64)
