"""Indicators of the levels of a category, with rare levels pooled.

In a cohort of this field a level held by three women is a coefficient learned from three women. Levels seen
in fewer than `rare_level_below` women therefore share one indicator, ``<variable>__other``; a level that is
itself called "other" belongs there. The commonest level has no indicator: it is what the others are compared
with, and models without a penalty need the columns to be independent.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from poi_predict.features.builder import LevelBuilder
from poi_predict.features.origin import DerivedColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.utils import Tags

    from poi_predict.features.builder import Coded

__all__ = ["LevelFeatures", "SeveralLevelFeatures"]

POOLED = "other"
JOINER = "+"
NO_LEVEL = "none"


class _Indicators(LevelBuilder):
    """What both kinds of category share: object columns in, the levels kept at fit out."""

    levels_: list[list[str]]

    def __init__(self, rare_level_below: int = 8) -> None:
        self.rare_level_below = rare_level_below

    def describe(self, names: Sequence[str]) -> list[DerivedColumn]:
        """Return one column for each level kept; a level has no order, so no sign."""
        pairs = zip(names, self.levels_, strict=True)
        return [DerivedColumn(name, level) for name, levels in pairs for level in levels]

    def derive_levels(self, columns: Sequence[Coded]) -> NDArray[np.float64]:
        """Return the indicators; all of a variable's are NaN where its level is missing."""
        blocks = []
        for position, column in enumerate(columns):
            table = np.full((len(column.values) + 1, len(self.levels_[position])), np.nan)
            for row, value in enumerate(column.values):
                table[row] = self._row(position, str(value))
            blocks.append(column.look_up(table))
        return np.hstack(blocks)

    @abstractmethod
    def _row(self, position: int, value: str) -> NDArray[np.float64]:
        """Return the indicators of one value of a variable, shape (n_levels,)."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class LevelFeatures(_Indicators):
    """Indicators of a category's levels, compared with its commonest level.

    A level never seen at fit joins the pooled level. Where nothing was pooled there is nothing known about
    such a level, and its woman counts as missing in this variable.

    Parameters
    ----------
    rare_level_below : int
        Levels of fewer women are pooled as ``other``.

    Attributes
    ----------
    levels_ : list of list of str
        For each variable the levels that have an indicator, in alphabetical order, ``other`` last.
    reference_ : list of str
        For each variable the commonest level, pooled levels counted together; of equals the first in the
        alphabet.

    Examples
    --------
    >>> import pandas as pd
    >>> women = pd.DataFrame({"aetiology": ["idiopathic"] * 5 + ["surgical"] * 3 + ["fmr1", "autoimmune"]})
    >>> builder = LevelFeatures(rare_level_below=3).set_output(transform="pandas").fit(women)
    >>> builder.reference_
    ['idiopathic']
    >>> builder.transform(pd.DataFrame({"aetiology": ["idiopathic", "surgical", "fmr1", None]}))
       aetiology__surgical  aetiology__other
    0                  0.0               0.0
    1                  1.0               0.0
    2                  0.0               1.0
    3                  NaN               NaN
    """

    reference_: list[str]

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Learn which levels are kept, pooled, and compared with."""
        self.reference_, self.levels_ = [], []
        for column in values.T:
            groups = self._group(column)
            reference = min(groups, key=lambda level: (-groups[level], level), default=POOLED)
            kept = sorted(level for level in groups if level not in (reference, POOLED))
            if POOLED in groups and reference != POOLED:
                kept.append(POOLED)
            # A variable without any contrast keeps one column of zeros, so that it is never lost from view.
            self.levels_.append(kept or [POOLED])
            self.reference_.append(reference)
        return super().learn(names, values)

    def _group(self, column: NDArray[Any]) -> dict[str, int]:
        """Count the women of each level, rare levels together."""
        groups: Counter[str] = Counter()
        for level, count in _count(column).items():
            groups[level if count >= self.rare_level_below else POOLED] += count
        return groups

    def _row(self, position: int, value: str) -> NDArray[np.float64]:
        levels, reference = self.levels_[position], self.reference_[position]
        group = value if value in levels or value == reference else POOLED
        if group != reference and group not in levels:
            return np.full(len(levels), np.nan)
        return np.array([level == group != reference for level in levels], dtype=np.float64)


class SeveralLevelFeatures(_Indicators):
    """Indicators of a variable that can hold several levels at once, such as ``hrt+prp``.

    "none" has no indicator: all are zero. A level never seen at fit joins the pooled level, or where nothing
    was pooled is passed over, so that the levels known beside it still count.

    Parameters
    ----------
    rare_level_below : int
        Levels of fewer women are pooled as ``other``.

    Attributes
    ----------
    levels_ : list of list of str
        For each variable the levels that have an indicator, in alphabetical order, ``other`` last.

    Examples
    --------
    >>> import pandas as pd
    >>> women = pd.DataFrame({"adjuvant": ["none", "prp", "hrt+prp", "hrt", "g_csf"]})
    >>> builder = SeveralLevelFeatures(rare_level_below=2).set_output(transform="pandas")
    >>> builder.fit_transform(women)
       adjuvant__hrt  adjuvant__prp  adjuvant__other
    0            0.0            0.0              0.0
    1            0.0            1.0              0.0
    2            1.0            1.0              0.0
    3            1.0            0.0              0.0
    4            0.0            0.0              1.0
    """

    def learn(self, names: Sequence[str], values: NDArray[Any]) -> Self:
        """Learn which levels are kept and pooled."""
        self.levels_ = []
        for column in values.T:
            women: Counter[str] = Counter()
            for combination, count in _count(column).items():
                women.update(dict.fromkeys(_split(combination), count))
            kept = sorted(level for level, n in women.items() if n >= self.rare_level_below and level != POOLED)
            if len(kept) < len(women) or not kept:
                kept.append(POOLED)
            self.levels_.append(kept)
        return super().learn(names, values)

    def _row(self, position: int, value: str) -> NDArray[np.float64]:
        levels = self.levels_[position]
        present = {level if level in levels else POOLED for level in _split(value)}
        return np.array([level in present for level in levels], dtype=np.float64)


def _count(column: NDArray[Any]) -> dict[str, int]:
    """Count the women of each value of a column, missing values aside."""
    codes, distinct = pd.factorize(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    return {str(value): int(count) for value, count in zip(distinct, counts, strict=True)}


def _split(combination: str) -> list[str]:
    return [level for level in combination.split(JOINER) if level and level != NO_LEVEL]
