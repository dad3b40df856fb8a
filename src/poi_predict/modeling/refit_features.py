"""The derived columns of many refits as linear maps of one table, so that a cohort is derived once for all of them.

Refits learn a little each: which levels are kept and pooled, below what a printed zero is put, which columns were
empty. All of that acts on single values. So one table of *units* (numbers that every refit derives alike, levels as
indicators, printed zeros) serves all refits, and each refit's derived columns are a matrix times it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.features import FeatureAssembly, HormoneFeatures, LevelFeatures, NumericBuilder, SeveralLevelFeatures
from poi_predict.features.levels import JOINER, NO_LEVEL, POOLED
from poi_predict.features.origin import is_companion
from poi_predict.features.ovarian_reserve import BELOW_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Builders = Sequence[Any]
    Values = list[tuple[NDArray[np.intp], NDArray[np.intp]]]

__all__ = ["KNOWN", "MISSING", "RefitColumns", "RefitTable", "UnitTable", "build_refit_table"]

KNOWN, MISSING, ZERO = 0, 1, 2
"""How a unit stands in a row; a category's further classes, from 2 on, are levels that only some refits know."""


@dataclass(frozen=True, eq=False)
class UnitTable:
    """Rows in units.

    Attributes
    ----------
    numbers : ndarray of shape (n_rows, n_numbers)
        0 where missing or a printed zero.
    codes : ndarray of int, shape (n_rows, n_categories)
        Which of the category's values; -1 where missing.
    classes : ndarray of int, shape (n_rows, n_numbers + n_categories)
        How each unit stands.
    sizes : tuple of int
        Values of each category.
    zeros : tuple of int
        Numbers that may be a printed zero.
    """

    numbers: FloatArray
    codes: NDArray[np.intp]
    classes: NDArray[np.int16]
    sizes: tuple[int, ...]
    zeros: tuple[int, ...]

    def expand(self, rows: NDArray[np.intp]) -> FloatArray:
        """Return some rows as numbers: 1, the numbers, indicators of printed zeros."""
        zeros = self.classes[rows][:, list(self.zeros)] == ZERO
        return np.column_stack([np.ones(len(rows)), self.numbers[rows], zeros])

    def place_values(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return where each category's value stands among the values of all; one past the last where missing."""
        starts = np.cumsum([0, *self.sizes])
        codes = self.codes[rows]
        return np.asarray(np.where(codes < 0, starts[-1], codes + starts[:-1]), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class RefitColumns:
    """The derived columns of every refit, in terms of units.

    Attributes
    ----------
    maps : ndarray of shape (n_refits, 1 + n_numbers + n_zeros + n_values, most_columns)
        The constant, the numbers, indicators of printed zeros and of values, times this are the derived columns;
        columns that a refit has not are 0.
    units : ndarray of int, shape (n_refits, most_columns)
        The unit a column hangs on; -1 for one that is never missing.
    missing : list of ndarray of bool, shape (n_classes, n_refits)
        For each unit, whether it is missing to a refit when it stands so.
    """

    maps: FloatArray
    units: NDArray[np.intp]
    missing: list[NDArray[np.bool_]]


class _Category:
    """The values of one variable that holds levels, known beforehand or met on the way."""

    def __init__(self, name: str, builders: Builders, position: int) -> None:
        self.name, self.position = name, position
        self.several = isinstance(builders[0], SeveralLevelFeatures)
        self.levels = {level for builder in builders for level in builder.levels_[position]} | {POOLED}
        if not self.several:
            self.levels |= {builder.reference_[position] for builder in builders}
        self.place = {} if self.several else {level: i for i, level in enumerate(sorted(self.levels))}
        self.class_of = np.zeros(0, dtype=np.int16)

    def find(self, values: Sequence[str]) -> NDArray[np.intp]:
        """Return the place of each value, giving new ones a place."""
        return np.array([self.place.setdefault(self._simplify(v), len(self.place)) for v in values], dtype=np.intp)

    def _simplify(self, value: str) -> str:
        """Name a value by what refits make of it: all levels that none of them knows are one."""
        if not self.several:
            return value if value in self.levels else POOLED
        held = {level for level in value.split(JOINER) if level and level != NO_LEVEL}
        return JOINER.join(sorted({level if level in self.levels else POOLED for level in held})) or NO_LEVEL


class RefitTable:
    """What all refits derive from, in units.

    Parameters
    ----------
    assemblies : sequence of FeatureAssembly
        Fitted, copies of one another but for what they learnt.
    """

    def __init__(self, assemblies: Sequence[FeatureAssembly]) -> None:
        self._assemblies = assemblies
        self._stacks = [[a.builders_[b][1] for a in assemblies] for b in range(len(assemblies[0].builders_))]
        self._placed = assemblies[0].builders_
        self._numeric = _take_numeric(assemblies[0])
        self.hormones: list[tuple[int, str, FloatArray]] = []
        self.categories: list[_Category] = []
        self._number_names: list[str] = []
        for (_, builder, columns), stack in zip(self._placed, self._stacks, strict=True):
            if isinstance(builder, NumericBuilder):
                if isinstance(builder, HormoneFeatures):
                    names = [name for name in columns if not is_companion(name)]
                    floors = np.array([b.floor_ for b in stack])
                    start = len(self._number_names)
                    self.hormones += [(start + i, name, floors[:, i]) for i, name in enumerate(names)]
                self._number_names += [column.name for column in builder.describe(columns)]
            else:
                self.categories += [_Category(name, stack, i) for i, name in enumerate(columns)]
        self.n_numbers = len(self._number_names)

    @property
    def n_fixed(self) -> int:
        """The constant, the numbers, and indicators of printed zeros: what does not grow."""
        return 1 + self.n_numbers + len(self.hormones)

    @property
    def n_values(self) -> int:
        """Values of all categories that have a place so far; grows with what is met."""
        return sum(len(category.place) for category in self.categories)

    def find_values(self, X: pd.DataFrame) -> Values:
        """Return each category's rows by distinct value, and the place of every value, giving new ones a place."""
        found = []
        for category in self.categories:
            codes, distinct = pd.factorize(X[category.name])
            found.append((codes, category.find([str(value) for value in distinct])))
        return found

    def read_numbers(self, X: pd.DataFrame) -> FloatArray:
        """Return the columns that all refits derive alike, NaN where missing, shape (n_rows, n_numbers)."""
        if self._numeric is None:
            return np.empty((len(X), 0))
        return np.asarray(self._numeric.transform(X), dtype=np.float64)

    def read(self, numbers: FloatArray, X: pd.DataFrame, values: Values) -> UnitTable:
        """Bring rows into units; `numbers` and `values` are theirs, and `derive` has seen the values."""
        classes = np.zeros((len(X), self.n_numbers + len(self.categories)), dtype=np.int16)
        classes[:, : self.n_numbers] = np.isnan(numbers)
        for at, name, _ in self.hormones:
            classes[X[name].to_numpy(dtype=np.float64, na_value=np.nan) <= 0, at] = ZERO
        numbers = np.where(classes[:, : self.n_numbers] == KNOWN, numbers, 0.0)
        codes = np.full((len(X), len(self.categories)), -1, dtype=np.intp)
        for i, (category, (rows, places)) in enumerate(zip(self.categories, values, strict=True)):
            codes[:, i] = np.append(places, -1)[rows]
            classes[:, self.n_numbers + i] = np.append(category.class_of[places], MISSING)[rows]
        sizes = tuple(len(category.place) for category in self.categories)
        return UnitTable(numbers, codes, classes, sizes, tuple(at for at, _, _ in self.hormones))

    def derive(self) -> RefitColumns:
        """Work out every refit's columns, for all values that have a place so far."""
        n_refits, most = len(self._assemblies), max(len(a.empty_) for a in self._assemblies)
        maps = np.zeros((n_refits, 1 + self.n_numbers + len(self.hormones) + self.n_values, most))
        units = np.full((n_refits, most), -1, dtype=np.intp)
        missing = [np.array([[False] * n_refits, [True] * n_refits]) for _ in range(self.n_numbers)]
        for at, _, floors in self.hormones:
            missing[at] = np.vstack([missing[at], np.isnan(floors)])
        unknown = [np.zeros((len(category.place), n_refits), dtype=bool) for category in self.categories]
        tables = self._tabulate()
        for r, assembly in enumerate(self._assemblies):
            self._map_one(r, assembly, (maps[r], units[r]), (tables[r], unknown))
        for category, gone in zip(self.categories, unknown, strict=True):
            missing.append(_classify(category, gone))
        return RefitColumns(maps, units, missing)

    def _map_one(
        self,
        r: int,
        assembly: FeatureAssembly,
        into: tuple[FloatArray, NDArray[np.intp]],
        levels: tuple[list[FloatArray], list[NDArray[np.bool_]]],
    ) -> None:
        """Fill in one refit's map and units, and which values it does not know."""
        (rows, unit), (tables, unknown) = into, levels
        column, number, category = 0, 0, 0
        first_zero = 1 + self.n_numbers
        value = first_zero + len(self.hormones)
        for _, builder, columns in assembly.builders_:
            if isinstance(builder, NumericBuilder):
                for _ in builder.describe(columns):
                    rows[1 + number, column], unit[column] = 1.0, number
                    column, number = column + 1, number + 1
                continue
            for _ in columns:
                table = tables[category]
                part = slice(column, column + table.shape[1])
                rows[value : value + len(table), part] = np.nan_to_num(table)
                unknown[category][:, r] = np.isnan(table).any(axis=1)
                unit[part] = self.n_numbers + category
                column, value, category = part.stop, value + len(table), category + 1
        for i, (at, _, floors) in enumerate(self.hormones):
            if floors[r] > 0:
                rows[first_zero + i, unit == at] = np.log(floors[r] * BELOW_LIMIT)
        blank = np.flatnonzero(assembly.empty_)
        rows[:, blank], unit[blank] = 0.0, -1

    def _tabulate(self) -> list[list[FloatArray]]:
        """For each refit and category, what the refit derives from every value, shape (n_values, n_columns)."""
        tables: list[list[FloatArray]] = [[] for _ in self._assemblies]
        start = 0
        for (_, builder, columns), stack in zip(self._placed, self._stacks, strict=True):
            if isinstance(builder, NumericBuilder):
                continue
            group = self.categories[start : start + len(columns)]
            start += len(columns)
            asked = np.full((max(len(c.place) for c in group), len(columns)), None, dtype=object)
            for i, category in enumerate(group):
                asked[: len(category.place), i] = list(category.place)
            for r, fitted in enumerate(stack):
                edges = np.cumsum([0, *(len(levels) for levels in fitted.levels_)])
                found = fitted.derive(asked)
                tables[r] += [found[: len(c.place), edges[i] : edges[i + 1]] for i, c in enumerate(group)]
        return tables


def build_refit_table(assemblies: Sequence[Any]) -> RefitTable | None:
    """Return the table of units of fitted feature steps; None where they are not of the linear models' kind."""
    first = assemblies[0]
    if not all(isinstance(a, FeatureAssembly) for a in assemblies):
        return None
    shape = [(type(b), columns) for _, b, columns in first.builders_]
    if not all(issubclass(kind, NumericBuilder | LevelFeatures | SeveralLevelFeatures) for kind, _ in shape):
        return None
    named = [b.describe(columns) for _, b, columns in first.builders_ if isinstance(b, NumericBuilder)]
    for assembly in assemblies[1:]:
        if [(type(b), columns) for _, b, columns in assembly.builders_] != shape:
            return None
        if [b.describe(columns) for _, b, columns in assembly.builders_ if isinstance(b, NumericBuilder)] != named:
            return None
    return RefitTable(assemblies)


def _take_numeric(assembly: FeatureAssembly) -> FeatureAssembly | None:
    """Return an assembly of the builders whose columns do not depend on the women, but for printed zeros."""
    builders = [placed for placed in assembly.builders_ if isinstance(placed[1], NumericBuilder)]
    if not builders:
        return None
    numeric = FeatureAssembly(builders, blank_empty=False)
    numeric.builders_ = builders
    numeric.empty_ = np.zeros(sum(len(b.describe(columns)) for _, b, columns in builders), dtype=bool)
    return numeric


def _classify(category: _Category, unknown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give each value of a category its class: known to all refits, to none, or to some; return who misses which."""
    n_refits = unknown.shape[1]
    patterns = {bytes(n_refits): KNOWN, bytes([1] * n_refits): MISSING}
    category.class_of = np.array([patterns.setdefault(row.tobytes(), len(patterns)) for row in unknown], dtype=np.int16)
    return np.array([np.frombuffer(pattern, dtype=bool) for pattern in patterns])
