"""Results as plain values: what JSON can hold, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["as_plain"]


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
