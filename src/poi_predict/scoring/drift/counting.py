"""Counts of a variable's values: bins of numbers, shares of levels; the same here and in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.features.levels import JOINER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from poi_predict.cohort import Variable

__all__ = ["OTHER_LEVELS", "YES", "count_bins", "count_levels", "count_rows_of_levels", "split_levels"]

OTHER_LEVELS = "other_levels"
"""Name under which levels are pooled that fewer than five women of training had."""

YES = "yes"


def count_bins(values: NDArray[np.float64], edges: Sequence[float]) -> list[int]:
    """Count values by the bins that inner edges part; a value at an edge belongs to the upper bin, NaN to none.

    Examples
    --------
    Ages of 24, 30 and 41, in bins below 30, from 30, and from 35:

    >>> count_bins(np.array([24.0, 30.0, 41.0, np.nan]), [30.0, 35.0])
    [1, 1, 1]
    """
    known = values[~np.isnan(values)]
    places = np.searchsorted(np.asarray(edges, dtype=np.float64), known, side="right")
    return [int(n) for n in np.bincount(places, minlength=len(edges) + 1)]


def count_levels(column: pd.Series[Any], variable: Variable) -> dict[str, int]:
    """Count the rows of each text of a column; of a yes/no variable those of "yes".

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> count_levels(pd.Series(["hrt+prp", "none", None, "none"]), read_codebook()["adjuvant"])
    {'hrt+prp': 1, 'none': 2}
    """
    if variable.kind == "binary":
        return {YES: int((column.to_numpy(dtype=np.float64, na_value=np.nan) == 1.0).sum())}
    codes, words = pd.factorize(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    return {str(word): int(count) for word, count in zip(words, counts, strict=True)}


def split_levels(text: str, variable: Variable) -> list[str]:
    """Return the levels that a text names: several where a variable can hold several at once."""
    return [level for level in text.split(JOINER) if level] if variable.kind == "multi" else [text]


def count_rows_of_levels(texts: Mapping[str, int], kept: Sequence[str], variable: Variable) -> dict[str, int]:
    """Count the rows that hold each level kept, and those that hold any other.

    Examples
    --------
    >>> from poi_predict.cohort import read_codebook
    >>> count_rows_of_levels({"hrt+prp": 1, "hrt": 4, "none": 2}, ["hrt", "none"], read_codebook()["adjuvant"])
    {'hrt': 5, 'none': 2, 'other_levels': 1}
    """
    found = dict.fromkeys((*kept, OTHER_LEVELS), 0)
    for text, count in texts.items():
        for level in {level if level in kept else OTHER_LEVELS for level in split_levels(text, variable)}:
            found[level] += count
    return found
