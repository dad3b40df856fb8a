"""The types that a stored model may be made of, pinned here and never read from a file.

skops trusts numbers, containers and scikit-learn's public estimators by itself. What a model of the catalogue
needs beyond that is named here: its rooms' own types, and a few internals of scikit-learn and numpy. Node
arrays of trees are data that compiled code follows without looking; `tree_bounds` looks first.
"""

from __future__ import annotations

from poi_predict.features import TRUSTED_TYPES as FEATURE_TYPES
from poi_predict.modeling import TRUSTED_TYPES as MODEL_TYPES

__all__ = ["TRUSTED_TYPES"]

LIBRARY_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)

TRUSTED_TYPES: tuple[str, ...] = tuple(sorted({*LIBRARY_TYPES, *FEATURE_TYPES, *MODEL_TYPES}))
"""Fully qualified names of every type that a bundle may hold beyond those that skops trusts by itself."""
