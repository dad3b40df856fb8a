"""What others published: treated arms, natural history, baseline distributions and prior effects."""

from poi_predict.evidence.borrowed import (
    THERAPY_TAU,
    read_arm_protocols,
    read_arm_women,
    read_borrowed_arms,
    read_field,
    read_field_correlations,
    read_priors,
    read_vocabulary,
)
from poi_predict.evidence.consistency import compute_exact_interval
from poi_predict.evidence.published import (
    PooledProportion,
    check_never_added,
    compute_pooled_proportion,
    read_arms,
    read_baseline_distributions,
    read_contrasts,
    read_natural_history,
    read_overlaps,
    read_pooled,
    read_prognostic_effects,
    read_prognostic_factors,
    read_protocols,
)
from poi_predict.evidence.settings import EvidenceSettings, PriorOverride, build_evidence_settings
from poi_predict.evidence.vocabulary import Vocabulary

__all__ = [
    "THERAPY_TAU",
    "EvidenceSettings",
    "PooledProportion",
    "PriorOverride",
    "Vocabulary",
    "build_evidence_settings",
    "check_never_added",
    "compute_exact_interval",
    "compute_pooled_proportion",
    "read_arm_protocols",
    "read_arm_women",
    "read_arms",
    "read_baseline_distributions",
    "read_borrowed_arms",
    "read_contrasts",
    "read_field",
    "read_field_correlations",
    "read_natural_history",
    "read_overlaps",
    "read_pooled",
    "read_priors",
    "read_prognostic_effects",
    "read_prognostic_factors",
    "read_protocols",
    "read_vocabulary",
]
