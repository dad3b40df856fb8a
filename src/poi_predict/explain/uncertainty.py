"""How sure each part of an explanation is: attributions computed anew in every draw of the model's posterior.

What is shown stays the explanation of the model itself, so that it still adds up to the probability shown. The draws
say how far each part would move, and whether it would keep its sign, had other women or other studies been seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from poi_predict.errors import ModelError
from poi_predict.explain.attribution import Explanation, explain_predictions
from poi_predict.explain.drawn_terms import DrawnTerms, draw_linear_terms
from poi_predict.modeling import find_base, has_posterior
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.linear import NO_POSTERIOR

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    FloatArray = NDArray[np.float64]

__all__ = ["Spread", "UncertainExplanation", "compute_spread", "explain_with_uncertainty"]

N_DRAWS = 1000
TAILS = (0.05, 0.95)
STABLE = 0.9
NOTHING = 1e-9
"""Log-odds that are no more than rounding."""


@dataclass(frozen=True, eq=False)
class Spread:
    """How far some terms move from draw to draw; log-odds, arrays of shape (n_women, n_terms).

    Attributes
    ----------
    mean : ndarray
        What is shown.
    low, high : ndarray
        Range of 90 % of the draws, widened where needed to hold the mean.
    same_sign : ndarray
        Share of draws with the sign of the mean; 1 for a term that is 0 in all of them.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    same_sign: FloatArray

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether at least 90 % of the draws have the sign of the mean."""
        return np.asarray(self.same_sign >= STABLE)


@dataclass(frozen=True, eq=False)
class UncertainExplanation:
    """What moved each woman's prediction away from the baseline value, and how sure each part of it is.

    Attributes
    ----------
    explanation : Explanation
        What is shown: baseline and attributions add up to the model's log-odds.
    spread : Spread
        Of the variables, in the order of ``explanation.variables``.
    pairs : tuple of (str, str)
        Variables whose effects depend on one another, where the model says so.
    pair_spread : Spread
        Of those interactions. Half of each is in the attribution of either variable already.
    kind : {"posterior"}
    n_draws : int

    Examples
    --------
    FSH lowers her log-odds in every draw; of age that cannot be said:

    >>> shown = Explanation(("fsh", "age"), np.array([[-0.4, 0.1]]), -1.0, np.array([-1.3]))
    >>> draws = np.array([[[-0.6, -0.4, -0.2], [-0.2, 0.1, 0.4]]])
    >>> none = compute_spread(np.empty((1, 0)), np.empty((1, 0, 3)))
    >>> found = UncertainExplanation(shown, compute_spread(shown.attributions, draws), (), none, "posterior", 3)
    >>> found.frame()[["variable", "log_odds", "same_sign", "stable"]].round(2)
      variable  log_odds  same_sign  stable
    0      fsh      -0.4       1.00    True
    1      age       0.1       0.67   False
    """

    explanation: Explanation
    spread: Spread
    pairs: tuple[tuple[str, str], ...]
    pair_spread: Spread
    kind: Literal["posterior"]
    n_draws: int

    @property
    def variables(self) -> tuple[str, ...]:
        """Clinical variables, in the order of the columns of `spread`."""
        return self.explanation.variables

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether the sign of each attribution can be relied on, shape (n_women, n_variables)."""
        return self.spread.stable

    def frame(self) -> pd.DataFrame:
        """Return one row a woman and variable.

        Columns: row, variable, log_odds, low, high, same_sign, stable, and the first three once more as shares of the
        probability (probability_share, share_low, share_high), converted with each woman's one factor.
        """
        return self._tabulate(self.spread, {"variable": list(self.variables)})

    def pair_frame(self) -> pd.DataFrame:
        """Return one row a woman and interaction: row, first, second, then as `frame`."""
        first, second = zip(*self.pairs, strict=True) if self.pairs else ((), ())
        return self._tabulate(self.pair_spread, {"first": list(first), "second": list(second)})

    def _tabulate(self, spread: Spread, names: dict[str, list[str]]) -> pd.DataFrame:
        n, k = spread.mean.shape
        factor = _convert_to_probability(self.explanation)[:, None]
        in_log_odds = {"log_odds": spread.mean, "low": spread.low, "high": spread.high}
        of_probability = ("probability_share", "share_low", "share_high")
        return pd.DataFrame(
            {"row": np.repeat(np.arange(n), k)}
            | {name: np.tile(np.array(values, dtype=object), n) for name, values in names.items()}
            | {name: values.ravel() for name, values in in_log_odds.items()}
            | {"same_sign": spread.same_sign.ravel(), "stable": spread.stable.ravel()}
            | {
                name: (values * factor).ravel()
                for name, values in zip(of_probability, in_log_odds.values(), strict=True)
            }
        )


def explain_with_uncertainty(
    pipeline: Pipeline,
    X: pd.DataFrame,
    *,
    n_draws: int = N_DRAWS,
    random_state: int = 0,
) -> UncertainExplanation:
    """Explain predictions on the clinical variables, with the error bars of every part.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted by `poi_predict.modeling`, its last step named "model".
    X : DataFrame of shape (n_women, n_inputs)
        Canonical predictor columns, in canonical units; at least one row.
    n_draws : int
        Of the posterior.
    random_state : int
        Same seed, same numbers, whatever other women are in the table.

    Returns
    -------
    UncertainExplanation

    Raises
    ------
    ModelError
        If the model has no posterior.

    Notes
    -----
    A draw gives the terms of the linear predictor, which are exact Shapley values; a value that is missing is drawn as
    well, so a variable that is not known of her has a wide range. The terms are stretched as the attribution shown is,
    and centred on it.

    Examples
    --------
    Published evidence alone, which says that FSH matters:

    >>> from sklearn.pipeline import Pipeline
    >>> from poi_predict.modeling.borrowing import Prior
    >>> model = EvidenceLogisticRegression(priors=(Prior("fsh__log", -1.0, 0.3),), tau_scale=0.0)
    >>> model = model.fit(pd.DataFrame({"fsh__log": []}, dtype=float), [])
    >>> women = pd.DataFrame({"fsh__log": [0.5]})
    >>> found = explain_with_uncertainty(Pipeline([("features", "passthrough"), ("model", model)]), women)
    >>> bool(found.spread.low[0, 0] < found.spread.mean[0, 0] < found.spread.high[0, 0] < 0), bool(found.stable[0, 0])
    (True, True)
    >>> from sklearn.dummy import DummyClassifier
    >>> dummy = DummyClassifier().fit([[0.4], [0.6]], [0, 1])
    >>> explain_with_uncertainty(Pipeline([("features", "passthrough"), ("model", dummy)]), women)
    Traceback (most recent call last):
    poi_predict.errors.ModelError: How sure a prediction is comes from the model's own posterior; this model has none.
    Train evidence, ridge, firth or prespecified; the bundles of earlier versions are to be trained again.
    """
    shown = explain_predictions(pipeline, X)
    if not has_posterior(pipeline):
        raise ModelError(NO_POSTERIOR)
    model, base = pipeline[-1], find_base(pipeline)
    slope = 1.0 if base is model else float(model.slope)
    with threadpool_limits(limits=1):
        if isinstance(base, EvidenceLogisticRegression):
            return _explain_posterior(base, pipeline[:-1].transform(X), shown, slope, (n_draws, random_state))
        return _explain_linear(pipeline, X, shown, slope * base.attenuation_, (n_draws, random_state))


def compute_spread(mean: FloatArray, draws: FloatArray) -> Spread:
    """Summarise draws of terms.

    Parameters
    ----------
    mean : ndarray of shape (n_women, n_terms)
        What is shown.
    draws : ndarray of shape (n_women, n_terms, n_draws)
    """
    low, high = np.quantile(draws, TAILS, axis=-1)
    same = _sign(draws) == _sign(mean)[..., None]
    return Spread(mean, np.minimum(low, mean), np.maximum(high, mean), same.mean(axis=-1))


def _explain_posterior(
    model: EvidenceLogisticRegression, columns: pd.DataFrame, shown: Explanation, slope: float, seed: tuple[int, int]
) -> UncertainExplanation:
    """Stretch the terms of every draw as the attribution shown is, and centre them on it."""
    n_draws, random_state = seed
    values = columns.to_numpy(dtype=np.float64)
    women = model.fit_.place(values)
    stretch = slope * find_link(model.link).shrinkage(model.fit_.linear_moments(women)[1])
    terms = DrawnTerms(model, n_draws, np.random.default_rng(random_state))
    found, found_pairs = [], []
    for row, (of_columns, of_pairs) in enumerate(terms.draw(values)):
        away = stretch[row] * (of_columns - of_columns.mean(axis=0)).T
        found.append(compute_spread(shown.attributions[[row]], shown.attributions[row][None, :, None] + away))
        found_pairs.append(compute_spread(stretch[row] * of_pairs.mean(axis=0)[None], stretch[row] * of_pairs.T[None]))
    return UncertainExplanation(shown, _join(found), terms.pairs, _join(found_pairs), "posterior", n_draws)


def _explain_linear(
    pipeline: Pipeline, X: pd.DataFrame, shown: Explanation, stretch: float, seed: tuple[int, int]
) -> UncertainExplanation:
    """Centre the terms of every draw on the attribution shown, as it is stretched."""
    n_draws, random_state = seed
    found = []
    drawn = draw_linear_terms(pipeline, X, shown.variables, n_draws, np.random.default_rng(random_state))
    for row, terms in enumerate(drawn):
        away = stretch * (terms - terms.mean(axis=0)).T
        found.append(compute_spread(shown.attributions[[row]], shown.attributions[row][None, :, None] + away))
    nothing = compute_spread(np.empty((len(X), 0)), np.empty((len(X), 0, n_draws)))
    return UncertainExplanation(shown, _join(found), (), nothing, "posterior", n_draws)


def _join(parts: list[Spread]) -> Spread:
    return Spread(*(np.vstack([getattr(part, name) for part in parts]) for name in Spread.__dataclass_fields__))


def _sign(values: FloatArray) -> FloatArray:
    return np.asarray(np.where(np.abs(values) < NOTHING, 0.0, np.sign(values)), dtype=np.float64)


def _convert_to_probability(explanation: Explanation) -> FloatArray:
    """Return what one unit of log-odds is worth in probability to each woman; see `probability_share`."""
    start, moved = explanation.baseline_probability, explanation.output - explanation.baseline
    near = np.abs(moved) < NOTHING
    gained = explanation.probability - start
    return np.asarray(np.where(near, start * (1.0 - start), gained / np.where(near, 1.0, moved)), dtype=np.float64)
