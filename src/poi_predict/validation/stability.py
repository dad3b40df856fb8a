"""Instability: how far a woman's predicted risk depends on which women were learnt from.

Riley & Collins (2023), doi:10.1002/bimj.202200302: the whole modelling procedure is repeated on bootstrap
resamples, and every woman of the original cohort is predicted by every refit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .arrays import check_probability

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .arrays import FloatArray

__all__ = ["Instability", "compute_instability"]


@dataclass(frozen=True)
class Instability:
    """Spread of each woman's prediction over refits.

    Attributes
    ----------
    frame : DataFrame
        One row a woman: ``p_response`` (of the original model), ``ci_low``, ``ci_high`` (percentiles over
        refits, R's type 7), ``mean_absolute_error`` (mean distance of the refits from the original).
    mean_absolute_error : float or None
        Mean of that column: the instability index (MAPE) of the model.
    largest_absolute_error : float or None
        Its largest value.
    n_refits, n_failed : int
        Refits used, and refits left out because their predictions are missing.
    reason : str or None
        Why nothing could be computed.
    """

    frame: pd.DataFrame
    mean_absolute_error: float | None
    largest_absolute_error: float | None
    n_refits: int
    n_failed: int
    reason: str | None = None


def compute_instability(p_response: ArrayLike, p_refits: ArrayLike, coverage: float = 0.95) -> Instability:
    """Compare the predictions of refitted models with those of the original.

    Parameters
    ----------
    p_response : array of shape (n,)
        Predictions of the model fitted to all women.
    p_refits : array of shape (n, refits)
        Predictions for the same women by the model of each resample. A column with NaN is a failed refit; it
        is left out and counted.
    coverage : float
        Share of refits inside ``ci_low … ci_high``.

    Raises
    ------
    ValueError
        If an array is malformed.

    Examples
    --------
    Refits put a woman of 30 % at 20 % and at 50 %:

    >>> instability = compute_instability([0.3], [[0.2, 0.5]])
    >>> round(instability.mean_absolute_error, 3)
    0.15
    >>> compute_instability([0.3], [[np.nan]]).reason
    'none of the 1 refits could be used'
    """
    p = check_probability(p_response, np.size(p_response))
    refits = np.asarray(p_refits, dtype=np.float64)
    if refits.ndim != 2 or refits.shape[0] != p.shape[0]:
        raise ValueError(f"p_refits must have {p.shape[0]} rows; its shape is {refits.shape}")
    ok = ~np.isnan(refits).any(axis=0)
    n_ok, n_failed = int(ok.sum()), int((~ok).sum())
    columns = {"p_response": p[:, 0]}
    if n_ok == 0:
        empty = dict.fromkeys(("ci_low", "ci_high", "mean_absolute_error"), np.nan)
        reason = f"none of the {n_failed} refits could be used"
        return Instability(pd.DataFrame({**columns, **empty}), None, None, 0, n_failed, reason)
    used = check_probability(refits[:, ok], p.shape[0], "p_refits")
    low, high = np.quantile(used, [(1.0 - coverage) / 2.0, (1.0 + coverage) / 2.0], axis=1)
    distance: FloatArray = np.abs(used - p).mean(axis=1)
    frame = pd.DataFrame({**columns, "ci_low": low, "ci_high": high, "mean_absolute_error": distance})
    return Instability(frame, float(distance.mean()), float(distance.max()), n_ok, n_failed)
