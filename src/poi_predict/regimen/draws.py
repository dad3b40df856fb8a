"""What a model says of a woman under each regimen, and draws of it that all regimens share.

The draws of two regimens are of one posterior, so their difference is less uncertain than its parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from poi_predict.errors import ModelError
from poi_predict.features import LevelFeatures, origin_of
from poi_predict.modeling import (
    LinearPass,
    RecalibratedClassifier,
    clip_probabilities,
    compute_centre_variance,
    find_base,
    has_posterior,
    is_linear,
    recalibrate_draws,
)
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.linear import NO_POSTERIOR
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR
from poi_predict.regimen.placing import place_options
from poi_predict.regimen.seen import SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.regimen.options import Option
    from poi_predict.regimen.placing import PlacedWomen

    FloatArray = NDArray[np.float64]

__all__ = [
    "NO_CENTRE",
    "LinearDraws",
    "PosteriorDraws",
    "ResponseDraws",
    "build_draws",
    "compute_interval",
    "has_one_order",
    "lacks_centres",
    "split_women",
]

N_DRAWS = 1000
NO_CENTRE = "No centre is recorded: a difference between protocols can be a difference between clinics."
TAILS = (0.025, 0.975)
MOST_NUMBERS_AT_ONCE = 5_000_000


class ResponseDraws(Protocol):
    """Probabilities of women under options, and draws that the options of one woman share.

    Attributes
    ----------
    kind : {"posterior"}
    n_draws : int
    says_no_therapy : bool
        Whether the model has learnt from women, or from arms, without therapy.
    pipeline : Pipeline
        The model.
    """

    @property
    def kind(self) -> Literal["posterior"]:
        """Where the draws come from."""

    @property
    def n_draws(self) -> int:
        """How many there are."""

    @property
    def says_no_therapy(self) -> bool:
        """Whether no cell therapy is an option."""

    @property
    def pipeline(self) -> Pipeline:
        """The model."""

    def compute(self, women: pd.DataFrame, options: Sequence[Option]) -> tuple[FloatArray, FloatArray]:
        """Return probabilities of response, shape (n_women, n_options), and their draws, (…, n_draws).

        Draw *d* is the same for all women, options and calls.
        """


class PosteriorDraws:
    """Draws from the posterior of the evidence model.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; its model may be recalibrated.
    n_draws : int
    random_state : int
        Same seed, same draws.
    """

    kind: Literal["posterior"] = "posterior"

    def __init__(self, pipeline: Pipeline, n_draws: int = N_DRAWS, random_state: int = 0) -> None:
        self.pipeline = pipeline
        self.n_draws = n_draws
        self.random_state = random_state
        self._base: EvidenceLogisticRegression = find_base(pipeline)

    @property
    def says_no_therapy(self) -> bool:
        """Whether some woman or arm was without therapy.

        A recalibration learnt in treated women says nothing of those without.
        """
        return not isinstance(self.pipeline[-1], RecalibratedClassifier) and bool(self._base.fit_.design.has_effect)

    def compute(self, women: pd.DataFrame, options: Sequence[Option]) -> tuple[FloatArray, FloatArray]:
        """Return probabilities as the model predicts them, and draws; see `ResponseDraws`."""
        columns = place_options(women, options).derive(self.pipeline)
        shape = (len(women), len(options))
        p, draws = np.empty(shape), np.empty((*shape, self.n_draws))
        place = np.arange(len(columns)).reshape(shape)
        treated = np.array([option.is_therapy for option in options])
        with threadpool_limits(limits=1):
            for therapy in (1.0, 0.0):
                chosen = np.flatnonzero(treated == bool(therapy))
                if len(chosen) and len(women):
                    part = columns.iloc[place[:, chosen].ravel()]
                    p[:, chosen] = self._predict(part, therapy).reshape(-1, len(chosen))
                    draws[:, chosen] = self._draw(part, therapy).reshape(-1, len(chosen), self.n_draws)
        return p, draws

    def _predict(self, columns: pd.DataFrame, therapy: float) -> FloatArray:
        if therapy or self._base.treated is not None:
            return np.asarray(self.pipeline[-1].predict_proba(columns)[:, 1], dtype=np.float64)
        return self._base.predict_contrast(columns)["p_without"].to_numpy()

    def _draw(self, columns: pd.DataFrame, therapy: float) -> FloatArray:
        rng = np.random.default_rng(self.random_state)
        eta = self._base.sample_log_odds(columns, self.n_draws, rng, therapy=therapy)
        drawn = find_link(self._base.link).probability(np.ascontiguousarray(eta.T))
        model = self.pipeline[-1]
        if not isinstance(model, RecalibratedClassifier):
            return drawn
        floored = np.clip(drawn, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
        return np.asarray(expit(recalibrate_draws(model, logit(floored).T, rng).T), dtype=np.float64)


class LinearDraws:
    """Draws from the posterior of a linear model's intercept and coefficients.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; its model may be recalibrated.
    n_draws : int
    random_state : int
        Same seed, same draws.

    Notes
    -----
    All options share each draw, and the standing of what is missing of a woman. A model of several imputations fills
    her gaps once for each regimen; of all others her baseline is the same to the last bit.
    """

    kind: Literal["posterior"] = "posterior"

    def __init__(self, pipeline: Pipeline, n_draws: int = N_DRAWS, random_state: int = 0) -> None:
        self.pipeline = pipeline
        self.n_draws = n_draws
        self.random_state = random_state
        self._base = find_base(pipeline)
        self._one = LinearPass(pipeline) if is_linear(pipeline) else None

    @property
    def says_no_therapy(self) -> bool:
        """Whether enough women of training had no cells, so that this is a level of its own.

        A recalibration learnt in treated women says nothing of those without therapy.
        """
        if isinstance(self.pipeline[-1], RecalibratedClassifier):
            return False
        builders = getattr(self.pipeline[0], "builders_", [])
        return any(_knows_no_cells(builder) for _, builder, _ in builders)

    def compute(self, women: pd.DataFrame, options: Sequence[Option]) -> tuple[FloatArray, FloatArray]:
        """Return probabilities as the model predicts them, and draws; see `ResponseDraws`."""
        shape = (len(women), len(options))
        if not len(women):
            return np.empty(shape), np.empty((*shape, self.n_draws))
        placed = place_options(women, options)
        with threadpool_limits(limits=1):
            columns = placed.derive(self.pipeline)
            p = clip_probabilities(self.pipeline[-1].predict_proba(columns)[:, 1])
            log_odds = self._draw(columns, placed)
            log_odds += self._draw_centres(women, len(options))
        return p.reshape(shape), expit(log_odds.T).reshape(*shape, self.n_draws)

    def _draw_centres(self, women: pd.DataFrame, n_options: int) -> FloatArray:
        """Draw what a woman's centre adds, the same for all her options, shape (n_draws, n_women * n_options)."""
        drawn = np.random.default_rng([self.random_state, 1]).standard_normal((self.n_draws, 1))
        spread = np.sqrt(compute_centre_variance(self.pipeline, women))
        return np.asarray(drawn * np.repeat(spread, n_options), dtype=np.float64)

    def _draw(self, columns: pd.DataFrame, placed: PlacedWomen) -> FloatArray:
        """Draw log-odds, shape (n_draws, n_rows)."""
        rng = np.random.default_rng(self.random_state)
        if self._one is None:
            log_odds = self._base.sample_log_odds(columns, self.n_draws, rng)
        else:
            drawn = self._base.sample_coefficients(self.n_draws, rng)
            log_odds = drawn[:, [0]] + drawn[:, 1:] @ columns.to_numpy(dtype=np.float64).T
            incomplete = placed.derive_incomplete(self.pipeline).to_numpy(dtype=np.float64)
            log_odds += rng.standard_normal((self.n_draws, 1)) * np.sqrt(self._one.place(incomplete)[1])
        model = self.pipeline[-1]
        if not isinstance(model, RecalibratedClassifier):
            return np.asarray(log_odds, dtype=np.float64)
        said = logit(clip_probabilities(self._base.predict_proba(columns)[:, 1]))
        away = self._base.attenuation_ * (log_odds - log_odds.mean(axis=0))
        return recalibrate_draws(model, said + away, rng)


def build_draws(pipeline: Pipeline, *, n_draws: int = N_DRAWS, random_state: int = 0) -> ResponseDraws:
    """Return draws of the posterior of a stored model.

    Raises
    ------
    ModelError
        If it has none: without uncertainty nothing can be compared.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> build_draws(Pipeline([("model", DummyClassifier())]))
    Traceback (most recent call last):
    poi_predict.errors.ModelError: How sure a prediction is comes from the model's own posterior; this model has none.
    Train evidence, ridge, firth or prespecified; the bundles of earlier versions are to be trained again.
    """
    if not has_posterior(pipeline):
        raise ModelError(NO_POSTERIOR)
    if isinstance(find_base(pipeline), EvidenceLogisticRegression):
        return PosteriorDraws(pipeline, n_draws, random_state)
    return LinearDraws(pipeline, n_draws, random_state)


def has_one_order(pipeline: Pipeline, protocol: Sequence[str]) -> bool:
    """Whether regimens have the same order for every woman: log-odds add up, and nothing of her bears on a regimen.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    protocol : sequence of str
        Variables that say what is done.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = [[30.0], [38.0]], [1, 0]
    >>> [has_one_order(Pipeline([("model", model.fit(X, y))]), ["cell_source"])
    ...  for model in (LogisticRegression(), DecisionTreeClassifier())]
    [True, False]
    """
    model = find_base(pipeline)
    if not hasattr(model, "coef_"):
        return False
    pairs = getattr(model, "interactions", ())
    return not any((origin_of(first) in protocol) != (origin_of(second) in protocol) for first, second in pairs)


def lacks_centres(pipeline: Pipeline) -> bool:
    """Whether a model was fitted to women of whom fewer than two centres are recorded.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> lacks_centres(Pipeline([("model", DummyClassifier())]))
    False
    """
    model = find_base(pipeline)
    if isinstance(model, EvidenceLogisticRegression):
        return len(model.fit_.centre_codes) == 1
    return getattr(model, "home_", None) is not None


def split_women(n_women: int, n_options: int, n_draws: int) -> list[slice]:
    """Return parts of the women, so that the draws of one take little memory; one part, empty, if there are none."""
    at_once = max(1, MOST_NUMBERS_AT_ONCE // max(1, n_options * n_draws))
    return [slice(start, start + at_once) for start in range(0, max(n_women, 1), at_once)]


def compute_interval(draws: FloatArray, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % interval of draws (last axis), widened where needed to hold the point."""
    low, high = np.quantile(draws, TAILS, axis=-1)
    return np.minimum(low, point), np.maximum(high, point)


def _knows_no_cells(builder: object) -> bool:
    if not isinstance(builder, LevelFeatures) or SOURCE not in builder.names_:
        return False
    place = builder.names_.index(SOURCE)
    return "none" in builder.levels_[place] or builder.reference_[place] == "none"
