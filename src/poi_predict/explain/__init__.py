"""Why the model says what it says, on the clinical variables a clinician knows."""

from poi_predict.explain.attribution import Explanation, explain_predictions

__all__ = ["Explanation", "explain_predictions"]
