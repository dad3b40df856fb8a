"""Results as plain values: what JSON can hold, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["as_plain", "round_figures"]

DIGITS = 4


def as_plain(value: Any) -> Any:
    """Return mappings as dicts, sequences as lists, numbers as Python's, and None for what is not finite.

    Examples
    --------
    >>> as_plain({"p": (0.25, float("nan"))})
    {'p': [0.25, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


def round_figures(value: Any) -> Any:
    """Return plain values with every fraction to four significant digits: a thousandth of any standard error here.

    What stands behind them is one woman's as much as everybody's: two sums that differ by her give her away.

    Examples
    --------
    >>> round_figures({"c_statistic": 0.6963815499482006, "n": 42, "required": [1427, 1.25e-05, None]})
    {'c_statistic': 0.6964, 'n': 42, 'required': [1427, 1.25e-05, None]}
    """
    if isinstance(value, Mapping):
        return {key: round_figures(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [round_figures(item) for item in value]
    if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
        return float(f"{value:.{DIGITS}g}")
    return value
