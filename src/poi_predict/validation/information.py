"""How much a cohort can tell: women, not rows, and what their weights leave of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .arrays import FloatArray, check_outcome, check_patient, check_weight, sum_by_patient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["InformationContent", "compute_information"]


@dataclass(frozen=True)
class InformationContent:
    """Women of a cohort, as counted and as effective.

    Attributes
    ----------
    n_women : int
        Women with a known outcome.
    effective : float
        Women of equal weight that would tell as much (Kish).
    events : float
        Effective women in the smaller outcome group.
    prevalence : float
        Weighted share of women with the event.
    """

    n_women: int
    effective: float
    events: float
    prevalence: float

    @property
    def has_both_outcomes(self) -> bool:
        """Whether there is a woman with and a woman without the event."""
        return self.events > 0.0


def compute_information(
    y_true: ArrayLike, weight: ArrayLike | None = None, patient: ArrayLike | None = None
) -> InformationContent:
    """Count women and, after Kish, what their censoring weights leave of them.

    A woman counts once, with the mean weight of her rows, and has the event if any of her courses led to it.

    Parameters
    ----------
    y_true, weight, patient : arrays of shape (n,)
        Outcome; sampling weights, rows of weight 0 carry nothing; patient of each row.

    Raises
    ------
    ValueError
        If an array is malformed.

    References
    ----------
    Kish (1965), Survey Sampling: effective size ``(sum w)² / sum w²``.

    Examples
    --------
    Nine of ten women respond, so one woman carries the information:

    >>> compute_information([1] * 9 + [0]).events
    1.0

    Four responders, one of whom stands for three: as good as three.

    >>> compute_information([1, 1, 1, 1] + [0] * 20, weight=[3, 1, 1, 1] + [1] * 20).events
    3.0
    """
    y = check_outcome(y_true)
    w = check_weight(weight, y.size)
    codes = check_patient(patient, y.size)
    seen = w > 0.0
    codes = np.unique(codes[seen], return_inverse=True)[1].astype(np.intp)
    n_women = int(codes.max()) + 1
    rows = sum_by_patient(np.ones(codes.size), codes, n_women)
    weight_of = sum_by_patient(w[seen], codes, n_women) / rows
    responds = sum_by_patient(y[seen], codes, n_women) > 0.0
    return InformationContent(
        n_women=n_women,
        effective=_compute_kish(weight_of),
        events=min(_compute_kish(weight_of[responds]), _compute_kish(weight_of[~responds])),
        prevalence=float(weight_of[responds].sum() / weight_of.sum()),
    )


def _compute_kish(weight: FloatArray) -> float:
    return float(weight.sum() ** 2 / np.square(weight).sum()) if weight.size else 0.0
