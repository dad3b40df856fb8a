"""Two hundred refits of a linear model asked at once: what each says of a row, as a few products of matrices.

A refit is a chain: derive, fill gaps given the other values, keep what was filled in within its range, standardise,
weigh, add up. For rows with the same gaps all of it is linear but for the range, so the chains of all refits are
multiplied out once for each pattern of gaps, and kept. What comes out is what the chains give, to rounding.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit
from sklearn.preprocessing import StandardScaler

from poi_predict.features import origin_of
from poi_predict.modeling.gap_patterns import sort_by_key
from poi_predict.modeling.imputation import GaussianImputer
from poi_predict.modeling.linear import LinearClassifier
from poi_predict.modeling.prespecified import OneColumnEach
from poi_predict.modeling.recalibrated import RecalibratedClassifier
from poi_predict.modeling.refit_features import RefitColumns, build_refit_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from poi_predict.modeling.gap_patterns import SortedRows
    from poi_predict.modeling.refit_features import RefitTable, UnitTable

    FloatArray = NDArray[np.float64]

__all__ = ["LinearRefits", "compile_refits", "is_linear"]

STEPS = ["features", "impute", "scale", "model"]
NUMBERS_AT_ONCE = 200_000
"""Of the largest array of a part of the rows: so many stay in the processor's cache."""
MOST_BYTES = 64 * 2**20
"""Of the patterns kept."""


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What all refits make of rows that stand alike.

    Attributes
    ----------
    direct, of_values : ndarray of shape (n_units, n_refits) and (n_values + 1, n_refits)
        To the log-odds from what is known: from numbers, and from the values of categories; the last is of none.
    filled, filled_of_values : ndarray of shape (n_units, most_missing, n_refits) and (n_values + 1, …)
        To the values filled in.
    low, high, slopes : ndarray of shape (most_missing, n_refits)
        Range of those values, and their effect on the log-odds.
    """

    direct: FloatArray
    of_values: FloatArray
    filled: FloatArray
    filled_of_values: FloatArray
    low: FloatArray
    high: FloatArray
    slopes: FloatArray

    @property
    def n_bytes(self) -> int:
        return sum(part.nbytes for part in vars(self).values())


def is_linear(pipeline: Pipeline) -> bool:
    """Whether a pipeline is one of the catalogue's linear models, as fitted or recalibrated."""
    model = pipeline[-1]
    base = model.base if isinstance(model, RecalibratedClassifier) else model
    return (
        list(pipeline.named_steps) == STEPS
        and isinstance(base, LinearClassifier)
        and isinstance(pipeline["impute"], GaussianImputer)
        and isinstance(pipeline["scale"], StandardScaler)
    )


def compile_refits(refits: Sequence[Pipeline]) -> LinearRefits | None:
    """Multiply the chains of refits out; None where they are not those of a linear model of the catalogue.

    Parameters
    ----------
    refits : sequence of Pipeline
        The same pipeline fitted in resamples.

    Examples
    --------
    Of two refits the first makes more of age; the interval at 25 lies between theirs:

    >>> import pandas as pd
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> from poi_predict.features import FeatureSettings, build_features
    >>> from poi_predict.modeling.catalog import build_pipeline
    >>> women = pd.DataFrame({"age": [22.0, 25, 28, 31, 34, 37, 40, 36]})
    >>> features = build_features(read_codebook(), FeatureSettings(("age",)))
    >>> firth = build_pipeline("firth", features, monotone={}, random_state=0)
    >>> import sklearn
    >>> refits = [sklearn.clone(firth).fit(women, y) for y in ([1, 1, 1, 0, 1, 0, 0, 0], [1, 0, 1, 0, 1, 0, 1, 0])]
    >>> each = [refit.predict_proba(women)[1, 1] for refit in refits]
    >>> low, high = compile_refits(refits).predict_interval(women)[1]
    >>> bool(min(each) < low < high < max(each))
    True
    >>> compile_refits([]) is None
    True
    """
    if not refits or not all(is_linear(refit) for refit in refits):
        return None
    features = [refit["features"] for refit in refits]
    one_each = [isinstance(step, OneColumnEach) for step in features]
    if any(one_each) != all(one_each):
        return None
    table = build_refit_table([step.assembly_ if isinstance(step, OneColumnEach) else step for step in features])
    return None if table is None else LinearRefits(refits, table)


class LinearRefits:
    """Refits of a linear model, ready to be asked about many women at once; keeps no woman.

    Made by `compile_refits`. May be asked from several threads.
    """

    def __init__(self, refits: Sequence[Pipeline], table: RefitTable) -> None:
        self._table, self._features = table, [refit["features"] for refit in refits]
        width = [len(refit["impute"].mean_) for refit in refits]
        n, most = len(refits), max(width)
        # One column more than any refit has: what is padded points there, has no effect and depends on nothing.
        self._mean, self._low, self._high, self._slopes = (np.zeros((n, most + 1)) for _ in range(4))
        self._scale = np.ones((n, most + 1))
        self._precision = np.tile(np.eye(most + 1), (n, 1, 1))
        self._intercept = np.zeros(n)
        self._flags = [_Flags(refit) for refit in refits]
        for r, (refit, k) in enumerate(zip(refits, width, strict=True)):
            imputer, slopes, self._intercept[r] = refit["impute"], *_weigh(refit)
            self._mean[r, :k], self._low[r, :k], self._high[r, :k] = imputer.mean_, imputer.low_, imputer.high_
            self._scale[r, :k] = np.sqrt(np.diag(imputer.covariance_))
            scale = self._scale[r, :k]
            self._precision[r, :k, :k] = np.linalg.inv(imputer.covariance_ / np.outer(scale, scale))
            self._slopes[r, :k] = slopes[:k]
        self._columns: RefitColumns | None = None
        self._n_values = -1
        self._kept: dict[bytes, _Pattern] = {}
        self._lock = threading.Lock()

    def predict_interval(self, X: pd.DataFrame, coverage: float = 0.95) -> FloatArray:
        """Return percentiles over the refits' probabilities, shape (n_women, 2).

        Type 7 of Hyndman & Fan 1996, doi 10.1080/00031305.1996.10473566: as `FittedModel.predict_interval`, before it
        is widened to hold the model's own prediction.

        Parameters
        ----------
        X : DataFrame of shape (n_women, n_inputs)
        coverage : float
        """
        interval = np.empty((len(X), 2))
        numbers = self._table.read_numbers(X)
        with self._lock:  # values met for the first time are given a place
            units, columns = self._bring_into_units(X, numbers)
        rows = _sort(units)
        with self._lock:
            found = [self._find(units.classes[row], columns) for row in rows.order[rows.bounds[:-1]].tolist()]
        most = max(1, NUMBERS_AT_ONCE // len(self._intercept))
        for part, pattern in zip(rows, found, strict=True):
            for start in range(part.start, part.stop, most):
                some = rows.order[start : min(start + most, part.stop)]
                interval[some] = _find_percentiles(
                    _ask(pattern, units.expand(some), units.place_values(some)), coverage
                )
        return interval

    def _bring_into_units(self, X: pd.DataFrame, numbers: FloatArray) -> tuple[UnitTable, RefitColumns]:
        values = self._table.find_values(X)
        if self._columns is None or self._n_values != self._table.n_values:
            self._columns, self._n_values = self._derive(), self._table.n_values
            self._kept.clear()
        return self._table.read(numbers, X, values), self._columns

    def _derive(self) -> RefitColumns:
        columns = self._table.derive()
        if isinstance(self._features[0], OneColumnEach):
            columns = _pick_columns(columns, [step.picks_ for step in self._features])
        pad = ((0, 0), (0, 0), (0, self._mean.shape[1] - columns.maps.shape[2]))
        units = np.pad(columns.units, pad[::2], constant_values=-1)
        return RefitColumns(np.pad(columns.maps, pad), units, columns.missing)

    def _find(self, classes: NDArray[np.int16], columns: RefitColumns) -> _Pattern:
        key = columns.maps.shape[1].to_bytes(8) + classes.tobytes()  # another thread may have met more values since
        pattern = self._kept.get(key)
        if pattern is None:
            pattern = self._multiply_out(classes, columns)
            if sum(kept.n_bytes for kept in self._kept.values()) + pattern.n_bytes > MOST_BYTES:
                self._kept.clear()
            self._kept[key] = pattern
        return pattern

    def _multiply_out(self, classes: NDArray[np.int16], columns: RefitColumns) -> _Pattern:
        """Work out what all refits make of rows that stand so."""
        n, width = self._mean.shape
        n_fixed = self._table.n_fixed
        gone = [of_class[stands] for of_class, stands in zip(columns.missing, classes, strict=True)]
        of_unit = np.array([*gone, np.zeros(n, dtype=bool)])  # the last for columns that are never missing
        missing = of_unit[columns.units, np.arange(n)[:, None]]
        most = int(missing.sum(axis=1).max())
        places = np.argsort(~missing, axis=1, kind="stable")[:, :most]
        each = np.arange(n)[:, None]
        places = np.where(missing[each, places], places, width - 1)
        blocks = self._precision[each[:, :, None], places[:, :, None], places[:, None, :]]
        blocks = np.where((places == width - 1)[:, :, None] | (places == width - 1)[:, None, :], np.eye(most), blocks)
        weights = -np.take_along_axis(self._precision, places[:, None, :], axis=2) @ np.linalg.inv(blocks)
        weights *= np.take_along_axis(self._scale, places, axis=1)[:, None, :] / self._scale[:, :, None]
        weights[missing] = 0.0
        known = np.where(missing[:, None, :], 0.0, columns.maps)
        direct = (known * self._slopes[:, None, :]).sum(axis=2).T
        direct[0] += self._intercept + [flags.weigh(those) for flags, those in zip(self._flags, missing, strict=True)]
        known[:, 0] -= np.where(missing, 0.0, self._mean)
        # Unit by unit, not by BLAS: what a value adds must not hang on which other values were met before.
        filled = np.einsum("ruk,rkm->umr", known, weights)
        at = each, places
        filled[0] += self._mean[at].T
        return _Pattern(
            direct[:n_fixed].copy(),
            np.vstack([direct[n_fixed:], np.zeros((1, n))]),
            filled[:n_fixed].copy(),
            np.concatenate([filled[n_fixed:], np.zeros((1, most, n))]),
            *(np.ascontiguousarray(numbers[at].T) for numbers in (self._low, self._high, self._slopes)),
        )


class _Flags:
    """What a refit adds where variables are missing."""

    def __init__(self, refit: Pipeline) -> None:
        imputer, (slopes, _) = refit["impute"], _weigh(refit)
        origins = np.array([origin_of(str(name)) for name in imputer.feature_names_in_])
        self._columns = [np.flatnonzero(origins == variable) for variable in imputer.flagged_]
        self._slopes = slopes[len(origins) :]

    def weigh(self, missing: NDArray[np.bool_]) -> float:
        """Return the log-odds that the flags add, given which columns are missing."""
        raised = [bool(missing[columns].any()) for columns in self._columns]
        return float(self._slopes @ np.array(raised, dtype=np.float64))


def _weigh(refit: Pipeline) -> tuple[FloatArray, float]:
    """Return the effect of one unit of each column and flag, and the log-odds where all are 0."""
    scaler, model = refit["scale"], refit["model"]
    slopes = np.ravel(model.coef_) / scaler.scale_
    return slopes, float(np.ravel(model.intercept_)[0] - slopes @ scaler.mean_)


def _pick_columns(columns: RefitColumns, picks: Sequence[list[tuple[str, list[int], float]]]) -> RefitColumns:
    """Reduce derived columns to the one of each variable that `OneColumnEach` chose."""
    n, n_units, _ = columns.maps.shape
    maps, units = np.zeros((n, n_units, len(picks[0]))), np.full((n, len(picks[0])), -1, dtype=np.intp)
    for r, chosen in enumerate(picks):
        for j, (_, at, sign) in enumerate(chosen):
            summed = columns.maps[r][:, at].sum(axis=1)
            maps[r, :, j] = -summed if sign < 0 else summed
            maps[r, 0, j] += 1.0 if sign < 0 else 0.0
            units[r, j] = columns.units[r, at].max(initial=-1)
    return RefitColumns(maps, units, columns.missing)


def _sort(units: UnitTable) -> SortedRows:
    """Bring rows that stand alike together."""
    highest = int(units.classes.max(initial=0))
    bits = units.classes[:, :, None] >> np.arange(max(1, highest.bit_length())) & 1
    return sort_by_key(bits.reshape(len(units.classes), -1).astype(bool))


def _ask(pattern: _Pattern, units: FloatArray, values: NDArray[np.intp]) -> FloatArray:
    """Return log-odds by all refits, shape (n_rows, n_refits)."""
    log_odds = units @ pattern.direct
    for places in values.T:
        log_odds += pattern.of_values[places]
    for j in range(len(pattern.low)):
        filled = units @ pattern.filled[:, j]
        for places in values.T:
            filled += pattern.filled_of_values[places, j]
        np.clip(filled, pattern.low[j], pattern.high[j], out=filled)
        filled *= pattern.slopes[j]
        log_odds += filled
    return log_odds


def _find_percentiles(log_odds: FloatArray, coverage: float) -> FloatArray:
    """Return two percentiles of each row's probabilities; their order is that of the log-odds."""
    last = log_odds.shape[1] - 1
    at = np.array([(1 - coverage) / 2, (1 + coverage) / 2]) * last
    below = np.floor(at).astype(np.intp)
    above = np.minimum(below + 1, last)
    log_odds.sort(axis=1)
    low, high = expit(log_odds[:, below]), expit(log_odds[:, above])
    return np.asarray(low + (high - low) * (at - below), dtype=np.float64)
