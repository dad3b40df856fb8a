"""Scores on disk: appended block by block, resumable after a kill, placed whole or not at all."""

from poi_predict.scoring.output.assembling import PATIENT_ROWS
from poi_predict.scoring.output.blocks import (
    REJECTED_SCHEMA,
    TABLE,
    BlockResult,
    encode_rejected,
    encode_scores,
)
from poi_predict.scoring.output.csv_rows import header_as_csv, neutralise, rows_as_csv
from poi_predict.scoring.output.places import (
    OutputOptions,
    check_place,
    check_table_suffix,
    rejected_path,
    summary_path,
    work_path,
)
from poi_predict.scoring.output.score_output import ScoreOutput, read_summary
from poi_predict.scoring.output.xlsx import write_xlsx

__all__ = [
    "PATIENT_ROWS",
    "REJECTED_SCHEMA",
    "TABLE",
    "BlockResult",
    "OutputOptions",
    "ScoreOutput",
    "check_place",
    "check_table_suffix",
    "encode_rejected",
    "encode_scores",
    "header_as_csv",
    "neutralise",
    "read_summary",
    "rejected_path",
    "rows_as_csv",
    "summary_path",
    "work_path",
    "write_xlsx",
]
