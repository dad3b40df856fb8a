"""Why the model says what it says, on the clinical variables a clinician knows."""

from poi_predict.explain.attribution import Explanation, explain_columns, explain_predictions, find_leading
from poi_predict.explain.trees import TreeAttribution
from poi_predict.explain.uncertainty import UncertainExplanation, explain_with_uncertainty

__all__ = [
    "Explanation",
    "TreeAttribution",
    "UncertainExplanation",
    "explain_columns",
    "explain_predictions",
    "explain_with_uncertainty",
    "find_leading",
]
