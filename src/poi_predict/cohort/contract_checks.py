"""The table's contract checked directly, for tables read in blocks.

The same rules as the pandera schema in `schema`, with the same answers; that one takes a second to load and
milliseconds a block, this one neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from poi_predict.cohort.codebook import Codebook, Variable

__all__ = ["check_contract"]


def check_contract(data: pd.DataFrame, codebook: Codebook) -> dict[tuple[str, str], np.ndarray]:
    """Return the rows that breach the contract: hard limits, whole numbers, levels.

    Returns
    -------
    dict
        (variable, rule) → array of bool, shape (n,); only what is breached.

    Examples
    --------
    >>> import pandas as pd
    >>> from poi_predict.cohort.codebook import read_codebook
    >>> breaches = check_contract(pd.DataFrame({"fsh": [80.0, 5052.0, float("nan")]}), read_codebook())
    >>> {key: rows.tolist() for key, rows in breaches.items()}
    {('fsh', 'hard_range'): [False, True, False]}
    """
    return {
        (str(name), rule): broken
        for name in data.columns
        if name in codebook
        for rule, broken in _breaches(data[name], codebook[name])
        if broken.any()
    }


def _breaches(values: pd.Series, variable: Variable) -> Iterator[tuple[str, np.ndarray]]:
    if variable.hard is not None:
        numbers = values.to_numpy(dtype=np.float64)
        low, high = variable.hard
        yield "hard_range", (numbers < low) | (numbers > high)
    if variable.kind == "count":
        numbers = values.to_numpy(dtype=np.float64)
        yield "whole_number", (numbers % 1 != 0) & ~np.isnan(numbers)
    if variable.kind == "category" and variable.levels:
        unknown = ~values.isin(list(variable.levels)) & values.notna()
        yield "unknown_level", unknown.to_numpy(dtype=bool)
