"""A table brought to the columns and types that a stored model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort import Codebook

if TYPE_CHECKING:
    from poi_predict.scoring.contract import Contract

__all__ = ["conform"]


def conform(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the contract's input columns, in order and of the types that reading gives.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Holds predictors; those that it does not are unknown.
    contract : Contract
    """
    codebook = Codebook.from_dict(contract.codebook)
    columns: dict[str, pd.Series] = {}
    for name in contract.input_columns:
        if name not in frame and name.endswith("__below"):
            columns[name] = pd.Series(False, index=frame.index)
        elif name not in frame:
            kind = "str" if name == "centre" or codebook[name].kind in ("category", "multi") else "float64"
            columns[name] = pd.Series(np.nan, index=frame.index, dtype=kind)
        elif name.endswith("__below"):
            columns[name] = frame[name].fillna(False).astype(bool)
        elif codebook[name].kind in ("category", "multi"):
            columns[name] = frame[name].astype("str")
        else:
            columns[name] = pd.to_numeric(frame[name], errors="coerce").astype("float64")
    return pd.DataFrame(columns, index=frame.index)
