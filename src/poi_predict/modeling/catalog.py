"""The catalogue: name → a pipeline from clinical variables to a probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline

from poi_predict.errors import ModelError
from poi_predict.features import origin_of
from poi_predict.modeling.elastic_net import ElasticNetLogistic
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression
from poi_predict.modeling.firth import FirthLogistic
from poi_predict.modeling.imputation import GaussianImputer
from poi_predict.modeling.linear import PlainLogistic
from poi_predict.modeling.prespecified import PRESPECIFIED, build_prespecified_pipeline
from poi_predict.modeling.prevalence import OverallRate
from poi_predict.modeling.ridge import RidgeLogistic
from poi_predict.modeling.scaling import RoundedScaler
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from poi_predict.features import FeatureAssembly

__all__ = ["CATALOG", "CandidateSpec", "build_pipeline"]

MakeModel = Callable[[Mapping[str, int], int], "BaseEstimator"]


@dataclass(frozen=True)
class CandidateSpec:
    """One kind of model that a study may compare.

    Attributes
    ----------
    name : str
        As written in `study.toml`.
    label : str
        As written in a report.
    family : {"none", "evidence", "linear", "trees"}
        Linear models see imputed, standardised columns; trees and the evidence model take missing values as they
        are.
    handles_missing : bool
        Whether the model itself takes missing values.
    is_kept : bool
        Whether a bundle may hold it. Trees are not: their thresholds and leaves are those of single women, who can be
        reconstructed from them. They are compared and reported.
    make : callable
        (sign of each ordered derived column's effect, random_state) → an unfitted model.
    """

    name: str
    label: str
    family: Literal["none", "evidence", "linear", "trees"]
    handles_missing: bool
    is_kept: bool
    make: MakeModel


def _make_prevalence(_signs: Mapping[str, int], _random_state: int) -> BaseEstimator:
    return OverallRate()


def _make_evidence(_signs: Mapping[str, int], random_state: int) -> BaseEstimator:
    return EvidenceLogisticRegression(random_state=random_state)


def _make_logistic(_signs: Mapping[str, int], _random_state: int) -> BaseEstimator:
    return PlainLogistic()


def _make_firth(_signs: Mapping[str, int], _random_state: int) -> BaseEstimator:
    return FirthLogistic()


def _make_ridge(_signs: Mapping[str, int], _random_state: int) -> BaseEstimator:
    return RidgeLogistic()


def _make_elastic_net(_signs: Mapping[str, int], random_state: int) -> BaseEstimator:
    return ElasticNetLogistic(random_state=random_state)


def _make_random_forest(_signs: Mapping[str, int], random_state: int) -> BaseEstimator:
    # Leaves of ten women: probabilities averaged over smaller ones are far too sure in small cohorts.
    return RandomForestClassifier(n_estimators=300, min_samples_leaf=10, n_jobs=1, random_state=random_state)


def _make_gradient_boosting(signs: Mapping[str, int], random_state: int) -> BaseEstimator:
    # Few, small, slow trees: no part of a cohort of this size can be spared to stop early on.
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=80,
        max_leaf_nodes=4,
        min_samples_leaf=10,
        l2_regularization=1.0,
        early_stopping=False,
        monotonic_cst=dict(signs),
        random_state=random_state,
    )


def _make_prespecified(_signs: Mapping[str, int], _random_state: int) -> BaseEstimator:
    return FirthLogistic()


_SPECS = (
    CandidateSpec("prevalence", "Prevalence (no model)", "none", True, True, _make_prevalence),
    CandidateSpec("evidence", "Evidence-informed logistic regression", "evidence", True, True, _make_evidence),
    CandidateSpec(
        PRESPECIFIED, "Pre-specified Firth regression, 1–3 columns", "linear", False, True, _make_prespecified
    ),
    CandidateSpec("logistic", "Logistic regression", "linear", False, True, _make_logistic),
    CandidateSpec("firth", "Firth logistic regression (FLIC)", "linear", False, True, _make_firth),
    CandidateSpec("ridge", "Ridge logistic regression", "linear", False, True, _make_ridge),
    CandidateSpec("elastic_net", "Elastic-net logistic regression", "linear", False, True, _make_elastic_net),
    CandidateSpec("random_forest", "Random forest", "trees", True, False, _make_random_forest),
    CandidateSpec("gradient_boosting", "Gradient boosting, monotone", "trees", True, False, _make_gradient_boosting),
)

CATALOG: Mapping[str, CandidateSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""Every kind of model, by name. None ever oversamples: a duplicated woman is no second woman."""


def build_pipeline(name: str, features: FeatureAssembly, *, monotone: Mapping[str, int], random_state: int) -> Pipeline:
    """Build an unfitted pipeline: all that learns from data is in it, so that a resample refits it.

    Parameters
    ----------
    name : str
        Of the catalogue.
    features : FeatureAssembly
        From `build_features`; copied.
    monotone : mapping of str to int
        Clinical variable → direction of its effect on response: -1 never helps as it grows, 1 never harms.
        Kept by gradient boosting.
    random_state : int
        Of every random step.

    Returns
    -------
    Pipeline
        Steps ``features``, for linear models ``impute`` and ``scale``, and ``model``. Tables between the
        steps are frames, so that every column's name is known to the end.

    Raises
    ------
    ModelError
        If the catalogue has no such model.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features import FeatureSettings, build_features
    >>> features = build_features(read_codebook(), FeatureSettings(predictors=("age", "fsh")))
    >>> list(build_pipeline("ridge", features, monotone={"fsh": -1}, random_state=0).named_steps)
    ['features', 'impute', 'scale', 'model']
    >>> build_pipeline("rigde", features, monotone={}, random_state=0)
    Traceback (most recent call last):
    poi_predict.errors.ModelError: A model must be one of the catalogue;
    "rigde" is not (did you mean "ridge"?).
    """
    if name not in CATALOG:
        raise ModelError(f'A model must be one of the catalogue; "{name}" is not{suggest(name, CATALOG)}.')
    if name == PRESPECIFIED:
        return build_prespecified_pipeline(features)
    spec = CATALOG[name]
    effects = {column: sign * monotone.get(origin_of(column), 0) for column, sign in features.monotone_signs().items()}
    steps: list[tuple[str, Any]] = [("features", clone(features))]
    if spec.family == "linear":
        steps += [("impute", GaussianImputer()), ("scale", RoundedScaler())]
    steps.append(("model", spec.make(effects, random_state)))
    pipeline: Pipeline = Pipeline(steps).set_output(transform="pandas")
    return pipeline
