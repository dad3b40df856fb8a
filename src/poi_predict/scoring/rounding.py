"""Fitted numbers rounded, so that another processor's last digits do not give other bytes.

Processors add in different orders, and differ in about the fourteenth decimal. A model that is kept under version
control is rounded to the eighth: what is left says all that a probability needs, and is the same everywhere.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

__all__ = ["round_fitted", "round_number", "round_numbers"]

DECIMALS, DIGITS = 8, 10
NEARLY_ONE = 1e-12


def round_fitted(pipeline: Pipeline) -> Pipeline:
    """Return a copy of a pipeline whose model's fitted numbers are rounded; its parameters stay as they are.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> fitted = make_pipeline(LogisticRegression()).fit([[80.0], [40.0], [30.0]], [0, 1, 1])
    >>> len(repr(float(fitted[-1].coef_[0, 0]))) > len(repr(float(round_fitted(fitted)[-1].coef_[0, 0])))
    True
    """
    rounded = copy.deepcopy(pipeline)
    model = rounded[-1]
    for name, value in vars(model).items():
        if name.endswith("_"):
            setattr(model, name, round_numbers(value))
    return rounded


def round_numbers(value: Any) -> Any:
    """Return a value with every float in it rounded, in arrays, containers and dataclasses.

    Examples
    --------
    >>> round_numbers({"mean": -1.098612288668, "row_id": "A01", "n": 9})
    {'mean': -1.09861229, 'row_id': 'A01', 'n': 9}

    Weights that add up to 1 still do:

    >>> weights = round_numbers(np.array([1.0, 1.0, 1.0]) / 3.0)
    >>> float(weights[2]), bool(abs(weights.sum() - 1.0) < 1e-12)
    (0.33333333, True)
    """
    if isinstance(value, float):
        return type(value)(round_number(value))
    if isinstance(value, np.ndarray):
        return _round_array(value) if value.dtype.kind == "f" else value
    if isinstance(value, Mapping):
        return {key: round_numbers(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(round_numbers(part) for part in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(value, **{each.name: round_numbers(getattr(value, each.name)) for each in fields})
    return value


def round_number(value: float) -> float:
    """Return a number of at most 8 decimals and 10 digits; never a minus zero.

    >>> round_number(31.076451813683), round_number(-3e-12), round_number(20000000.4)
    (31.07645181, 0.0, 20000000.4)
    """
    return float(f"{round(float(value), DECIMALS):.{DIGITS}g}") + 0.0


def _round_array(values: NDArray[Any]) -> NDArray[Any]:
    rounded = np.empty_like(values)
    for place, value in np.ndenumerate(values):
        rounded[place] = round_number(value)
    if values.ndim == 1 and values.size and (values >= 0).all() and abs(values.sum() - 1.0) < NEARLY_ONE:
        largest = int(np.argmax(rounded))
        rounded[largest] = 0.0
        rounded[largest] = round_number(1.0 - rounded.sum())
    return rounded
