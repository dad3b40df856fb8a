"""The evidence model of a study: fixed features, published priors and arms, one estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.pipeline import Pipeline

from poi_predict.features import CENTRE_CODE, build_fixed_features, list_fixed_columns
from poi_predict.modeling.borrowing.specification import build_evidence
from poi_predict.modeling.evidence_logistic import EvidenceLogisticRegression

if TYPE_CHECKING:
    from pathlib import Path

    from poi_predict.cohort import Codebook
    from poi_predict.evidence import EvidenceSettings
    from poi_predict.features import FeatureSettings

__all__ = ["build_evidence_pipeline"]


def build_evidence_pipeline(
    codebook: Codebook,
    features: FeatureSettings,
    evidence: EvidenceSettings,
    *,
    with_centre: bool,
    random_state: int,
    folder: Path | None = None,
) -> Pipeline:
    """Build the unfitted pipeline of the model that is informed by published evidence.

    Parameters
    ----------
    codebook : Codebook
    features : FeatureSettings
        The study's predictors; nothing is learnt about which columns they give.
    evidence : EvidenceSettings
    with_centre : bool
        Whether the cohort names centres, each of which then has an intercept of its own.
    random_state : int
    folder : Path, optional
        Another folder of evidence tables.

    Returns
    -------
    Pipeline
        Steps ``features`` and ``model``. It may be fitted to a table without any row: what comes out is the
        reference model of the literature.

    Raises
    ------
    EvidenceError, StudyError
        If a table or a setting breaks a rule.

    Examples
    --------
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.evidence import EvidenceSettings
    >>> from poi_predict.features import FeatureSettings
    >>> pipeline = build_evidence_pipeline(
    ...     read_codebook(), FeatureSettings(("age", "fsh")), EvidenceSettings("menses"), with_centre=False,
    ...     random_state=0)
    >>> [arm.row_id for arm in pipeline["model"].arms]
    ['A01', 'A02', 'A09', 'A16', 'NH02', 'NH03']
    """
    assembly = build_fixed_features(codebook, features, with_centre=with_centre)
    columns = list_fixed_columns(codebook, features, with_centre=with_centre)
    borrowed = build_evidence(codebook, columns, evidence, folder)
    model = EvidenceLogisticRegression(
        link=evidence.link,
        priors=borrowed.priors,
        arms=borrowed.arms,
        population=borrowed.population,
        correlations=borrowed.correlations,
        treatment=borrowed.treatment,
        treated=borrowed.treated,
        centre=CENTRE_CODE if CENTRE_CODE in columns else None,
        tau_scale=evidence.tau_scale,
        therapy_tau_scale=borrowed.therapy_tau_scale,
        binomial=evidence.binomial,
        tail=evidence.tail,
        random_state=random_state,
    )
    pipeline: Pipeline = Pipeline([("features", assembly), ("model", model)]).set_output(transform="pandas")
    return pipeline
