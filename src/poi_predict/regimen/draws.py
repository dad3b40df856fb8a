"""What a model says of a woman under each regimen, and draws of it that all regimens share.

The draws of two regimens are of one posterior, so their difference is less uncertain than its parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from poi_predict.errors import ModelError
from poi_predict.features import LevelFeatures
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.recalibrated import PROBABILITY_FLOOR, RecalibratedClassifier
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
    "PosteriorDraws",
    "RefitDraws",
    "ResponseDraws",
    "build_draws",
    "compute_interval",
    "split_women",
]

N_DRAWS = 1000
TAILS = (0.025, 0.975)
MOST_NUMBERS_AT_ONCE = 5_000_000


class ResponseDraws(Protocol):
    """Probabilities of women under options, and draws that the options of one woman share.

    Attributes
    ----------
    kind : {"posterior", "refits"}
        Draws from a posterior; or refits in bootstrap samples, an approximation of one.
    n_draws : int
    says_no_therapy : bool
        Whether the model has learnt from women, or from arms, without therapy.
    pipeline : Pipeline
        The model.
    """

    @property
    def kind(self) -> Literal["posterior", "refits"]:
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
        self._base: EvidenceLogisticRegression = _find_base(pipeline)

    @property
    def says_no_therapy(self) -> bool:
        """Whether some woman or arm was without therapy."""
        return bool(self._base.fit_.design.has_effect)

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
        model = self.pipeline[-1]
        if therapy or self._base.treated is not None:
            return np.asarray(model.predict_proba(columns)[:, 1], dtype=np.float64)
        return _recalibrate(model, self._base.predict_contrast(columns)["p_without"].to_numpy())

    def _draw(self, columns: pd.DataFrame, therapy: float) -> FloatArray:
        rng = np.random.default_rng(self.random_state)
        eta = self._base.sample_log_odds(columns, self.n_draws, rng, therapy=therapy)
        drawn = find_link(self._base.link).probability(np.ascontiguousarray(eta.T))
        return _recalibrate(self.pipeline[-1], drawn)


class RefitDraws:
    """Refits in bootstrap samples of the women, as an approximate posterior (percentiles).

    Parameters
    ----------
    pipeline : Pipeline
        Fitted on all women.
    refits : sequence of Pipeline
        The same, fitted on resamples.

    Notes
    -----
    A model of several imputations fills the gaps of a woman once for each regimen; of all others her baseline is the
    same to the last bit.
    """

    kind: Literal["refits"] = "refits"

    def __init__(self, pipeline: Pipeline, refits: Sequence[Pipeline]) -> None:
        self.pipeline = pipeline
        self.refits = tuple(refits)

    @property
    def n_draws(self) -> int:
        """Number of refits."""
        return len(self.refits)

    @property
    def says_no_therapy(self) -> bool:
        """Whether enough women of training had no cells, so that this is a level of its own."""
        builders = getattr(self.pipeline[0], "builders_", [])
        return any(_knows_no_cells(builder) for _, builder, _ in builders)

    def compute(self, women: pd.DataFrame, options: Sequence[Option]) -> tuple[FloatArray, FloatArray]:
        """Return the model's probabilities, and those of its refits; see `ResponseDraws`."""
        shape = (len(women), len(options))
        if not len(women):
            return np.empty(shape), np.empty((*shape, self.n_draws))
        placed = place_options(women, options)
        with threadpool_limits(limits=1):
            draws = np.stack([_predict(refit, placed).reshape(shape) for refit in self.refits], axis=-1)
            return _predict(self.pipeline, placed).reshape(shape), draws


def build_draws(
    pipeline: Pipeline, refits: Sequence[Pipeline] = (), *, n_draws: int = N_DRAWS, random_state: int = 0
) -> ResponseDraws:
    """Return the draws of a stored model: of its posterior where it has one, else its refits.

    Raises
    ------
    ModelError
        If it has neither: without uncertainty nothing can be compared.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.pipeline import Pipeline
    >>> build_draws(Pipeline([("model", DummyClassifier())]))
    Traceback (most recent call last):
    poi_predict.errors.ModelError: Regimens are compared with their uncertainty, from a posterior or from refits in
    resamples; this model has neither. Train it with validation.bootstrap of 200, or train the evidence model.
    """
    if isinstance(_find_base(pipeline), EvidenceLogisticRegression):
        return PosteriorDraws(pipeline, n_draws, random_state)
    if not refits:
        raise ModelError(
            "Regimens are compared with their uncertainty, from a posterior or from refits in resamples; this model "
            "has neither. Train it with validation.bootstrap of 200, or train the evidence model."
        )
    return RefitDraws(pipeline, refits)


def split_women(n_women: int, n_options: int, n_draws: int) -> list[slice]:
    """Return parts of the women, so that the draws of one take little memory; one part, empty, if there are none."""
    at_once = max(1, MOST_NUMBERS_AT_ONCE // max(1, n_options * n_draws))
    return [slice(start, start + at_once) for start in range(0, max(n_women, 1), at_once)]


def compute_interval(draws: FloatArray, point: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % interval of draws (last axis), widened where needed to hold the point."""
    low, high = np.quantile(draws, TAILS, axis=-1)
    return np.minimum(low, point), np.maximum(high, point)


def _predict(pipeline: Pipeline, placed: PlacedWomen) -> FloatArray:
    return np.asarray(pipeline[-1].predict_proba(placed.derive(pipeline))[:, 1], dtype=np.float64)


def _knows_no_cells(builder: object) -> bool:
    if not isinstance(builder, LevelFeatures) or SOURCE not in builder.names_:
        return False
    place = builder.names_.index(SOURCE)
    return "none" in builder.levels_[place] or builder.reference_[place] == "none"


def _find_base(pipeline: Pipeline) -> Any:
    model = pipeline[-1]
    return model.base if isinstance(model, RecalibratedClassifier) else model


def _recalibrate(model: object, p: FloatArray) -> FloatArray:
    if not isinstance(model, RecalibratedClassifier):
        return p
    log_odds = logit(np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))
    return np.asarray(expit(model.intercept + model.slope * log_odds), dtype=np.float64)
