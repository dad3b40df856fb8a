"""A cohort of any size, in files of any number, read in blocks: memory stays flat in the number of rows."""

from poi_predict.cohort.streaming.blocks import Block, RowFault, read_block
from poi_predict.cohort.streaming.frames import read_frame
from poi_predict.cohort.streaming.places import find_tables
from poi_predict.cohort.streaming.plans import BlockPlan, BlockSize, CohortPlan, TablePlan
from poi_predict.cohort.streaming.survey import survey_cohort

__all__ = [
    "Block",
    "BlockPlan",
    "BlockSize",
    "CohortPlan",
    "RowFault",
    "TablePlan",
    "find_tables",
    "read_block",
    "read_frame",
    "survey_cohort",
]
