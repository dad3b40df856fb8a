"""All numbers of a cohort's rows in one pass: probability, interval and attributions, from features derived once.

What `FittedModel` and `explain_predictions` answer one by one for any pipeline is answered here together, by a way
of each family's own that is made ready once for a bundle: a model with a posterior places its women once; a linear
model is one product of matrices; of trees only the derivation of features is shared.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri
from sklearn.dummy import DummyClassifier

from poi_predict.errors import ModelError
from poi_predict.explain import TreeAttribution, explain_columns, find_leading
from poi_predict.features import origin_of
from poi_predict.modeling import (
    EvidenceLogisticRegression,
    FittedModel,
    LinearPass,
    RecalibratedClassifier,
    clip_probabilities,
    find_base,
    is_linear,
    limit_threads,
    predict_own_interval,
    predict_refit_interval,
    recalibrate_interval,
    widen_by_centre,
)
from poi_predict.modeling.borrowing.links import find_link
from poi_predict.modeling.borrowing.onepass import OnePass

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.scoring.bundle import Bundle

    FloatArray = NDArray[np.float64]

__all__ = ["Reckoned", "prefers_processes", "reckon"]

HALF_WIDTH = float(ndtri(0.975))
"""Of a 95 % interval, in standard deviations."""


@dataclass(frozen=True, eq=False)
class Reckoned:
    """What a model says of each row.

    Attributes
    ----------
    p_response, ci_low, ci_high : ndarray of shape (n_rows,)
        Probability of response and its 95 % interval, which is NaN where the model does not say how sure it is.
    attributions : ndarray of shape (n_rows, n_variables) or None
        Log-odds, as `explain_predictions` gives them; None where no reasons were asked for.
    variables : tuple of str
        Clinical variables of the columns of `attributions`; empty where no reasons were asked for.
    derived : DataFrame or None
        The columns that the pipeline's step ``features`` derived, NaN where missing; None if it has no such step.

    Examples
    --------
    FSH weighs most against her, then age:

    >>> one = Reckoned(*np.array([[0.2], [0.1], [0.4]]), np.array([[-0.1, -0.7]]), ("age", "fsh"), None)
    >>> order, log_odds = one.leading(2)
    >>> [one.variables[place] for place in order[0]], log_odds[0].tolist()
    (['fsh', 'age'], [-0.7, -0.1])
    """

    p_response: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    attributions: FloatArray | None
    variables: tuple[str, ...]
    derived: pd.DataFrame | None

    def leading(self, k: int) -> tuple[NDArray[np.intp], FloatArray]:
        """Return each row's k strongest variables: their positions in `variables` and log-odds, strongest first."""
        nothing = np.empty((len(self.p_response), 0))
        return find_leading(nothing if self.attributions is None else self.attributions, k)


def reckon(bundle: Bundle, inputs: pd.DataFrame, *, reasons: bool) -> Reckoned:
    """Reckon probability, 95 % interval and attributions of rows of canonical columns.

    Equal, to rounding, to `predict_response`, `FittedModel.predict_interval` and `explain_predictions`. Numerical
    libraries are held to one thread, so that blocks of rows may be reckoned in several threads or processes without
    a byte of difference.

    Parameters
    ----------
    bundle : Bundle
        A stored model. What is made ready for it is kept as long as the bundle lives.
    inputs : DataFrame of shape (n_rows, n_inputs)
        The contract's columns, from `conform`.
    reasons : bool
        Whether to attribute as well.

    Raises
    ------
    ModelError
        If a predictor is missing, the model is of a kind that has no exact attribution, or an answer is no
        probability.
    """
    if len(inputs) == 0:
        nothing = np.empty(0)
        return Reckoned(nothing, nothing, nothing, np.empty((0, 0)) if reasons else None, (), None)
    with limit_threads(), np.errstate(all="ignore"):
        reckoned = _find_way(bundle).reckon(inputs, reasons=reasons)
    p = reckoned.p_response
    if not ((p >= 0) & (p <= 1)).all():
        raise ModelError(
            "A model must give every woman a probability; this one does not. Take the bundle from its source again, "
            "or train the model again."
        )
    return reckoned


def prefers_processes(bundle: Bundle) -> bool:
    """Whether blocks are better reckoned in processes than in threads.

    Closed forms are products of matrices, which let go of the interpreter's lock. Trees do not.

    Parameters
    ----------
    bundle : Bundle
    """
    return type(_find_way(bundle)) is _Way and not isinstance(find_base(bundle.pipeline), DummyClassifier)


class _Way:
    """How any model reckons, and what the others share."""

    def __init__(self, bundle: Bundle) -> None:
        self.model = FittedModel(bundle.contract.study, bundle.pipeline, tuple(bundle.refits))
        self.pipeline = bundle.pipeline
        self.trees = TreeAttribution(find_base(self.pipeline))
        name, step = self.pipeline.steps[0]
        self.n_deriving = int(name == "features" and hasattr(step, "transform"))

    def reckon(self, inputs: pd.DataFrame, *, reasons: bool) -> Reckoned:
        """Reckon at least one row."""
        derived = self.derive(inputs)
        columns = derived
        for _, step in self.pipeline.steps[self.n_deriving : -1]:
            columns = step.transform(columns)
        p = np.asarray(self.pipeline[-1].predict_proba(columns)[:, 1], dtype=np.float64)
        found = explain_columns(self.pipeline[-1], columns, trees=self.trees) if reasons else None
        numbers = p, *self.bound(inputs, columns)
        if found is None:
            return self.pack(numbers, None, (), derived)
        return self.pack(numbers, found.attributions, found.variables, derived)

    def derive(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """Return the derived columns, or the inputs of a pipeline that derives none."""
        return self.pipeline.steps[0][1].transform(inputs) if self.n_deriving else inputs

    def bound(self, inputs: pd.DataFrame, columns: Any) -> tuple[FloatArray, FloatArray]:
        """Return the interval: the model's own, that of the refits of a bundle of an earlier version, or none."""
        own = predict_own_interval(self.pipeline[-1], columns)
        if own is None and self.model.refits:
            own = predict_refit_interval(self.model.refits, inputs)
        if own is None:
            return np.full(len(inputs), np.nan), np.full(len(inputs), np.nan)
        low, high = widen_by_centre(self.pipeline, inputs, own, HALF_WIDTH).T
        return low, high

    def pack(
        self,
        numbers: tuple[FloatArray, FloatArray, FloatArray],
        attributions: FloatArray | None,
        variables: tuple[str, ...],
        derived: pd.DataFrame,
    ) -> Reckoned:
        """Widen the interval where needed to hold the prediction itself, and put all together."""
        p, low, high = clip_probabilities(numbers[0]), numbers[1], numbers[2]
        columns = derived if self.n_deriving else None
        return Reckoned(p, np.minimum(low, p), np.maximum(high, p), attributions, variables, columns)


class _LinearWay(_Way):
    """Linear models: the pipeline as matrices, gaps and posterior included."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.variables = _list_variables(self.pipeline)
        self.one = LinearPass(self.pipeline, self.variables)

    def reckon(self, inputs: pd.DataFrame, *, reasons: bool) -> Reckoned:
        """Reckon at least one row."""
        derived = self.derive(inputs)
        judged = self.one.judge(derived.to_numpy(dtype=np.float64), HALF_WIDTH)
        interval = np.column_stack([judged.low, judged.high])
        numbers = judged.p_response, *widen_by_centre(self.pipeline, inputs, interval, HALF_WIDTH).T
        if not self.one.has_posterior and self.model.refits:
            numbers = judged.p_response, *predict_refit_interval(self.model.refits, inputs).T
        if not reasons:
            return self.pack(numbers, None, (), derived)
        return self.pack(numbers, judged.attributions, self.variables, derived)


class _EvidenceWay(_Way):
    """The evidence model: one placing of the women in its posterior, recalibrated or not."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.variables = _list_variables(self.pipeline)
        names = [str(name) for name in self.pipeline[:-1].get_feature_names_out()]
        members = np.array([[origin_of(name) == v for v in self.variables] for name in names], dtype=np.float64)
        base = find_base(self.pipeline)
        self.one = OnePass(base.fit_, find_link(base.link), HALF_WIDTH, members)

    def reckon(self, inputs: pd.DataFrame, *, reasons: bool) -> Reckoned:
        """Reckon at least one row."""
        derived = self.derive(inputs)
        judged = self.one.judge(derived.to_numpy(dtype=np.float64), reasons=reasons)
        p, low, high, found = judged.p_response, judged.low, judged.high, judged.attributions
        model = self.pipeline[-1]
        if isinstance(model, RecalibratedClassifier):
            interval = recalibrate_interval(model, np.column_stack([low, high]), HALF_WIDTH)
            p, (low, high) = model.recalibrate(p), interval.T
            found = None if found is None else model.slope * found
        return self.pack((p, low, high), found, self.variables if reasons else (), derived)


def _list_variables(pipeline: Pipeline) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origin_of(str(name)) for name in pipeline[:-1].get_feature_names_out()))


_READY: dict[int, tuple[weakref.ref[Bundle], _Way]] = {}
"""By the identity of a bundle, for as long as it lives: a bundle holds mappings, so it cannot be a key itself."""


def _find_way(bundle: Bundle) -> _Way:
    """Return what was made ready for a bundle, or make it ready."""
    kept = _READY.get(id(bundle))
    if kept is not None and kept[0]() is bundle:
        return kept[1]
    base = find_base(bundle.pipeline)
    way: type[_Way] = _Way
    if is_linear(bundle.pipeline):
        way = _LinearWay
    elif isinstance(base, EvidenceLogisticRegression) and not base.fit_.design.pairs and len(bundle.pipeline) == 2:
        way = _EvidenceWay
    with np.errstate(all="ignore"):  # `reckon` refuses answers that are no numbers
        ready = way(bundle)
    _READY[id(bundle)] = weakref.ref(bundle), ready
    weakref.finalize(bundle, _READY.pop, id(bundle), None)
    return ready
