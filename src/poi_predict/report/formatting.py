"""Numbers into words; none of these hides a missing number: it says *not estimable* and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "NO_REASON",
    "format_estimate",
    "format_interval",
    "format_number",
    "format_p_value",
    "format_percent",
    "format_signed",
    "is_missing",
    "join_words",
    "probability_in_words",
]

NO_REASON = "no reason was recorded"


def is_missing(value: object) -> bool:
    """Return whether a cell holds no value: None, NaN, NA or NaT."""
    nothing = value is None or value is pd.NA or value is pd.NaT
    return nothing or (isinstance(value, float) and math.isnan(value))


def format_number(value: float | None, digits: int = 2) -> str:
    """Return a number with a true minus sign, or an em dash when there is none.

    Examples
    --------
    >>> format_number(-0.251)
    '−0.25'
    >>> format_number(None)
    '—'
    """
    if value is None or is_missing(float(value)):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def format_signed(value: float | None, digits: int = 2) -> str:
    """Return a contribution with its sign, so that a rise does not look like a level.

    Examples
    --------
    >>> format_signed(12.44, 1), format_signed(-0.3), format_signed(0.001)
    ('+12.4', '−0.30', '0.00')
    """
    text = format_number(value, digits)
    plain = text in ("—", format_number(0.0, digits)) or text.startswith("−")
    return text if plain else f"+{text}"


def format_estimate(
    estimate: float | None,
    ci_low: float | None = None,
    ci_high: float | None = None,
    *,
    digits: int = 2,
    reason: str | None = None,
) -> str:
    """Return an estimate with its interval, or why it cannot be given.

    Examples
    --------
    >>> format_estimate(0.694, 0.61, 0.764)
    '0.69 (0.61–0.76)'
    >>> format_estimate(-0.1, -0.42, 0.2)
    '−0.10 (−0.42 to 0.20)'
    >>> format_estimate(None, reason="only one woman responded")
    'not estimable: only one woman responded'
    """
    if is_missing(estimate):
        return f"not estimable: {NO_REASON if is_missing(reason) or not reason else reason}"
    point = format_number(estimate, digits)
    interval = format_interval(ci_low, ci_high, digits)
    return f"{point} ({interval})" if interval else point


def format_interval(ci_low: float | None, ci_high: float | None, digits: int = 2) -> str:
    """Return ``low–high``, with "to" when a bound is negative; empty when there is no interval."""
    if is_missing(ci_low) or is_missing(ci_high):
        return ""
    low, high = format_number(ci_low, digits), format_number(ci_high, digits)
    return f"{low} to {high}" if "−" in low + high else f"{low}–{high}"


def format_percent(share: float | None) -> str:
    """Return a share as a percentage: whole above 1 %, one decimal below.

    Examples
    --------
    >>> format_percent(0.331), format_percent(0.004), format_percent(0.0)
    ('33 %', '0.4 %', '0 %')
    """
    if is_missing(share) or share is None:
        return "—"
    percent = 100 * share
    digits = 1 if 0 < abs(percent) < 1 or 99 < percent < 100 else 0
    return f"{format_number(percent, digits)} %"


def format_p_value(p: float | None) -> str:
    """Return a p-value as a journal prints it.

    Examples
    --------
    >>> format_p_value(0.0004), format_p_value(0.032), format_p_value(0.4)
    ('p < 0.001', 'p = 0.032', 'p = 0.40')
    """
    if is_missing(p) or p is None:
        return "p not estimable"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.{3 if p < 0.1 else 2}f}"


def probability_in_words(p: float) -> str:
    """Return a chance as a frequency that a person can picture.

    Natural frequencies are understood better than percentages (Gigerenzer and Edwards 2003,
    doi:10.1136/bmj.327.7417.741).

    Examples
    --------
    >>> probability_in_words(0.31)
    'about 31 of 100 women'
    >>> probability_in_words(0.052)
    'about 5 of 100 women'
    >>> probability_in_words(0.001)
    'fewer than 1 of 100 women'
    """
    if p < 0.005:
        return "fewer than 1 of 100 women"
    if p > 0.995:
        return "more than 99 of 100 women"
    return f"about {round(100 * p)} of 100 women"


def join_words(words: Iterable[str]) -> str:
    """Return words as a person lists them.

    Examples
    --------
    >>> join_words(["age", "FSH", "AMH"])
    'age, FSH and AMH'
    """
    items = list(words)
    return items[0] if len(items) == 1 else " and ".join([", ".join(items[:-1]), items[-1]]) if items else ""
