"""Candidates refitted in every resample: who predicts whom, and how often each was fitted.

The whole pipeline (pooling of rare levels, imputation, scaling, penalty, model) is cloned and refitted in
each resample, on rows of women that are not in the part predicted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from poi_predict.errors import ModelError
from poi_predict.modeling.fitting import fit_model, predict_response
from poi_predict.validation import BootstrapPlan, FoldPlan, TaskOutcome, run_tasks

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

__all__ = ["BootstrapRefits", "CrossValidated", "TrainingData", "bootstrap_model", "cross_validate"]

OnDone = Callable[[int, int], None]
"""Told the tasks done and their total."""

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


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
    """

    X: pd.DataFrame
    y_true: NDArray[np.int64]
    weight: NDArray[np.float64]
    patient: NDArray[np.int64]

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
    """

    p_response: Mapping[str, NDArray[np.float64]]
    n_fits: int
    failures: Mapping[str, Mapping[str, int]]


def cross_validate(
    candidates: Mapping[str, Pipeline],
    data: TrainingData,
    folds: FoldPlan,
    n_jobs: int,
    on_done: OnDone | None = None,
) -> CrossValidated:
    """Predict every woman by models fitted without her, for each candidate and repeat.

    Parameters
    ----------
    candidates : mapping of str to Pipeline
        Unfitted; cloned for each fold.
    data : TrainingData
    folds : FoldPlan
        The fold of each row; a woman's rows share it.
    n_jobs : int
        Processes; changes no byte of the result.
    on_done : callable, optional
        Called with the tasks done and their total.
    """
    keys = [
        (name, repeat, fold)
        for name in candidates
        for repeat in range(folds.n_repeats)
        for fold in range(folds.n_folds)
    ]
    tasks = [(candidates[name], data, *folds.split(repeat, fold)) for name, repeat, fold in keys]
    outcomes = _run(_predict_held_out, tasks, n_jobs, on_done)
    p_response = {name: np.full(folds.fold.shape, np.nan) for name in candidates}
    failures: dict[str, Counter[str]] = {}
    for (name, repeat, fold), outcome in zip(keys, outcomes, strict=True):
        if outcome.value is None:
            failures.setdefault(name, Counter())[str(outcome.failure)] += 1
        else:
            p_response[name][folds.fold[:, repeat] == fold, repeat] = outcome.value
    return CrossValidated(p_response, len(tasks), failures)


HeldOutTask = tuple["Pipeline", TrainingData, "NDArray[np.intp]", "NDArray[np.intp]"]


def _predict_held_out(task: HeldOutTask) -> NDArray[np.float64]:
    pipeline, data, learn, held_out = task
    train = data.take(learn)
    return predict_response(fit_model(pipeline, train.X, train.y_true, train.weight), data.take(held_out).X)


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
    pipelines : tuple of Pipeline
        The first usable refits, as many as are kept for intervals.
    """

    plan: BootstrapPlan
    p_original: NDArray[np.float64]
    failures: tuple[str | None, ...]
    pipelines: tuple[Pipeline, ...]


def bootstrap_model(
    pipeline: Pipeline,
    data: TrainingData,
    plan: BootstrapPlan,
    n_kept: int,
    n_jobs: int,
    on_done: OnDone | None = None,
) -> BootstrapRefits:
    """Refit a pipeline in each resample and predict the original rows with it.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted; cloned for each resample.
    data : TrainingData
    plan : BootstrapPlan
        Patients drawn with replacement.
    n_kept : int
        How many fitted pipelines to keep.
    n_jobs, on_done
        As in `cross_validate`.
    """
    kept = set(plan.usable[:n_kept])
    tasks = [(pipeline, data, plan.rows[b], b in kept) for b in plan.usable]
    outcomes = dict(zip(plan.usable, _run(_refit, tasks, n_jobs, on_done), strict=True))
    p_original = np.full((len(plan), len(data.y_true)), np.nan)
    failures: list[str | None] = [plan.failures.get(b) for b in range(len(plan))]
    pipelines = []
    for b, outcome in outcomes.items():
        if outcome.value is None:
            failures[b] = str(outcome.failure)
            continue
        fitted, p_original[b] = outcome.value
        if fitted is not None:
            pipelines.append(fitted)
    return BootstrapRefits(plan, p_original, tuple(failures), tuple(pipelines))


RefitTask = tuple["Pipeline", TrainingData, "NDArray[np.intp]", bool]


def _refit(task: RefitTask) -> tuple[Pipeline | None, NDArray[np.float64]]:
    """Refit on the distinct rows of a resample, each weighted by how often it was drawn.

    Repeated rows would stand on both sides of every split that tunes a penalty, which then comes out too small.
    """
    pipeline, data, rows, keep = task
    distinct, counts = np.unique(rows, return_counts=True)
    sample = data.take(distinct)
    fitted = fit_model(pipeline, sample.X, sample.y_true, sample.weight * counts)
    return (fitted if keep else None), predict_response(fitted, data.X)


def _run(
    function: Callable[[TaskT], ResultT], tasks: list[TaskT], n_jobs: int, on_done: OnDone | None
) -> list[TaskOutcome[ResultT]]:
    done = 0

    def count(_outcome: TaskOutcome[ResultT]) -> None:
        nonlocal done
        done += 1
        if on_done is not None:
            on_done(done, len(tasks))

    return run_tasks(function, tasks, n_jobs=n_jobs, on_done=count, failures=(ModelError,))
