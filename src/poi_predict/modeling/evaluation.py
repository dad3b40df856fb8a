"""Candidates refitted in every resample: who predicts whom, and how often each was fitted.

The whole pipeline (pooling of rare levels, imputation, scaling, penalty, model) is cloned and refitted in
each resample, on rows of women that are not in the part predicted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from poi_predict.modeling.fitting import fit_model, predict_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.loop import Loop
    from poi_predict.validation import BootstrapPlan, FoldPlan

__all__ = ["BootstrapRefits", "CrossValidated", "TrainingData", "bootstrap_model", "cross_validate", "scale_thresholds"]

THRESHOLDS = ("rare_level_below", "min_missing", "least")
LEARNING_STEPS = ("features", "impute", "scale", "model")


@dataclass(frozen=True)
class TrainingData:
    """What models are fitted to: predictors, outcome, weights and whose row is whose.

    Attributes
    ----------
    X : DataFrame of shape (n_rows, n_inputs)
    y_true : ndarray of int, shape (n_rows,)
    weight : ndarray of shape (n_rows,)
        Inverse probability of being observed to the horizon.
    patient : ndarray of int, shape (n_rows,)
        Codes; rows of one woman share one.

    Examples
    --------
    A woman with three courses and one with a single course tell a model as much as two women, not as four:

    >>> import pandas as pd
    >>> data = TrainingData(pd.DataFrame({"age": [31, 32, 33, 35]}), np.zeros(4), np.ones(4), np.array([0, 0, 0, 1]))
    >>> data.fit_weight.round(2).tolist()
    [0.33, 0.33, 0.33, 1.0]
    """

    X: pd.DataFrame
    y_true: NDArray[np.int64]
    weight: NDArray[np.float64]
    patient: NDArray[np.int64]

    @property
    def fit_weight(self) -> NDArray[np.float64]:
        """Weight of each row in a fit, shape (n_rows,): that of its woman, shared among her rows that count."""
        counts = self.weight > 0
        codes, of_row = np.unique(self.patient, return_inverse=True)
        courses = np.bincount(of_row, counts, minlength=len(codes))
        return np.asarray(self.weight / np.maximum(courses[of_row], 1.0), dtype=np.float64)

    def take(self, rows: NDArray[np.intp]) -> TrainingData:
        """Return the rows at the given positions, repeats included."""
        X = self.X.iloc[rows].reset_index(drop=True)
        return TrainingData(X, self.y_true[rows], self.weight[rows], self.patient[rows])


@dataclass(frozen=True)
class CrossValidated:
    """Out-of-fold predictions of every candidate.

    Attributes
    ----------
    p_response : mapping of str to ndarray of shape (n_rows, n_repeats)
        NaN where the fit of that fold failed.
    n_fits : int
        Whole-pipeline fits made: the counter that shows that nothing was fitted once and reused.
    failures : mapping of str to mapping of str to int
        Candidate to the reasons of its failed fits and how often each occurred.
    step_fits : mapping of str to mapping of str to (int, int)
        Candidate to each learning step: how often it was seen to be fitted anew, and in how many fits it should.
    """

    p_response: Mapping[str, NDArray[np.float64]]
    n_fits: int
    failures: Mapping[str, Mapping[str, int]]
    step_fits: Mapping[str, Mapping[str, tuple[int, int]]]


def cross_validate(
    candidates: Mapping[str, Pipeline],
    data: TrainingData,
    folds: FoldPlan,
    loop: Loop,
) -> CrossValidated:
    """Predict every woman by models fitted without her, for each candidate and repeat.

    Parameters
    ----------
    candidates : mapping of str to Pipeline
        Unfitted; cloned for each fold.
    data : TrainingData
    folds : FoldPlan
        The fold of each row; a woman's rows share it.
    loop : Loop
        How the fits are run.
    """
    keys = [
        (name, repeat, fold)
        for name in candidates
        for repeat in range(folds.n_repeats)
        for fold in range(folds.n_folds)
    ]
    tasks = [(candidates[name], data, *folds.split(repeat, fold)) for name, repeat, fold in keys]
    outcomes = loop.run_numbers(_predict_held_out, tasks)
    p_response = {name: np.full(folds.fold.shape, np.nan) for name in candidates}
    failures: dict[str, Counter[str]] = {}
    fresh = {name: np.zeros(len(LEARNING_STEPS), dtype=int) for name in candidates}
    for (name, repeat, fold), outcome in zip(keys, outcomes, strict=True):
        if outcome.value is None:
            failures.setdefault(name, Counter())[str(outcome.failure)] += 1
        else:
            p, seen = np.split(outcome.value, [-len(LEARNING_STEPS)])
            p_response[name][folds.fold[:, repeat] == fold, repeat] = p
            fresh[name] += seen.astype(int)
    n_done = Counter(name for name, _, _ in keys)
    for name, counts in failures.items():
        n_done[name] -= counts.total()
    step_fits = {
        name: {
            step: (int(count), n_done[name])
            for step, count in zip(LEARNING_STEPS, fresh[name], strict=True)
            if step in pipeline.named_steps and n_done[name]
        }
        for name, pipeline in candidates.items()
    }
    return CrossValidated(p_response, len(tasks), failures, step_fits)


HeldOutTask = tuple["Pipeline", TrainingData, "NDArray[np.intp]", "NDArray[np.intp]"]


def _predict_held_out(task: HeldOutTask) -> NDArray[np.float64]:
    """Predictions of the held-out rows, followed by one number a learning step: 1 where it was fitted just now."""
    pipeline, data, learn, held_out = task
    train = data.take(learn)
    fitted = fit_model(pipeline, train.X, train.y_true, train.fit_weight)
    fresh = [_is_fitted_anew(pipeline, fitted, step) for step in LEARNING_STEPS]
    return np.concatenate([predict_response(fitted, data.take(held_out).X), np.array(fresh, dtype=np.float64)])


def _is_fitted_anew(declared: Pipeline, fitted: Pipeline, step: str) -> bool:
    """Whether a step was without anything learnt before this fit, and is another object with something learnt now."""
    if step not in fitted.named_steps:
        return False
    before, after = declared.named_steps[step], fitted.named_steps[step]
    return after is not before and not _has_learnt(before) and _has_learnt(after)


def _has_learnt(estimator: object) -> bool:
    return any(name.endswith("_") and not name.startswith("_") for name in vars(estimator))


@dataclass(frozen=True)
class BootstrapRefits:
    """The primary model refitted in bootstrap resamples of the women.

    Attributes
    ----------
    plan : BootstrapPlan
        The rows of every resample.
    p_original : ndarray of shape (n_resamples, n_rows)
        Each refit's prediction of every original row; NaN where the resample failed.
    failures : tuple of str or None
        Why each resample failed; None where it did not.

    Not the refits themselves: from their numbers and the resamples the women could be computed.
    """

    plan: BootstrapPlan
    p_original: NDArray[np.float64]
    failures: tuple[str | None, ...]


def bootstrap_model(
    pipeline: Pipeline,
    data: TrainingData,
    plan: BootstrapPlan,
    loop: Loop,
) -> BootstrapRefits:
    """Refit a pipeline in each resample and predict the original rows with it.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted; cloned for each resample.
    data : TrainingData
    plan : BootstrapPlan
        Patients drawn with replacement.
    loop : Loop
        How the fits are run.
    """
    outcomes = loop.run_numbers(_refit, [(pipeline, data, plan.rows[b]) for b in plan.usable])
    p_original = np.full((len(plan), len(data.y_true)), np.nan)
    failures: list[str | None] = [plan.failures.get(b) for b in range(len(plan))]
    for b, outcome in zip(plan.usable, outcomes, strict=True):
        if outcome.value is None:
            failures[b] = str(outcome.failure)
        else:
            p_original[b] = outcome.value
    return BootstrapRefits(plan, p_original, tuple(failures))


RefitTask = tuple["Pipeline", TrainingData, "NDArray[np.intp]"]


def _refit(task: RefitTask) -> NDArray[np.float64]:
    """Refit on the distinct rows of a resample, each weighted by how often it was drawn.

    Repeated rows would stand on both sides of every split that tunes a penalty, which then comes out too small. As the
    distinct women are fewer, what is asked of a level or of a missing value before it has a column is asked of the same
    share of them: otherwise the refits would be of a simpler model.
    """
    pipeline, data, rows = task
    distinct, counts = np.unique(rows, return_counts=True)
    sample = data.take(distinct)
    share = len(np.unique(sample.patient)) / len(np.unique(data.patient))
    fitted = fit_model(scale_thresholds(pipeline, share), sample.X, sample.y_true, sample.fit_weight * counts)
    return predict_response(fitted, data.X)


def scale_thresholds(pipeline: Pipeline, share: float) -> Pipeline:
    """Return an unfitted copy that asks for a share of the women where the pipeline asks for a number of them.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted.
    share : float
        Of the women of training that the copy is fitted to.

    Examples
    --------
    Of a hundred women sixty-three are in a resample, and a flag asks for five of them where it asked for eight:

    >>> from sklearn.pipeline import Pipeline
    >>> from poi_predict.modeling.imputation import GaussianImputer
    >>> scale_thresholds(Pipeline([("impute", GaussianImputer())]), 0.63)["impute"].min_missing
    5
    """
    scaled: Pipeline = clone(pipeline)
    for _, step in scaled.steps:
        assembly = getattr(step, "assembly", step)
        builders = [builder for _, builder, _ in getattr(assembly, "builders", ())]
        for part in (step, getattr(step, "imputer", None), *builders):
            for name in THRESHOLDS:
                if getattr(part, name, None) is not None:
                    setattr(part, name, max(1, round(getattr(part, name) * share)))
    return scaled
