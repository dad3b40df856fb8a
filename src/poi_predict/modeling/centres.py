"""Internal–external validation: each centre predicted by a model of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poi_predict.modeling.fitting import fit_model, predict_response
from poi_predict.validation import Estimate, PooledCentres, assess_fixed, compute_pooled_estimates, make_centre_splits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.evaluation import TrainingData
    from poi_predict.modeling.loop import Loop
    from poi_predict.validation.intervals import Scale

__all__ = ["CentreFigures", "CentreValidation", "validate_across_centres"]

POOLING_SCALES: dict[str, Scale] = {
    "c_statistic": "logit",
    "calibration_in_the_large": "identity",
    "calibration_slope": "identity",
    "o_e_ratio": "log",
}


@dataclass(frozen=True)
class CentreFigures:
    """What a model of the other centres says of one: its women, events and metrics."""

    centre: str
    n: int
    events: int
    metrics: dict[str, Estimate]


@dataclass(frozen=True)
class CentreValidation:
    """Leave-one-centre-out validation of the primary model.

    Attributes
    ----------
    centres : tuple of CentreFigures
        Centres under the clinic's own names; empty where there is nothing to leave out.
    pooled : mapping of str to PooledCentres
        Random-effects summary of each metric, with the interval for a new centre.
    reason : str or None
        Why it was not done.
    """

    centres: tuple[CentreFigures, ...] = ()
    pooled: dict[str, PooledCentres] | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `assessment.json`; centres are numbered, not named."""
        if self.reason is not None:
            return {"reason": self.reason}
        return {
            "centres": [
                {
                    "centre": f"C{number}",
                    "n": figures.n,
                    "events": figures.events,
                    **{name: figures.metrics[name].as_dict() for name in POOLING_SCALES},
                }
                for number, figures in enumerate(self.centres, start=1)
            ],
            "pooled": {name: _pooled_as_dict(pooled) for name, pooled in (self.pooled or {}).items()},
        }


def validate_across_centres(
    pipeline: Pipeline, data: TrainingData, centre: NDArray[np.object_] | None, loop: Loop
) -> CentreValidation:
    """Leave out each centre in turn, fit on the others, and pool what is found by random effects.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted; refitted for every centre.
    data : TrainingData
    centre : ndarray of str, shape (n_rows,), or None
    loop : Loop
    """
    if centre is None:
        return CentreValidation(reason="the cohort does not say at which centre a woman was treated")
    if any(not isinstance(name, str) for name in centre):
        return CentreValidation(reason="some rows do not say at which centre the woman was treated")
    splits = make_centre_splits(data.y_true, centre, data.patient)
    if len(splits) < 2:
        return CentreValidation(reason="there is one centre only: nothing can be left out")
    outcomes = loop.run_numbers(_predict_centre, [(pipeline, data, split.train, split.test) for split in splits])
    figures = []
    for split, outcome in zip(splits, outcomes, strict=True):
        y, weight, patient = data.y_true[split.test], data.weight[split.test], data.patient[split.test]
        if outcome.value is None:
            reason = str(outcome.failure)
            metrics = {name: Estimate.not_estimable("leave one centre out", reason) for name in POOLING_SCALES}
        else:
            metrics = assess_fixed(y, outcome.value, weight, patient)
        figures.append(CentreFigures(split.centre, len(y), int(y.sum()), metrics))
    pooled = {
        name: compute_pooled_estimates([f.metrics[name] for f in figures], scale)
        for name, scale in POOLING_SCALES.items()
    }
    return CentreValidation(tuple(figures), pooled)


def _predict_centre(
    task: tuple[Pipeline, TrainingData, NDArray[np.intp], NDArray[np.intp]],
) -> NDArray[np.float64]:
    pipeline, data, learn, held_out = task
    train = data.take(learn)
    fitted = fit_model(pipeline, train.X, train.y_true, train.fit_weight)
    return predict_response(fitted, data.take(held_out).X)


def _pooled_as_dict(pooled: PooledCentres) -> dict[str, Any]:
    return {
        **pooled.pooled.as_dict(),
        "pi_low": pooled.prediction.ci_low,
        "pi_high": pooled.prediction.ci_high,
        "tau": pooled.tau,
        "n_centres": pooled.n_centres,
        "n_excluded": pooled.n_excluded,
    }
