"""The whole pipeline where there is nothing to find: its figures on shuffled outcomes.

Outcome and censoring weight are shuffled between the women of each centre; folds, imputation, penalty and model are
made anew. What the pipeline then reports is what it reports about noise, and the real figure is compared with that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.modeling.evaluation import TrainingData
from poi_predict.modeling.fitting import fit_model, predict_response
from poi_predict.validation import (
    PermutationVerdict,
    assess_cross_validated,
    compute_log_loss_reduction,
    compute_permutation_verdict,
    make_folds,
    permute_outcome,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.loop import Loop

__all__ = ["NullPlan", "compare_with_null"]

NULL_METRICS = ("c_statistic", "brier", "log_loss", "calibration_slope", "log_loss_reduction")


@dataclass(frozen=True)
class NullPlan:
    """How the permutation null is made.

    Attributes
    ----------
    n_permutations : int
    n_folds, n_repeats : int
        Of the cross-validation that is repeated on every shuffled outcome, and on the real one for comparison.
    seed : int
    centre : ndarray of str or None
        Outcomes are shuffled within it.
    """

    n_permutations: int
    n_folds: int
    n_repeats: int
    seed: int
    centre: NDArray[np.object_] | None


def compare_with_null(
    pipeline: Pipeline, data: TrainingData, plan: NullPlan, loop: Loop
) -> tuple[PermutationVerdict, pd.DataFrame]:
    """Compare the cross-validated figures of a pipeline with what it reports on shuffled outcomes.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted; cloned and refitted throughout.
    data : TrainingData
    plan : NullPlan
    loop : Loop
        How the permutations are run; task 0 is the real outcome.

    Returns
    -------
    PermutationVerdict
    DataFrame of shape (n_permutations, n_metrics)
        What the pipeline reported on each shuffled outcome.
    """
    seeds = np.random.SeedSequence(plan.seed).generate_state(plan.n_permutations + 1).tolist()
    tasks = [(pipeline, data, plan, None if i == 0 else int(seed)) for i, seed in enumerate(seeds)]
    outcomes = loop.run_numbers(_measure, tasks)
    rows = [np.full(len(NULL_METRICS), np.nan) if o.value is None else o.value for o in outcomes]
    frame = pd.DataFrame(rows, columns=list(NULL_METRICS))
    observed = {name: float(frame[name].iloc[0]) for name in NULL_METRICS}
    draws = frame.iloc[1:].reset_index(drop=True)
    return compute_permutation_verdict(observed, draws), draws


NullTask = tuple["Pipeline", TrainingData, NullPlan, "int | None"]


def _measure(task: NullTask) -> NDArray[np.float64]:
    """Cross-validate a pipeline on the real outcome (seed None) or on a shuffled one."""
    pipeline, data, plan, seed = task
    if seed is not None:
        shuffled = permute_outcome(data.y_true, data.weight, plan.centre, data.patient, np.random.default_rng(seed))
        data = replace(data, y_true=shuffled.y_true.astype(np.int64), weight=shuffled.weight)
    folds = make_folds(data.y_true, data.patient, n_folds=plan.n_folds, n_repeats=plan.n_repeats, seed=plan.seed)
    p = np.full(folds.fold.shape, np.nan)
    reference = np.full(folds.fold.shape, np.nan)
    for repeat in range(folds.n_repeats):
        for fold in range(folds.n_folds):
            learn, held_out = folds.split(repeat, fold)
            train = data.take(learn)
            fitted = fit_model(pipeline, train.X, train.y_true, train.fit_weight)
            p[held_out, repeat] = predict_response(fitted, data.take(held_out).X)
            reference[held_out, repeat] = np.average(train.y_true, weights=train.fit_weight)
    found = assess_cross_validated(data.y_true, p, folds.fold, data.weight, data.patient)
    found["log_loss_reduction"] = compute_log_loss_reduction(
        data.y_true, p, reference, data.weight, patient=data.patient
    )
    values = [found[name].estimate for name in NULL_METRICS]
    return np.array([np.nan if value is None else value for value in values])
