"""The coefficients of a multiply imputed model, pooled by Rubin's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import clone

from poi_predict.modeling.fitting import fit_model
from poi_predict.modeling.imputed import MultiplyImputed

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.evaluation import TrainingData

__all__ = ["pool_coefficients"]


def pool_coefficients(pipeline: Pipeline, data: TrainingData) -> pd.DataFrame | None:
    """Estimate the coefficients of a multiply imputed model, or return None for any other model.

    The model that predicts imputes without the outcome, which a new woman does not have yet; its effects are then
    too small where values are missing. For the coefficients it is fitted once more with the outcome taking part
    in the imputation (Moons et al. 2006, doi 10.1016/j.jclinepi.2006.01.009), and they are pooled with the degrees
    of freedom of Barnard & Rubin (1999, doi 10.1093/biomet/86.4.948).

    Parameters
    ----------
    pipeline : Pipeline
        The primary model, fitted or not.
    data : TrainingData

    Returns
    -------
    DataFrame or None
        column, variable, log_odds of one unit, std_error, ci_low, ci_high, df, fraction_missing, reason.
    """
    if not isinstance(pipeline[-1], MultiplyImputed):
        return None
    with_outcome = clone(pipeline).set_params(model__with_outcome=True)
    fitted: MultiplyImputed = fit_model(with_outcome, data.X, data.y_true, data.fit_weight)[-1]
    return fitted.pooled_
