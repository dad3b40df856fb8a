"""Why the model says what it says, on the clinical variables a clinician knows."""

from poi_predict.explain.attribution import Explanation, explain_predictions
from poi_predict.explain.uncertainty import UncertainExplanation, explain_with_uncertainty

__all__ = ["Explanation", "UncertainExplanation", "explain_predictions", "explain_with_uncertainty"]
