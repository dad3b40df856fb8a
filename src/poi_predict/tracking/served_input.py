"""The columns that a served model is asked with: numbers however they are written, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.errors import CohortError
from poi_predict.tracking.signature import input_types

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from poi_predict.scoring.contract import Contract

__all__ = ["read_served_columns", "without_nan"]


def read_served_columns(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Bring what MLflow hands over to the types of a scored table; what is no such value is refused.

    MLflow's own types refuse a whole number where a decimal one may stand, and an empty column of a CSV file where a
    word may; so it is told "any", and the types are looked after here.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Canonical columns; those that the model does not know are passed over, ids are kept as they are written.
    contract : Contract
        The model's.

    Returns
    -------
    DataFrame of shape (n_rows, n_known_columns)
        Numbers as float64, truths as bool, words as str; missing values stay missing.

    Raises
    ------
    CohortError
        If a column holds anything else, all columns at once, by name and count: never its content.

    Examples
    --------
    >>> from poi_predict.scoring.contract import Contract
    >>> contract = Contract("menses_12m", ("age", "amh"), ("age", "amh", "amh__below"))
    >>> read_served_columns(pd.DataFrame({"age": [33, None], "amh": [1, 2], "amh__below": [1, 0]}), contract)
        age  amh  amh__below
    0  33.0  1.0        True
    1   NaN  2.0       False
    >>> read_served_columns(pd.DataFrame({"age": ["thirty"], "amh": [float("inf")]}), contract)
    Traceback (most recent call last):
    poi_predict.errors.CohortError: Columns sent to a served model must hold values of their kind or none; age holds
    1 that is not a finite number, amh holds 1 that is not a finite number. Send numbers, true or false, or null.
    """
    columns: dict[str, pd.Series] = {}
    faults = []
    for name, kind in input_types(contract).items():
        if name not in frame:
            continue
        values, wrong = _READERS[kind](frame[name])
        columns[name] = pd.Series(values, index=frame.index)
        if wrong:
            faults.append(f"{name} holds {wrong} that {'is' if wrong == 1 else 'are'} not {_WORDS[kind]}")
    if faults:
        raise CohortError(
            f"Columns sent to a served model must hold values of their kind or none; {', '.join(faults)}. "
            "Send numbers, true or false, or null."
        )
    return pd.DataFrame(columns, index=frame.index)


def without_nan(answer: pd.DataFrame) -> pd.DataFrame:
    """Return an answer whose missing numbers are None, since JSON knows no NaN; others keep their type."""
    gaps = [name for name in answer if answer[name].isna().any()]
    return answer.assign(**{str(name): answer[name].astype(object).where(answer[name].notna(), None) for name in gaps})


def _read_numbers(given: pd.Series) -> tuple[NDArray[np.float64], int]:
    """Return numbers and how many cells hold something else; a number written as text is one, a truth is not."""
    known = given.notna().to_numpy(dtype=bool)
    numbers = np.array([_is_number_like(value) for value in given], dtype=bool)
    plain = given.astype(object).where(numbers)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return values, int((known & ~np.isfinite(values)).sum())


def _read_truths(given: pd.Series) -> tuple[NDArray[np.bool_], int]:
    """Return truths, false where nothing is known, and how many cells hold something else."""
    truths = [_as_truth(value) for value in given]
    return np.array([bool(truth) for truth in truths], dtype=bool), truths.count(None)


def _read_words(given: pd.Series) -> tuple[pd.Series, int]:
    known = given.notna()
    wrong = sum(not isinstance(value, str | int | float | np.generic) for value in given[known])
    return given.astype(object).where(known).astype("str"), wrong


def _is_number_like(value: object) -> bool:
    return isinstance(value, str | int | float | np.number) and not isinstance(value, bool)


def _as_truth(value: object) -> bool | None:
    if isinstance(value, str):
        return _TRUTHS.get(value.lower())
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return False
    if isinstance(value, bool | int | float | np.generic) and value in (0, 1):
        return bool(value)
    return None


_TRUTHS = {"true": True, "false": False}
_WORDS = {"double": "a finite number", "boolean": "true or false", "string": "a word"}
_READERS: dict[str, Callable[[pd.Series], tuple[Any, int]]] = {
    "double": _read_numbers,
    "boolean": _read_truths,
    "string": _read_words,
}
