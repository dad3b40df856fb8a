"""The development of a study's candidates: fitted once on every woman, and again in every resample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.modeling.blurring import blur_coefficients
from poi_predict.modeling.centre_variance import add_centre_variance
from poi_predict.modeling.centres import CentreValidation, validate_across_centres
from poi_predict.modeling.checkpoint import Checkpoint
from poi_predict.modeling.evaluation import (
    BootstrapRefits,
    CrossValidated,
    TrainingData,
    bootstrap_model,
    cross_validate,
)
from poi_predict.modeling.fitting import fit_final_model, predict_response
from poi_predict.modeling.loop import Loop
from poi_predict.modeling.null import NullPlan, compare_with_null
from poi_predict.validation import PermutationVerdict, describe_few_arrangements, describe_few_permutations

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.validation import BootstrapPlan, FoldPlan, Ladder

__all__ = ["Development", "DevelopmentPlan", "OnStage", "develop_candidates"]

OnStage = Callable[[str, int, int], None]
"""Told the stage in words, the tasks done and their total."""


@dataclass(frozen=True)
class DevelopmentPlan:
    """What is fitted, and on which resamples.

    Attributes
    ----------
    candidates : mapping of str to Pipeline
        Unfitted.
    primary : str
        The candidate that the bootstrap refits.
    folds : FoldPlan
    resamples : BootstrapPlan
    ladder : Ladder
        Which kind of model the cohort supports, and so which is primary.
    null : NullPlan
        How the pipeline is compared with shuffled outcomes.
    centre : ndarray of str or None
        Where each row's woman was treated.
    seed : int
        Of what is random after the fits.
    """

    candidates: Mapping[str, Pipeline]
    primary: str
    folds: FoldPlan
    resamples: BootstrapPlan
    ladder: Ladder
    null: NullPlan
    centre: NDArray[np.object_] | None
    seed: int


@dataclass(frozen=True)
class Development:
    """Fitted candidates and what they predict for women they were not fitted to.

    Attributes
    ----------
    fitted : mapping of str to Pipeline
        Each candidate on all rows.
    p_apparent : mapping of str to ndarray of shape (n_rows,)
        Predictions on the rows fitted to.
    cross_validated : CrossValidated
    refits : BootstrapRefits
        Of the primary model.
    null : PermutationVerdict
        The primary model against shuffled outcomes.
    null_draws : DataFrame
        What it reported on each of them, one column a metric; empty without a test.
    centres : CentreValidation
        The primary model with each centre left out.
    """

    plan: DevelopmentPlan
    data: TrainingData
    fitted: Mapping[str, Pipeline]
    p_apparent: Mapping[str, NDArray[np.float64]]
    cross_validated: CrossValidated
    refits: BootstrapRefits
    null: PermutationVerdict
    null_draws: pd.DataFrame
    centres: CentreValidation

    @property
    def primary(self) -> Pipeline:
        """The fitted primary model."""
        return self.fitted[self.plan.primary]

    def predictions_frame(self, pseudonym: NDArray[np.str_]) -> pd.DataFrame:
        """Tidy out-of-fold predictions, one row a candidate, repeat and row of the analysis set.

        Parameters
        ----------
        pseudonym : ndarray of str, shape (n_rows,)
            Stands for the woman; no identifier is in the frame.
        """
        folds, rows = self.plan.folds, np.arange(len(self.data.y_true))
        blocks = [
            {
                "candidate": name,
                "pseudonym": pseudonym,
                "row": rows + 1,
                "repeat": repeat + 1,
                "fold": folds.fold[:, repeat] + 1,
                "y_true": self.data.y_true,
                "weight": self.data.weight,
                "p_response": p[:, repeat],
            }
            for name, p in self.cross_validated.p_response.items()
            for repeat in range(folds.n_repeats)
        ]
        columns = ["candidate", "pseudonym", "row", "repeat", "fold", "y_true", "weight", "p_response"]
        frames = [pd.DataFrame(block) for block in blocks] or [pd.DataFrame(columns=columns)]
        return pd.concat(frames, ignore_index=True)


def develop_candidates(
    plan: DevelopmentPlan,
    data: TrainingData,
    n_jobs: int,
    on_stage: OnStage | None = None,
    checkpoint: Checkpoint | None = None,
) -> Development:
    """Fit, cross-validate and bootstrap the candidates, and put the primary one to the test of shuffled outcomes.

    Parameters
    ----------
    plan : DevelopmentPlan
    data : TrainingData
    n_jobs : int
        Processes; changes no byte of the result.
    on_stage : callable, optional
    checkpoint : Checkpoint, optional
        Where finished resamples are kept until the training is written.

    Raises
    ------
    ModelError
        If a candidate cannot be fitted to all rows.
    """
    kept = checkpoint or Checkpoint()

    def loop(label: str, name: str) -> Loop:
        on_done = None if on_stage is None else lambda done, total: on_stage(label, done, total)
        return Loop(n_jobs, on_done, kept.stage(name))

    primary = plan.candidates[plan.primary]
    null, null_draws = _compare_with_null(plan, data, loop("Shuffled outcomes", "null"))
    fitted = {
        name: fit_final_model(each, data.X, data.y_true, data.fit_weight) for name, each in plan.candidates.items()
    }
    fitted = {name: add_centre_variance(each, data, plan.centre) for name, each in fitted.items()}
    fitted = {name: blur_coefficients(each, data.X, data.y_true) for name, each in fitted.items()}
    return Development(
        plan=plan,
        data=data,
        fitted=fitted,
        p_apparent={name: predict_response(pipeline, data.X) for name, pipeline in fitted.items()},
        cross_validated=cross_validate(plan.candidates, data, plan.folds, loop("Cross-validation", "folds")),
        refits=bootstrap_model(primary, data, plan.resamples, loop("Bootstrap refits", "bootstrap")),
        null=null,
        null_draws=null_draws,
        centres=validate_across_centres(primary, data, plan.centre, loop("Centres left out", "centres")),
    )


def _compare_with_null(
    plan: DevelopmentPlan, data: TrainingData, loop: Loop
) -> tuple[PermutationVerdict, pd.DataFrame]:
    if plan.primary == "prevalence":
        return PermutationVerdict.without_model(), pd.DataFrame()
    if not plan.folds.is_possible:
        return PermutationVerdict.untested(plan.folds.note or "the cohort cannot be split"), pd.DataFrame()
    untestable = describe_few_arrangements(data.y_true, plan.null.centre, data.patient)
    if plan.null.n_permutations == 0:
        untestable = describe_few_permutations(0)
    if untestable is not None:
        return PermutationVerdict.untested(untestable), pd.DataFrame()
    return compare_with_null(plan.candidates[plan.primary], data, plan.null, loop)
