"""Treatment courses as checked arrays: the common entrance of everything that compares protocols in a cohort.

Malformed arrays are a defect of the calling code and raise `ValueError`. A cohort in which no comparison is
possible is the input's fault and raises `ModelError`.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from poi_predict.errors import ModelError
from poi_predict.validation.arrays import (
    FloatArray,
    IntArray,
    check_outcome,
    check_patient,
    check_weight,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Courses", "CovariateColumn", "Covariates", "check_courses", "keep_common_options"]


@dataclass(frozen=True)
class CovariateColumn:
    """One numeric column made of a covariate.

    Attributes
    ----------
    variable, term : str
        Name of the covariate; "" for its value, the level, or "missing".
    kind : {"value", "binary", "level", "missing"}
        More than two values; two values; indicator of a level; indicator of a missing value.
    """

    variable: str
    term: str
    kind: Literal["value", "binary", "level", "missing"]

    @property
    def label(self) -> str:
        """Name for a sentence: ``aetiology: surgical``."""
        return f"{self.variable}: {self.term}" if self.term else self.variable


@dataclass(frozen=True)
class Covariates:
    """What was known of each woman before the choice of an option.

    Attributes
    ----------
    frame : DataFrame of shape (n, n_covariates)
        As given; its index holds the positions in the arrays given, so that a learner from outside can look up what
        else it reads of these women.
    matrix : ndarray of shape (n, n_columns)
        Numbers; NaN where a number is not known. Levels and missing values are indicators.
    columns : tuple of CovariateColumn
        Of `matrix`.
    """

    frame: pd.DataFrame
    matrix: FloatArray
    columns: tuple[CovariateColumn, ...]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Covariates:
        """Return the rows at the given positions."""
        return Covariates(self.frame.iloc[rows], self.matrix[rows], self.columns)


@dataclass(frozen=True)
class Courses:
    """Rows that carry weight: outcome, option given, covariates, weight, patient and centre.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Outcome, 0.0 or 1.0.
    option : ndarray of int, shape (n,)
        Position of the option given in `options`.
    options : tuple of str
        In alphabetical order.
    covariates : Covariates
        The centre, where known, is one of the columns of its matrix.
    weight : ndarray of shape (n,)
        Positive sampling weight (inverse probability of being observed).
    patient : ndarray of int, shape (n,)
        Codes ``0 … n_patients - 1``.
    centre : ndarray of str, shape (n,), or None
        "" where not known.
    rows : ndarray of int, shape (n,)
        Positions in the arrays given; rows of weight 0 are left out.
    n_given : int
        Rows of the arrays given.
    """

    y: FloatArray
    option: IntArray
    options: tuple[str, ...]
    covariates: Covariates
    weight: FloatArray
    patient: IntArray
    centre: NDArray[np.str_] | None
    rows: IntArray
    n_given: int

    @property
    def n_patients(self) -> int:
        """Women."""
        return int(np.unique(self.patient).size)

    @property
    def given(self) -> FloatArray:
        """Indicators of the option given, shape (n, n_options)."""
        return np.eye(len(self.options))[self.option]

    def count_women(self, code: int, outcome: float | None = None) -> int:
        """Count the women who had an option, or those of them with the given outcome."""
        chosen = self.option == code
        if outcome is not None:
            chosen &= self.y == outcome
        return int(np.unique(self.patient[chosen]).size)

    def find_scarcity(self, codes: Sequence[int], minimum: int) -> str | None:
        """Return which of some options had fewer women with, or without, the event than a figure needs."""
        for code, outcome in itertools.product(codes, (1.0, 0.0)):
            if self.count_women(code, outcome) < minimum:
                of = f"{self.count_women(code)} women given {self.options[code]}"
                return f"fewer than {minimum} of the {of} {'had' if outcome else 'were without'} the event"
        return None

    def share_centre(self, first: int, second: int) -> bool:
        """Whether some centre used both options; True where the centres of either are not known."""
        if self.centre is None:
            return True
        used = [set(self.centre[self.option == code].tolist()) - {""} for code in (first, second)]
        return not all(used) or bool(used[0] & used[1])

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Courses:
        """Return the rows at the given positions; the options stay the same."""
        return dataclasses.replace(
            self,
            y=self.y[rows],
            option=self.option[rows],
            covariates=self.covariates.take(rows),
            weight=self.weight[rows],
            patient=np.unique(self.patient[rows], return_inverse=True)[1],
            centre=None if self.centre is None else self.centre[rows],
            rows=self.rows[rows],
        )


def check_courses(
    y_true: ArrayLike,
    option: ArrayLike,
    covariates: pd.DataFrame | ArrayLike,
    weight: ArrayLike | None = None,
    patient: ArrayLike | None = None,
    centre: ArrayLike | None = None,
) -> Courses:
    """Check arrays against one another and drop the rows of weight zero.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1; of a row of weight 0 it is not looked at.
    option : array of shape (n,)
        Name (or code) of the option given; known in every row.
    covariates : DataFrame or array of shape (n, n_covariates)
        Known before the choice; NaN allowed. Columns that are not numeric are categories.
    weight : array of shape (n,), optional
        Sampling weight, such as the inverse probability of being observed to the horizon.
    patient : array of shape (n,), optional
        Patient of each row; every row a woman of her own if not given.
    centre : array of shape (n,), optional
        Adjusted for like a covariate, and used to say which options no centre can compare; from here on centres are
        numbered, not named: what is said of them goes into bundles.

    Raises
    ------
    ValueError
        If an array is malformed.
    ModelError
        If all women had the same option.

    Examples
    --------
    >>> women = pd.DataFrame({"age": [31.0, None, 36.0], "aetiology": ["surgical", "idiopathic", "idiopathic"]})
    >>> courses = check_courses([1, 0, 0], ["PRP", "stem cells", "PRP"], women)
    >>> courses.options, [column.label for column in courses.covariates.columns]
    (('PRP', 'stem cells'), ['age', 'age: missing', 'aetiology: idiopathic', 'aetiology: surgical'])
    >>> check_courses([1, 0, 0], ["PRP"] * 3, women)
    Traceback (most recent call last):
    poi_predict.errors.ModelError: Options are compared where women had at least two; all 3 rows have the same one.
    Give a cohort in which the protocol varies.
    """
    n = np.asarray(y_true).shape[0]
    counted = check_weight(weight, n)
    rows = np.flatnonzero(counted > 0.0)
    y = check_outcome(np.asarray(y_true)[rows])
    codes, options = _check_option(option, n, rows)
    names = _number_centres(_check_labels(centre, n, "centre"))
    frame = _check_frame(covariates, n).take(rows.tolist()).set_axis(rows, axis=0)
    kept = None if names is None else names[rows]
    return Courses(
        y=y,
        option=codes,
        options=options,
        covariates=Covariates(frame, *_encode(frame, kept)),
        weight=counted[rows],
        patient=np.unique(check_patient(patient, n)[rows], return_inverse=True)[1],
        centre=kept,
        rows=rows,
        n_given=n,
    )


def keep_common_options(courses: Courses, minimum_women: int) -> tuple[Courses, tuple[str, ...]]:
    """Leave out the options that too few women had, with their women; return the rest and the names left out.

    Raises
    ------
    ModelError
        If fewer than two options are left.

    Examples
    --------
    >>> courses = check_courses([1, 0, 0, 1, 1], ["A", "A", "B", "B", "C"], np.zeros((5, 1)))
    >>> keep_common_options(courses, 2)[1]
    ('C',)
    >>> keep_common_options(courses, 3)
    Traceback (most recent call last):
    poi_predict.errors.ModelError: A comparison needs two options that 3 women or more had each; 0 of 3 options are
    so common. Group options, or wait for more women.
    """
    common = [code for code in range(len(courses.options)) if courses.count_women(code) >= minimum_women]
    if len(common) < 2:
        raise ModelError(
            f"A comparison needs two options that {minimum_women} women or more had each; {len(common)} of "
            f"{len(courses.options)} options are so common. Group options, or wait for more women."
        )
    if len(common) == len(courses.options):
        return courses, ()
    left = courses.take(np.isin(courses.option, common))
    names = tuple(courses.options[code] for code in common)
    dropped = tuple(name for name in courses.options if name not in names)
    return dataclasses.replace(left, option=np.searchsorted(common, left.option), options=names), dropped


def _check_option(option: ArrayLike, n: int, rows: IntArray) -> tuple[IntArray, tuple[str, ...]]:
    labels = _check_labels(option, n, "option")
    if labels is None or (labels[rows] == "").any():
        raise ValueError("option must be known in every row that carries weight")
    names, codes = np.unique(labels[rows], return_inverse=True)
    if names.size < 2:
        raise ModelError(
            f"Options are compared where women had at least two; all {rows.size} rows have the same one. "
            "Give a cohort in which the protocol varies."
        )
    return codes.astype(np.intp), tuple(str(name) for name in names)


def _check_labels(labels: ArrayLike | None, n: int, name: str) -> NDArray[np.str_] | None:
    if labels is None:
        return None
    series = pd.Series(np.asarray(labels, dtype=object))
    if len(series) != n:
        raise ValueError(f"{name} must have {n} values; it has {len(series)}")
    text: NDArray[np.str_] = np.where(series.isna(), "", series.astype(str)).astype(str)
    return text


def _number_centres(names: NDArray[np.str_] | None) -> NDArray[np.str_] | None:
    """Call centres C1, C2, … in their alphabetical order, which the numbers keep."""
    if names is None:
        return None
    known, place = np.unique(names, return_inverse=True)
    digits, first = len(str(known.size)), 0 if known[:1].tolist() == [""] else 1
    numbers = [f"C{number:0{digits}d}" if name else "" for number, name in enumerate(known, start=first)]
    return np.array(numbers, dtype=str)[place]


def _check_frame(covariates: pd.DataFrame | ArrayLike, n: int) -> pd.DataFrame:
    if isinstance(covariates, pd.DataFrame):
        frame = covariates
    else:
        matrix = np.asarray(covariates, dtype=np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"covariates must have two dimensions; they have {matrix.ndim}")
        frame = pd.DataFrame(matrix, columns=[f"x{i + 1}" for i in range(matrix.shape[1])])
    if len(frame) != n:
        raise ValueError(f"covariates must have {n} rows; they have {len(frame)}")
    return frame


def _encode(frame: pd.DataFrame, centre: NDArray[np.str_] | None) -> tuple[FloatArray, tuple[CovariateColumn, ...]]:
    """Make numbers of all covariates; nothing here depends on the outcome or on the option."""
    values: list[FloatArray] = []
    columns: list[CovariateColumn] = []
    for name in frame.columns:
        series = frame[name]
        if pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series):
            number = series.to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isinf(number).any():
                raise ValueError(f"covariate {name} must be finite or missing")
            kind: Literal["value", "binary"] = "binary" if np.unique(number[~np.isnan(number)]).size <= 2 else "value"
            values.append(number)
            columns.append(CovariateColumn(str(name), "", kind))
            _append_missing(str(name), np.isnan(number), values, columns)
        else:
            _append_levels(str(name), np.where(series.isna(), "", series.astype(str)), values, columns)
    if centre is not None and np.unique(centre).size > 1:
        _append_levels("centre", centre, values, columns)
    matrix = np.column_stack(values) if values else np.empty((len(frame), 0))
    return matrix, tuple(columns)


def _append_levels(
    name: str, labels: NDArray[np.str_], values: list[FloatArray], columns: list[CovariateColumn]
) -> None:
    levels: Sequence[str] = [level for level in np.unique(labels) if level]
    for level in levels:
        values.append((labels == level).astype(np.float64))
        columns.append(CovariateColumn(name, str(level), "level"))
    _append_missing(name, labels == "", values, columns)


def _append_missing(
    name: str, missing: NDArray[np.bool_], values: list[FloatArray], columns: list[CovariateColumn]
) -> None:
    if missing.any():
        values.append(missing.astype(np.float64))
        columns.append(CovariateColumn(name, "missing", "missing"))
