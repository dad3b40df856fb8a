"""Stored models: what is kept of a training, and how a cohort is scored with it."""

from poi_predict.scoring.batch import answer_frame, read_scoring_cohort, score_frame, survey_scoring_cohort
from poi_predict.scoring.bundle import Bundle, read_bundle, write_bundle
from poi_predict.scoring.conforming import conform
from poi_predict.scoring.contract import Contract, Provenance, compute_training_ranges
from poi_predict.scoring.packing import add_centre, add_regimens, build_contract, build_provenance
from poi_predict.scoring.writing import check_table_suffix, write_whole_table

__all__ = [
    "Bundle",
    "Contract",
    "Provenance",
    "add_centre",
    "add_regimens",
    "answer_frame",
    "build_contract",
    "build_provenance",
    "check_table_suffix",
    "compute_training_ranges",
    "conform",
    "read_bundle",
    "read_scoring_cohort",
    "score_frame",
    "survey_scoring_cohort",
    "write_bundle",
    "write_whole_table",
]
