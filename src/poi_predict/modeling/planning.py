"""From a study's settings to the plan of its development: unfitted candidates and seeded resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from poi_predict.features import build_features
from poi_predict.modeling.catalog import CATALOG, build_pipeline
from poi_predict.modeling.development import DevelopmentPlan
from poi_predict.validation import make_bootstrap, make_folds

if TYPE_CHECKING:
    from poi_predict.cohort import Codebook
    from poi_predict.features import FeatureSettings
    from poi_predict.modeling.evaluation import TrainingData
    from poi_predict.modeling.settings import ModelingSettings
    from poi_predict.validation import ValidationSettings

__all__ = ["plan_development"]


def plan_development(
    data: TrainingData,
    codebook: Codebook,
    features: FeatureSettings,
    models: ModelingSettings,
    validation: ValidationSettings,
    *,
    favourable: bool,
) -> DevelopmentPlan:
    """Plan what is fitted, and on which rows.

    Parameters
    ----------
    data : TrainingData
        Only outcomes and patients are used, to stratify and to keep a woman's rows together.
    codebook : Codebook
        Says which way each variable works.
    features, models, validation
        The study's settings.
    favourable : bool
        Whether the event is what one hopes for; otherwise the codebook's directions are turned round.
    """
    folds_seed, bootstrap_seed, model_seed = (
        int(child.generate_state(1)[0]) for child in np.random.SeedSequence(validation.seed).spawn(3)
    )
    sign = 1 if favourable else -1
    monotone = {name: sign * codebook[name].direction for name in features.predictors}
    assembly = build_features(codebook, features)
    return DevelopmentPlan(
        candidates={
            name: build_pipeline(name, assembly, monotone=monotone, random_state=model_seed)
            for name in models.candidates
        },
        primary=models.primary,
        folds=make_folds(
            data.y_true, data.patient, n_folds=validation.folds, n_repeats=validation.repeats, seed=folds_seed
        ),
        resamples=make_bootstrap(data.y_true, data.patient, n_resamples=validation.bootstrap, seed=bootstrap_seed),
        n_refits_kept=CATALOG[models.primary].n_refits_kept,
    )
