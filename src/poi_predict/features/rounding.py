"""Outward rounding of extremes, so that no woman's own value stands in a stored model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["round_down", "round_up"]


def round_down(values: ArrayLike) -> NDArray[np.float64]:
    """Round to two significant digits, never upward; NaN stays NaN.

    Examples
    --------
    >>> round_down([38.7, 0.0123, -1.25, 0.0, 1.0]).tolist()
    [38.0, 0.012, -1.3, 0.0, 1.0]
    """
    values = np.asarray(values, dtype=np.float64)
    size = np.abs(np.where(values == 0, 1.0, values))
    shift = 1 - np.floor(np.log10(size))
    steps = _times_ten_to(values, shift)
    # Tenths are not exact in binary: 1.2 must count as 12 tenths, not as 11.99….
    whole = np.where(np.abs(steps - np.round(steps)) < 1e-9, np.round(steps), np.floor(steps))
    return np.asarray(np.minimum(_times_ten_to(whole, -shift), values), dtype=np.float64)


def round_up(values: ArrayLike) -> NDArray[np.float64]:
    """Round to two significant digits, never downward; NaN stays NaN.

    Examples
    --------
    >>> round_up([38.7, 0.0123, -1.25, 0.0, 1.0]).tolist()
    [39.0, 0.013, -1.2, 0.0, 1.0]
    """
    return np.asarray(-round_down(-np.asarray(values, dtype=np.float64)) + 0.0, dtype=np.float64)


def _times_ten_to(values: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Multiply or divide by a whole number, which is exact where a power of a tenth is not."""
    factor = 10.0 ** np.abs(power)
    return np.where(power < 0, values / factor, values * factor)
