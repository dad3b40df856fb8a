"""The cohort: the only door from a clinic's table to analysable women."""

from poi_predict.cohort.codebook import Codebook, Variable, read_codebook
from poi_predict.cohort.endpoint import Endpoint, EndpointSettings, build_endpoint, check_outcome_column
from poi_predict.cohort.equal_rows import EQUAL_ROWS_READ
from poi_predict.cohort.findings import Finding, Findings
from poi_predict.cohort.mapping import (
    ColumnMapping,
    ReadingSettings,
    VisitSettings,
    reading_as_dict,
    reading_from_dict,
)
from poi_predict.cohort.population import (
    FEWEST_PER_OUTCOME,
    AnalysisSet,
    InclusionRule,
    build_analysis_set,
    check_predictors,
)
from poi_predict.cohort.reading import Cohort, Fingerprint, check_cohort, read_cohort
from poi_predict.cohort.streaming import (
    Block,
    BlockPlan,
    BlockSize,
    CohortPlan,
    RowFault,
    TablePlan,
    find_tables,
    read_block,
    read_frame,
    survey_cohort,
)
from poi_predict.cohort.synthetic import SyntheticSettings, make_synthetic_cohort, write_synthetic_cohort
from poi_predict.cohort.table_one import compute_table_one

__all__ = [
    "EQUAL_ROWS_READ",
    "FEWEST_PER_OUTCOME",
    "AnalysisSet",
    "Block",
    "BlockPlan",
    "BlockSize",
    "Codebook",
    "Cohort",
    "CohortPlan",
    "ColumnMapping",
    "Endpoint",
    "EndpointSettings",
    "Finding",
    "Findings",
    "Fingerprint",
    "InclusionRule",
    "ReadingSettings",
    "RowFault",
    "SyntheticSettings",
    "TablePlan",
    "Variable",
    "VisitSettings",
    "build_analysis_set",
    "build_endpoint",
    "check_cohort",
    "check_outcome_column",
    "check_predictors",
    "compute_table_one",
    "find_tables",
    "make_synthetic_cohort",
    "read_block",
    "read_codebook",
    "read_cohort",
    "read_frame",
    "reading_as_dict",
    "reading_from_dict",
    "survey_cohort",
    "write_synthetic_cohort",
]
