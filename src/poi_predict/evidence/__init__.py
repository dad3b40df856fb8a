"""What others published: treated arms, natural history, baseline distributions and prior effects."""

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

__all__ = [
    "PooledProportion",
    "check_never_added",
    "compute_pooled_proportion",
    "read_arms",
    "read_baseline_distributions",
    "read_contrasts",
    "read_natural_history",
    "read_overlaps",
    "read_pooled",
    "read_prognostic_effects",
    "read_prognostic_factors",
    "read_protocols",
]
