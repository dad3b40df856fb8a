"""Drift: how the women of a scored cohort differ from those of training, counted block by block."""

from poi_predict.scoring.drift.comparing import compare_drift
from poi_predict.scoring.drift.tally import Tally, tally_block
from poi_predict.scoring.drift.women import recalibrate_women, summarise_training

__all__ = ["Tally", "compare_drift", "recalibrate_women", "summarise_training", "tally_block"]
