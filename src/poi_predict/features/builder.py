"""What the feature builders of all domains share.

A builder is a scikit-learn transformer that turns some clinical variables into float columns. It has two
faces. `fit` and `transform` are scikit-learn's: they check their input and take frames or arrays. `learn`,
`describe` and `derive` are the arithmetic below them, on checked arrays; `FeatureAssembly` checks a table
once and calls only these, so that a resample costs a millisecond or two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from sklearn.utils import Tags

    from poi_predict.features.origin import DerivedColumn

__all__ = ["Coded", "FeatureBuilder", "LevelBuilder", "NumericBuilder", "Placement"]


class FeatureBuilder(TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the builders: some clinical variables in, float columns ``<variable>__<derivation>`` out.

    The columns of the input are clinical variables (and ``__below`` companions), told by their names; an
    array without names has the variables ``x0``, ``x1`` … A missing value stays missing in every column that
    is derived from it.

    Attributes
    ----------
    names_ : list of str
        Names of the input columns.
    n_features_in_ : int
        Their number.
    """

    input_dtype: ClassVar[type] = np.float64

    names_: list[str]
    n_features_in_: int

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:  # noqa: ARG002
        """Learn from checked values of shape (n_women, n_names) whatever the derivation needs."""
        self.names_ = [str(name) for name in names]
        self.n_features_in_ = len(self.names_)
        return self

    @abstractmethod
    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return the derived columns in order, given the names of the input columns."""

    @abstractmethod
    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the derived columns of checked values of shape (n_women, n_names)."""

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Check a table and learn from it; the outcome is never looked at.

        Parameters
        ----------
        X : DataFrame or array of shape (n_women, n_names)
        y : ignored
        """
        values = self._check(X, reset=True)
        return self.learn(_check_feature_names_in(self), values)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the derived columns of a table, shape (n_women, n_columns)."""
        check_is_fitted(self)
        return self.derive(self._check(X, reset=False))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the derived columns."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.array([column.name for column in self.describe(names)], dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
        checked: NDArray[Any] = validate_data(
            self, X, reset=reset, dtype=self.input_dtype, ensure_all_finite="allow-nan"
        )
        return checked


class LevelBuilder(FeatureBuilder):
    """Base of the builders whose columns follow from a value's level: worked out once for each distinct value."""

    input_dtype: ClassVar[type] = object

    @abstractmethod
    def derive_levels(self, columns: Sequence[Coded]) -> NDArray[np.float64]:
        """Return the derived columns of columns given by their distinct values, in the order of the names."""

    def derive(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the derived columns of checked values of shape (n_women, n_names)."""
        return self.derive_levels([Coded(*pd.factorize(column)) for column in values.T])


class Coded(NamedTuple):
    """A column by its distinct values.

    Attributes
    ----------
    codes : ndarray of int, shape (n_women,)
        Which of the values; -1 where missing.
    values : array-like
    """

    codes: NDArray[np.intp]
    values: Any

    def look_up(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a row of the table for each woman; its last row is for a missing value."""
        return table.take(self.codes, axis=0, mode="wrap")


class NumericBuilder(FeatureBuilder):
    """Base of the builders whose columns, with their signs, are known before any data are seen."""


class Placement(NamedTuple):
    """A builder and the columns of the canonical table that it takes."""

    builder: FeatureBuilder
    columns: list[str]
