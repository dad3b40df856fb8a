"""Splits of a cohort into rows to learn from and rows to be judged on.

Patients are split, never rows, so no woman is on both sides. Every repeat and every resample has a random
stream of its own, derived from the seed and its number: the first 50 of 200 resamples are the same women as
when 50 are asked for, whatever the number of jobs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .arrays import FloatArray, IntArray, check_outcome, check_patient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BootstrapPlan",
    "CentreSplit",
    "FoldPlan",
    "make_bootstrap",
    "make_centre_splits",
    "make_folds",
]

FEW_OUTCOMES = "with fewer than two women with, or without, the event nothing can be judged"
ONE_CLASS = "only one outcome class in the resample"


@dataclass(frozen=True)
class FoldPlan:
    """Fold of every row in every repeat of a cross-validation.

    Attributes
    ----------
    fold : ndarray of shape (n, repeats)
        Fold number, ``0 … n_folds - 1``. Without columns when no split is possible.
    n_folds : int
        Folds used; 0 when no split is possible.
    note : str or None
        Why there are fewer folds than requested, or none.
    """

    fold: IntArray
    n_folds: int
    note: str | None = None

    @property
    def n_repeats(self) -> int:
        """Number of repeats."""
        return int(self.fold.shape[1])

    @property
    def is_possible(self) -> bool:
        """Whether the cohort can be split at all."""
        return self.n_folds > 0

    def split(self, repeat: int, fold: int) -> tuple[IntArray, IntArray]:
        """Return the rows to learn from and the rows held out."""
        held_out = self.fold[:, repeat] == fold
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def make_folds(
    y_true: ArrayLike,
    patient: ArrayLike | None,
    *,
    n_folds: int,
    n_repeats: int,
    seed: int,
    stratify: bool = True,
) -> FoldPlan:
    """Assign patients to folds, stratified on whether they ever have the event.

    Parameters
    ----------
    y_true : array of shape (n,)
        Outcome, 0 or 1.
    patient : array of shape (n,) or None
        Patient of each row; None when every row is a patient of her own.
    n_folds, n_repeats : int
        Folds (at least 2), and how often the split is repeated (at least 1).
    seed : int
        Same seed, same folds.
    stratify : bool
        Spread patients with the event evenly over folds.

    Returns
    -------
    FoldPlan
        With fewer folds, and a note, when there are fewer patients with (or without) the event than folds;
        with none when fewer than two patients have (or lack) it.

    Raises
    ------
    ValueError
        If an array is malformed or a number is too small.

    Examples
    --------
    Three responders cannot fill five folds:

    >>> plan = make_folds([1, 1, 1] + [0] * 9, None, n_folds=5, n_repeats=2, seed=1)
    >>> plan.n_folds, plan.fold.shape, plan.note
    (3, (12, 2), '3 folds instead of 5, because only 3 patients have the event')
    >>> make_folds([1, 0, 0], None, n_folds=5, n_repeats=1, seed=1).note
    'with fewer than two women with, or without, the event nothing can be judged'
    """
    if n_folds < 2 or n_repeats < 1:
        raise ValueError(f"n_folds must be at least 2 and n_repeats 1; they are {n_folds} and {n_repeats}")
    y = check_outcome(y_true)
    codes = check_patient(patient, y.size)
    responds = np.zeros(int(codes.max()) + 1, dtype=bool)
    np.logical_or.at(responds, codes, y == 1.0)
    used, note = _limit_folds(responds, n_folds)
    if used == 0:
        return FoldPlan(np.empty((y.size, 0), dtype=np.intp), 0, note)
    streams = np.random.SeedSequence(seed).spawn(n_repeats)
    strata = responds if stratify else np.zeros_like(responds)
    columns = [_deal_patients(strata, used, np.random.default_rng(stream))[codes] for stream in streams]
    return FoldPlan(np.column_stack(columns), used, note)


def _limit_folds(responds: NDArray[np.bool_], requested: int) -> tuple[int, str | None]:
    n_with, n_without = int(responds.sum()), int((~responds).sum())
    rarer, word = (n_with, "have") if n_with <= n_without else (n_without, "lack")
    if rarer < 2:
        return 0, FEW_OUTCOMES
    if rarer < requested:
        return rarer, f"{rarer} folds instead of {requested}, because only {rarer} patients {word} the event"
    return requested, None


def _deal_patients(strata: NDArray[np.bool_], n_folds: int, rng: np.random.Generator) -> IntArray:
    """Deal shuffled patients round the folds like cards, one stratum after the other."""
    order = rng.permutation(strata.size)
    order = order[np.argsort(strata[order], kind="stable")[::-1]]
    fold = np.empty(strata.size, dtype=np.intp)
    fold[order] = rng.permutation(n_folds)[np.arange(strata.size) % n_folds]
    return fold


@dataclass(frozen=True)
class BootstrapPlan:
    """Bootstrap resamples of patients as row positions.

    Attributes
    ----------
    rows : tuple of ndarray
        Row positions of each resample; all rows of a patient drawn twice appear twice.
    failures : mapping of int to str
        Resamples that cannot be used, and why. They keep their place in `rows` and are counted.
    n_rows : int
        Rows of the original cohort.
    """

    rows: tuple[IntArray, ...]
    failures: Mapping[int, str]
    n_rows: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def usable(self) -> tuple[int, ...]:
        """Numbers of the resamples that can be used."""
        return tuple(b for b in range(len(self.rows)) if b not in self.failures)

    @property
    def failure_counts(self) -> dict[str, int]:
        """How many resamples fail for which reason."""
        return dict(Counter(self.failures.values()))

    def out_of_bag(self, resample: int) -> IntArray:
        """Rows whose patient was not drawn."""
        return np.setdiff1d(np.arange(self.n_rows), self.rows[resample])

    def frequencies(self) -> FloatArray:
        """How often each resample holds each row, of shape (resamples, n): weights for a batch fit."""
        counted = [np.bincount(rows, minlength=self.n_rows) for rows in self.rows]
        return np.array(counted, dtype=np.float64).reshape(len(self.rows), self.n_rows)

    @classmethod
    def from_rows(cls, rows: ArrayLike | tuple[IntArray, ...], y_true: ArrayLike) -> BootstrapPlan:
        """Adopt resamples drawn elsewhere, given as positions of shape (resamples, n)."""
        y = check_outcome(y_true)
        resamples = tuple(np.asarray(row, dtype=np.intp) for row in rows)  # type: ignore[union-attr]
        failures = {b: ONE_CLASS for b, row in enumerate(resamples) if np.unique(y[row]).size < 2}
        return cls(resamples, failures, y.size)


def make_bootstrap(y_true: ArrayLike, patient: ArrayLike | None, *, n_resamples: int, seed: int) -> BootstrapPlan:
    """Draw patients with replacement, as many as there are.

    A resample that holds one class only cannot be fitted; it is kept, marked and counted as failed, because
    redrawing it would quietly condition on luck.

    Parameters
    ----------
    y_true, patient : arrays of shape (n,)
        Outcome, and patient of each row (None: every row is a patient of her own).
    n_resamples : int
        Number of resamples; 0 for none.
    seed : int
        Same seed, same resamples.

    Raises
    ------
    ValueError
        If an array is malformed or `n_resamples` is negative.

    Examples
    --------
    >>> plan = make_bootstrap([1, 0, 0, 1, 0], [7, 7, 8, 9, 9], n_resamples=100, seed=3)
    >>> len(plan), plan.failure_counts
    (100, {'only one outcome class in the resample': 6})
    """
    if n_resamples < 0:
        raise ValueError(f"n_resamples must not be negative; it is {n_resamples}")
    y = check_outcome(y_true)
    codes = check_patient(patient, y.size)
    n_patients = int(codes.max()) + 1
    order = np.argsort(codes, kind="stable")
    rows_of = np.split(order, np.cumsum(np.bincount(codes, minlength=n_patients))[:-1])
    streams = np.random.SeedSequence(seed).spawn(n_resamples)
    drawn = [np.random.default_rng(stream).integers(0, n_patients, n_patients) for stream in streams]
    return BootstrapPlan.from_rows(tuple(np.concatenate([rows_of[g] for g in draw]) for draw in drawn), y)


@dataclass(frozen=True)
class CentreSplit:
    """One centre held out: the rows to learn from, its rows, and why it may be unusable.

    Attributes
    ----------
    centre : str
        Name of the centre held out.
    train, test : ndarray of int
        Row positions. A woman of the held-out centre who was also treated elsewhere is not learnt from.
    reason : str or None
        Why no model can be fitted without this centre; the test rows may still hold one class, which the
        metrics report themselves.
    """

    centre: str
    train: IntArray
    test: IntArray
    reason: str | None = None


def make_centre_splits(
    y_true: ArrayLike, centre: ArrayLike, patient: ArrayLike | None = None
) -> tuple[CentreSplit, ...]:
    """Leave out each centre in turn: internal–external validation (Steyerberg & Harrell 2016).

    Method: doi:10.1016/j.jclinepi.2015.04.005. Centres come in alphabetical order.

    Examples
    --------
    >>> splits = make_centre_splits([1, 0, 1, 0, 1], ["Basel", "Basel", "Lyon", "Lyon", "Lyon"])
    >>> [(split.centre, split.test.tolist()) for split in splits]
    [('Basel', [0, 1]), ('Lyon', [2, 3, 4])]
    """
    y = check_outcome(y_true)
    codes = check_patient(patient, y.size)
    names = np.asarray(centre).astype(str)
    if names.shape != y.shape:
        raise ValueError(f"centre must have {y.size} values; its shape is {names.shape}")
    splits = []
    for name in np.unique(names):
        test = names == name
        train = ~np.isin(codes, codes[test])
        classes = np.unique(y[train]).size
        reason = None if classes == 2 else "the other centres do not hold both outcome classes"
        splits.append(CentreSplit(str(name), np.flatnonzero(train), np.flatnonzero(test), reason))
    return tuple(splits)
