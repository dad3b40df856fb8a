"""Shapley values of models of trees; the only import of shap."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poi_predict.errors import ModelError
from poi_predict.explain.tree_tables import TreeTables, build_tree_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

__all__ = ["TreeAttribution"]

FEWEST_ROWS = 1000
"""For fewer rows tables are not worth building; shap walks the trees."""


@dataclass(eq=False)
class TreeAttribution:
    """TreeSHAP (Lundberg et al. 2020, doi 10.1038/s42256-019-0138-9) of one model, for as many tables as come.

    Attributes
    ----------
    model : estimator
        A fitted two-class model of trees.

    Raises
    ------
    ModelError
        When asked, if the model is not one of trees.
    """

    model: Any
    _explainer: Any = None
    _tables: TreeTables | None = None

    def attribute(self, values: FloatArray, *, n_jobs: int = 1) -> tuple[FloatArray, float, bool]:
        """Attribute the model's output to derived columns.

        Parameters
        ----------
        values : ndarray of shape (n_women, n_columns)
            NaN where missing.
        n_jobs : int
            Threads among which the rows are shared out; changes no byte.

        Returns
        -------
        contribution : ndarray of shape (n_women, n_columns)
        baseline : float
        on_log_odds : bool
            Whether both are log-odds; otherwise they are probabilities, as of a forest.
        """
        if self._explainer is None:
            self._explainer = _make_explainer(self.model)
        # The way hangs on these rows alone, not on what was asked before: the same block gives the same bytes anywhere.
        if len(values) >= FEWEST_ROWS:
            if self._tables is None:
                self._tables = build_tree_tables(self._explainer)
            if self._tables is not None:
                on_log_odds = self._explainer.model.values.shape[2] == 1
                return self._tables.attribute(values, n_jobs=n_jobs), self._tables.baseline, on_log_odds
        result = self._explainer(values, check_additivity=False)
        contribution, base = np.asarray(result.values), np.asarray(result.base_values)
        if contribution.ndim == 3:  # one slice a class: a forest, on the probability scale
            return contribution[..., 1], float(base.reshape(len(values), -1)[0, 1]), False
        return contribution, float(base.ravel()[0]), True


def _make_explainer(model: Any) -> Any:
    with warnings.catch_warnings():
        # Its colour maps use what matplotlib will drop one day; that is no concern of an explanation's reader.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap  # noqa: PLC0415

    try:
        return shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    except Exception as error:
        raise ModelError(
            f"Attributions need a linear or tree model; a {type(model).__name__} is neither. "
            "Choose a model of the catalogue."
        ) from error
