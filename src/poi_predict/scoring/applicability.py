"""Whether a model may be trusted about this woman: flags on each scored row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from poi_predict.scoring.contract import Contract

__all__ = ["compute_flags"]

FLAG_SEPARATOR = ";"


def compute_flags(frame: pd.DataFrame, contract: Contract) -> NDArray[np.object_]:
    """Return each row's flags, joined by semicolons; an empty text means none.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_inputs)
        Canonical predictor columns, in canonical units.
    contract : Contract
        What training promised.

    Returns
    -------
    ndarray of str, shape (n_rows,)
        ``synthetic_model``: the model was trained on made-up women. ``reference_model``: it was made from published
        aggregates and is not for counselling. ``missing:x``: predictor x is not known and was filled in.
        ``outside_training:x``: x lies outside the central 95 % of the women of training, or of the field.

    Examples
    --------
    >>> from poi_predict.scoring.contract import Contract, TrainingRange
    >>> contract = Contract("menses_12m", ("age", "fsh"), ("age", "fsh"),
    ...     training_ranges={"age": TrainingRange(24.0, 39.0)})
    >>> compute_flags(pd.DataFrame({"age": [18.0, 33.0], "fsh": [80.0, None]}), contract).tolist()
    ['outside_training:age', 'missing:fsh']
    """
    flags = np.full(len(frame), "", dtype=object)
    if contract.synthetic:
        _raise_flag(flags, "synthetic_model", np.ones(len(frame), dtype=bool))
    if contract.is_reference:
        _raise_flag(flags, "reference_model", np.ones(len(frame), dtype=bool))
    for variable in contract.predictors:
        if variable in frame:
            _raise_flag(flags, f"missing:{variable}", frame[variable].isna().to_numpy(dtype=bool))
    for variable, limits in contract.training_ranges.items():
        if variable in frame:
            values = pd.to_numeric(frame[variable], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            outside = (values < limits.low) | (values > limits.high)
            _raise_flag(flags, f"outside_training:{variable}", outside)
    return flags


def _raise_flag(flags: NDArray[np.object_], flag: str, where: NDArray[np.bool_]) -> None:
    first = where & (flags == "")
    flags[where & ~first] += FLAG_SEPARATOR + flag
    flags[first] = flag
