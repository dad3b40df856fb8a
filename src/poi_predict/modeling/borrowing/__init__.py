"""Borrowed strength: published arms and prognostic effects joined with a clinic's women in one likelihood."""

from poi_predict.modeling.borrowing.arms import Arm, Marginal, Prior

__all__ = ["Arm", "Marginal", "Prior"]
