"""From a study's settings to the plan of its development: unfitted candidates and seeded resamples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from poi_predict.features import build_features
from poi_predict.modeling.catalog import CATALOG, build_pipeline
from poi_predict.modeling.development import DevelopmentPlan
from poi_predict.modeling.evidence_pipeline import build_evidence_pipeline
from poi_predict.modeling.imputed import MultiplyImputed
from poi_predict.modeling.null import NullPlan
from poi_predict.modeling.prespecified import PRESPECIFIED, build_prespecified
from poi_predict.modeling.settings import EVIDENCE
from poi_predict.privacy import LEAST
from poi_predict.validation import choose_rung, make_bootstrap, make_folds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.cohort import Codebook
    from poi_predict.evidence import EvidenceSettings
    from poi_predict.features import FeatureAssembly, FeatureSettings
    from poi_predict.modeling.evaluation import TrainingData
    from poi_predict.modeling.settings import ModelingSettings
    from poi_predict.validation import ValidationSettings

__all__ = ["Declared", "plan_development"]

CENTRE = "centre"
NULL_FOLDS, NULL_REPEATS = 5, 2
"""Cross-validation on each shuffled outcome; the real one is measured alike, so that fewer folds cost no honesty."""


@dataclass(frozen=True)
class Declared:
    """What a study declares of its models.

    Attributes
    ----------
    codebook : Codebook
        Says which way each variable works.
    features, models, validation
        The study's settings.
    favourable : bool
        Whether the event is what one hopes for; otherwise the codebook's directions are turned round.
    evidence : EvidenceSettings, optional
        What is borrowed from the literature; needed by the candidate "evidence".
    least : int
        No model learns anything of fewer women, see `poi_predict.privacy`.
    """

    codebook: Codebook
    features: FeatureSettings
    models: ModelingSettings
    validation: ValidationSettings
    favourable: bool = True
    evidence: EvidenceSettings | None = None
    least: int = LEAST


def plan_development(
    data: TrainingData, declared: Declared, centre: NDArray[np.object_] | None = None
) -> DevelopmentPlan:
    """Plan what is fitted, and on which rows.

    Parameters
    ----------
    data : TrainingData
        Only outcomes and patients are used, to stratify, to keep a woman's rows together and to find the rung.
    declared : Declared
        By the study.
    centre : ndarray of str, shape (n_rows,), optional
        Where each row's woman was treated.
    """
    models, validation, evidence = declared.models, declared.validation, declared.evidence
    codebook, features = declared.codebook, declared.features
    folds_seed, bootstrap_seed, _, null_seed = _draw_seeds([validation.seed, *_digest(data)])
    model_seed = _draw_seeds([validation.seed])[2]  # stands in a bundle, and divides no women
    sign = 1 if declared.favourable else -1
    monotone = {name: sign * codebook[name].direction for name in features.predictors}
    assembly = build_features(codebook, features)
    ladder = choose_rung(
        data.y_true,
        data.weight,
        data.patient,
        n_parameters=_count_columns(assembly, data),
        has_evidence=evidence is not None,
        override=models.override_ladder,
    )
    primary = ladder.primary_for(models.primary)
    names = models.candidates if primary in models.candidates else (*models.candidates, primary)

    def build(name: str) -> Pipeline:
        if name == EVIDENCE and evidence is not None:
            return build_evidence_pipeline(
                codebook, features, evidence, with_centre=CENTRE in data.X, random_state=model_seed
            )
        if name == PRESPECIFIED:
            n_parameters = max(1, ladder.allowed_parameters)
            built = build_prespecified(codebook, features, features.prespecified, n_parameters)
        else:
            built = build_pipeline(name, assembly, monotone=monotone, random_state=model_seed)
        if models.imputations > 1 and CATALOG[name].family == "linear":
            return _impute_multiply(built, models.imputations, model_seed)
        return built

    folds = make_folds(
        data.y_true, data.patient, n_folds=validation.folds, n_repeats=validation.repeats, seed=folds_seed
    )
    n_resamples = validation.bootstrap
    if not folds.is_possible:  # nothing can be compared
        names, n_resamples = (primary,), 0
    return DevelopmentPlan(
        candidates={name: _spare_few(build(name), declared.least) for name in names},
        primary=primary,
        folds=folds,
        resamples=make_bootstrap(data.y_true, data.patient, n_resamples=n_resamples, seed=bootstrap_seed),
        ladder=ladder,
        null=NullPlan(validation.permutations, min(folds.n_folds, NULL_FOLDS), NULL_REPEATS, null_seed, centre),
        centre=centre,
        seed=null_seed,
    )


def _draw_seeds(entropy: list[int]) -> list[int]:
    return [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(entropy).spawn(4)]


def _digest(data: TrainingData) -> list[int]:
    """Return 256 bits that hang on every value of the women, and that nothing which is stored gives away.

    Which women a fold or a resample holds then follows from the seed *and* the data: the same data give the same
    training, and who has only a bundle, whose provenance names the seed, cannot tell who was in which resample.
    """
    found = hashlib.sha256(b"poi_predict: seeds of folds and resamples\0")
    for name in data.X.columns:
        column = data.X[name]
        found.update(f"{name}\0".encode())
        if column.dtype.kind in "fiub":
            found.update(column.to_numpy(dtype=np.float64).tobytes())
        else:
            found.update("\0".join("" if pd.isna(value) else str(value) for value in column).encode())
    for values in (data.y_true, data.weight, data.patient):
        found.update(np.asarray(values, dtype=np.float64).tobytes())
    return [int(word) for word in np.frombuffer(found.digest(), dtype="<u4")]


def _spare_few(pipeline: Pipeline, least: int) -> Pipeline:
    """Give every part of a pipeline that learns of groups of women their least size."""
    names = (name for name in pipeline.get_params() if name.rpartition("__")[2] == "least")
    pipeline.set_params(**dict.fromkeys(names, least))
    for _, builder, _ in _list_builders(pipeline):
        if hasattr(builder, "least"):
            builder.set_params(least=least)
    return pipeline


def _list_builders(pipeline: Pipeline) -> list[tuple[str, Any, list[str]]]:
    features = pipeline.named_steps["features"]
    return list(getattr(features, "assembly", features).builders)


def _count_columns(assembly: FeatureAssembly, data: TrainingData) -> int:
    """Columns the candidate models would learn from: what the predictors cost, before any penalty."""
    return max(1, len(clone(assembly).fit(data.X).get_feature_names_out()))


def _impute_multiply(pipeline: Pipeline, n_imputations: int, random_state: int) -> Pipeline:
    """Replace imputation, scaling and model of a linear pipeline by several completed tables and their models."""
    steps = [
        ("features", pipeline.named_steps["features"]),
        (
            "model",
            MultiplyImputed(
                pipeline[-1],
                n_imputations=n_imputations,
                imputer=pipeline.named_steps["impute"],
                random_state=random_state,
            ),
        ),
    ]
    return Pipeline(steps).set_output(transform="pandas")
