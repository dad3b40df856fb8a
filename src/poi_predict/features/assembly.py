"""The domains joined: one transformer from the canonical table to the columns that models see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from poi_predict.errors import ModelError, StudyError
from poi_predict.features.aetiology import place_aetiology
from poi_predict.features.builder import Coded, FeatureBuilder, LevelBuilder, NumericBuilder
from poi_predict.features.centre_codes import CentreCodes
from poi_predict.features.generic import place_by_kind
from poi_predict.features.origin import is_companion, origin_of
from poi_predict.features.ovarian_reserve import FollicleFeatures, HormoneFeatures, place_ovarian_reserve
from poi_predict.features.patient import place_patient
from poi_predict.features.protocol import place_protocol
from poi_predict.features.timing import place_timing
from poi_predict.naming import suggest
from poi_predict.privacy import count_beside_mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from poi_predict.cohort.codebook import Codebook, Variable
    from poi_predict.features.settings import FeatureSettings

__all__ = ["FeatureAssembly", "build_features"]

DOMAINS = {
    "patient": place_patient,
    "ovarian_reserve": place_ovarian_reserve,
    "timing": place_timing,
    "aetiology": place_aetiology,
    "protocol": place_protocol,
}

TRANSFORMS: dict[str, type[NumericBuilder]] = {"log": HormoneFeatures, "sqrt": FollicleFeatures}
"""Builders of the scales that a study may choose for its own numbers; a zero is placed as that of a hormone is."""


class FeatureAssembly(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """All builders side by side, over a table that is read once.

    Does what scikit-learn's ``ColumnTransformer`` does, in a tenth of its time at the size of a cohort, and
    knows the table's habits: companions may be absent, and messages never quote a value.

    Parameters
    ----------
    builders : list of (str, FeatureBuilder, list of str)
        Domain, builder, and the columns of the canonical table that the builder takes.
    blank_empty : bool
        Whether derived columns without any value at fit become 0 for every woman; otherwise they stay missing.
    least : int
        With `blank_empty`, a column that is known of fewer women at fit, or in which fewer differ from the commonest
        value, becomes 0 for every woman too: what is learnt from it would be learnt from each of them.

    Attributes
    ----------
    builders_ : list of (str, FeatureBuilder, list of str)
        The same, with fitted builders.
    empty_ : ndarray of bool, shape (n_columns,)
        Derived columns without any value at fit, or with too few (`least`). They tell nothing and are 0 for every
        woman: not every learner bears a column that is missing throughout. All False without `blank_empty`.
    """

    least: int = 0

    builders_: list[tuple[str, FeatureBuilder, list[str]]]
    empty_: NDArray[np.bool_]

    def __init__(
        self, builders: list[tuple[str, FeatureBuilder, list[str]]], *, blank_empty: bool = True, least: int = 0
    ) -> None:
        self.builders = builders
        self.blank_empty = blank_empty
        self.least = least

    @property
    def required_columns(self) -> list[str]:
        """Columns that a table must hold: the predictors, their companions and the centre aside."""
        columns = (
            name for _, builder, columns in self.builders if not isinstance(builder, CentreCodes) for name in columns
        )
        return list(dict.fromkeys(name for name in columns if not is_companion(name)))

    def monotone_signs(self) -> dict[str, int]:
        """Return whether each ordered column grows (1) or falls (-1) with its variable; needs no data.

        Examples
        --------
        >>> from poi_predict.cohort.codebook import read_codebook
        >>> from poi_predict.features.settings import FeatureSettings
        >>> settings = FeatureSettings(("amenorrhea_months",), early_amenorrhea_months=(12.0,))
        >>> build_features(read_codebook(), settings).monotone_signs()
        {'amenorrhea_months__log': 1, 'amenorrhea_months__under_12': -1}
        """
        return {
            column.name: column.sign
            for _, builder, columns in self.builders
            if isinstance(builder, NumericBuilder)
            for column in builder.describe(columns)
        }

    def fit(self, X: pd.DataFrame, y: ArrayLike | None = None) -> Self:  # noqa: ARG002
        """Let every builder learn; the outcome is never looked at.

        Raises
        ------
        ModelError
            If a column is missing, or holds something other than numbers where numbers belong.
        """
        self._learn(X)
        return self

    def fit_transform(self, X: pd.DataFrame, y: ArrayLike | None = None) -> NDArray[np.float64]:  # noqa: ARG002
        """Let every builder learn, and return the derived columns: `fit` and `transform`, reading X once.

        Raises
        ------
        ModelError
            As `fit`.
        """
        return self._learn(X)

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the derived columns, shape (n_women, n_columns); a frame under ``set_output``.

        Raises
        ------
        ModelError
            As `fit`.
        """
        check_is_fitted(self)
        self._check(X)
        derived = np.hstack([_derive(builder, X, columns) for _, builder, columns in self.builders_])
        derived[:, self.empty_] = 0.0
        return derived

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:  # noqa: ARG002
        """Return the names of the derived columns."""
        check_is_fitted(self)
        described = (column for _, b, columns in self.builders_ for column in b.describe(columns))
        return np.array([column.name for column in described], dtype=object)

    def _learn(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Fit the builders and return the derived columns."""
        self._check(X)
        self.builders_, blocks = [], []
        for domain, builder, columns in self.builders:
            values = _read(X, columns, builder.input_dtype)
            fitted = clone(builder).learn(columns, values)
            self.builders_.append((domain, fitted, columns))
            blocks.append(fitted.derive(values))
        derived = np.hstack(blocks)
        self.empty_ = self._find_empty(derived)
        derived[:, self.empty_] = 0.0
        return derived

    def _find_empty(self, derived: NDArray[np.float64]) -> NDArray[np.bool_]:
        known = (~np.isnan(derived)).sum(axis=0)
        empty = known == 0
        if self.least:
            beside = count_beside_mode(derived)
            empty |= (known < self.least) | ((beside > 0) & (beside < self.least))
        return np.asarray(empty & self.blank_empty)

    def _check(self, X: pd.DataFrame) -> None:
        if not isinstance(X, pd.DataFrame):
            raise ModelError(
                f"Features are derived from a table with named columns; a {type(X).__name__} has none. "
                "Pass a DataFrame of canonical columns."
            )
        missing = [name for name in self.required_columns if name not in X.columns]
        if missing:
            raise ModelError(
                f"The table must hold every predictor; {len(missing)} are missing: {', '.join(missing)}. "
                "Add the columns (blank where unknown)."
            )


def build_features(codebook: Codebook, settings: FeatureSettings) -> FeatureAssembly:
    """Build the transformer from the canonical table to derived columns, not yet fitted.

    Parameters
    ----------
    codebook : Codebook
        The field's variables and those the study declares.
    settings : FeatureSettings
        The predictors, and the thresholds of the derivations.

    Returns
    -------
    FeatureAssembly
        Takes a DataFrame that holds at least the predictors (their ``__below`` companions where values may
        lie below a limit) and gives a DataFrame of float columns ``<variable>__<derivation>``, ordered by
        domain, whatever the order of the predictors.

    Raises
    ------
    StudyError
        If a predictor is not in the codebook, or is known only after the treatment.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features.settings import FeatureSettings
    >>> features = build_features(read_codebook(), FeatureSettings(predictors=("fsh", "age")))
    >>> features.fit_transform(pd.DataFrame({"age": [31.0, 38.0], "fsh": [40.0, 80.0]})).round(2)
       age__years  fsh__log
    0        31.0      3.69
    1        38.0      4.38
    >>> build_features(read_codebook(), FeatureSettings(predictors=("menses_resumed",)))
    Traceback (most recent call last):
    poi_predict.errors.StudyError: A predictor must be known before the treatment; "menses_resumed" is not.
    Remove it from predictors.use.
    """
    by_domain: dict[str, list[Variable]] = {domain: [] for domain in (*DOMAINS, "generic")}
    transformed: dict[str, list[str]] = {}
    for variable in _predictors(codebook, settings.predictors):
        if variable.transform in TRANSFORMS:
            transformed.setdefault(variable.transform, []).append(variable.name)
            continue
        domain = variable.domain if variable.domain in DOMAINS else "generic"
        by_domain[domain].append(variable)
    builders = [
        (domain, builder, columns)
        for domain, variables in by_domain.items()
        for builder, columns in DOMAINS.get(domain, place_by_kind)(variables, settings)
    ]
    builders += [("generic", TRANSFORMS[scale](), names) for scale, names in transformed.items()]
    assembly: FeatureAssembly = FeatureAssembly(builders).set_output(transform="pandas")
    return assembly


def _predictors(codebook: Codebook, names: Sequence[str]) -> list[Variable]:
    """Look the predictors up, in the codebook's order, and refuse those that cannot be one."""
    for name in names:
        if name not in codebook:
            raise StudyError(
                f'predictors.use must name variables of the codebook or of [variables]; "{name}" is neither'
                f"{suggest(name, codebook)}."
            )
        variable = codebook[name]
        if variable.known_at == "follow_up" or variable.role in ("id", "outcome", "provenance"):
            raise StudyError(
                f'A predictor must be known before the treatment; "{name}" is not. Remove it from predictors.use.'
            )
    return [codebook[name] for name in codebook if name in names]


def _derive(builder: FeatureBuilder, X: pd.DataFrame, columns: list[str]) -> NDArray[np.float64]:
    """Return a fitted builder's columns; levels are never made into Python's objects, which is most of the time."""
    if isinstance(builder, LevelBuilder) and all(name in X.columns for name in columns):
        return builder.derive_levels([Coded(*pd.factorize(X[name])) for name in columns])
    return builder.derive(_read(X, columns, builder.input_dtype))


def _read(X: pd.DataFrame, columns: list[str], dtype: type) -> NDArray[Any]:
    """Return columns as one array; an absent companion means that no value is below the limit."""
    values: NDArray[Any] = np.full((len(X), len(columns)), None if dtype is object else 0.0, dtype=dtype)
    for position, name in enumerate(columns):
        if name in X.columns:
            column = X[name]
            values[:, position] = column.to_numpy(dtype=object) if dtype is object else _read_numbers(column)
    return values


def _read_numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a column as floats, without ever quoting a value in the error."""
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        values = np.array([np.inf])
    if np.isinf(values).any():
        raise ModelError(
            f"{origin_of(str(column.name))} must hold finite numbers; some of its values are not. "
            "Read the table with read_cohort first."
        )
    return values
