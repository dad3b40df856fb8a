"""Rows at the end of a table that sum up those above, whatever they are called: by their cells, in any language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.table_cells import as_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["MOST_ROWS", "find_trailing_summaries"]

MOST_ROWS = 5_000  # of a table that a person sums up below
_MOST_SUMMARIES = 8
_FEWEST = 3  # numbers that must all be the same summary of their columns
_FEWEST_DISTINCT = 6  # in fewer values a woman may equal the mean by chance
_USUAL = 0.9
_DIGIT = re.compile(r"\d")


def find_trailing_summaries(columns: Sequence[pd.Series], labels: Sequence[str]) -> Mask:
    """Return which of the last rows are summaries of the rows above.

    Either all numbers of a row are the means, sums, medians or standard deviations of at least three columns, to the
    digits given; or its name has no digit where those of women have, and no column of words is filled.

    Parameters
    ----------
    columns : sequence of Series, shape (n,)
        Cells.
    labels : sequence of str
        The leftmost filled cell of each row.

    Examples
    --------
    >>> age, fsh, amh = [30.0, 36, 33, 29, 41, 27], [40.0, 71, 55, 90, 62, 48], [0.1, 0.3, 0.2, 0.05, 0.4, 0.25]
    >>> ids = pd.Series(["1", "2", "3", "4", "5", "6", "7"], dtype="str")
    >>> mean = [pd.Series([*column, np.mean(column).round(1)]) for column in (age, fsh, amh)]
    >>> find_trailing_summaries([ids, *mean], ids.tolist()).tolist()
    [False, False, False, False, False, False, True]
    """
    n = len(labels)
    found = np.zeros(n, dtype=bool)
    if not _FEWEST_DISTINCT <= n <= MOST_ROWS:
        return found
    texts = [as_texts(column).str.strip().replace("", None) for column in columns]
    numbers = [pd.to_numeric(text.str.replace(",", "."), errors="coerce").to_numpy(np.float64) for text in texts]
    held = np.array([text.notna().to_numpy(dtype=bool) for text in texts])
    is_number = [2 * np.isfinite(values).sum() > filled.sum() for values, filled in zip(numbers, held, strict=True)]
    for row in range(max(n - _MOST_SUMMARIES, _FEWEST_DISTINCT), n):
        body = ~found
        body[row:] = False
        cells = [
            (values[body][np.isfinite(values[body])], values[row], str(text[row]))
            for values, text, numeric in zip(numbers, texts, is_number, strict=True)
            if numeric and np.isfinite(values[row]) and text[row] != labels[row]
        ]
        measured = [cell for cell in cells if len(np.unique(cell[0])) >= _FEWEST_DISTINCT]
        words = held[[not numeric for numeric in is_number]]
        found[row] = _sums_up(measured, beside=bool(found.any())) or (
            len(measured) > 0 and _has_no_name(labels, row, body) and _has_no_words(words, row, body)
        )
    return found


def _sums_up(cells: Sequence[tuple[NDArray[np.float64], float, str]], *, beside: bool) -> bool:
    if len(cells) < _FEWEST:
        return False
    summaries = (np.mean, np.sum, np.median, lambda values: np.std(values, ddof=1))
    others = (np.min, np.max, len, lambda values: np.std(values, ddof=1) / np.sqrt(len(values)))
    return any(
        all(abs(summary(values) - number) <= _rounding(text) for values, number, text in cells)
        for summary in (*summaries, *(others if beside else ()))
    )


def _rounding(text: str) -> float:
    decimals = len(re.split("[.,]", text)[1]) if re.fullmatch(r"[+-]?\d*[.,]\d+", text) else 0
    return float(0.5000001 * 10.0 ** -min(decimals, 9))


def _has_no_name(labels: Sequence[str], row: int, body: Mask) -> bool:
    named = [bool(_DIGIT.search(label)) for label, above in zip(labels, body, strict=True) if above]
    return not _DIGIT.search(labels[row]) and sum(named) >= _USUAL * len(named)


def _has_no_words(words: Mask, row: int, body: Mask) -> bool:
    """Whether a row leaves all columns of words empty but its name's, of which two at least are usually filled."""
    usual = words[:, body].mean(axis=1) >= _USUAL
    return int(usual.sum()) > _FEWEST - 1 and int(words[usual, row].sum()) <= 1
