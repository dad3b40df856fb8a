"""How a study measures its models."""

from __future__ import annotations

from dataclasses import dataclass

from poi_predict.declaration import check_ranges

__all__ = ["ValidationSettings"]


@dataclass(frozen=True)
class ValidationSettings:
    """The plan of internal validation.

    Attributes
    ----------
    folds, repeats : int
        Grouped, stratified, repeated cross-validation.
    bootstrap : int
        Resamples of Harrell's optimism bootstrap of the primary model; its refits also give each
        woman's interval.
    permutations : int
        Shuffled outcomes on which the whole pipeline is run to see what it reports where there is nothing to
        find; 0 leaves the test out, and then no skill can be shown.
    seed : int
        Of every random step; the same seed gives the same bytes.
    level : float
        Coverage of the intervals.

    Examples
    --------
    >>> ValidationSettings(folds=10, repeats=5).folds
    10
    >>> ValidationSettings(folds=1)
    Traceback (most recent call last):
    poi_predict.errors.StudyError: validation.folds must be between 2 and 50; it is 1.
    """

    folds: int = 10
    repeats: int = 5
    bootstrap: int = 200
    permutations: int = 199
    seed: int = 2024
    level: float = 0.95

    def __post_init__(self) -> None:
        ranges = (
            ("folds", 2, 50),
            ("repeats", 1, 200),
            ("bootstrap", 20, 10_000),
            ("permutations", 0, 100_000),
            ("seed", 0, 2**32 - 1),
            ("level", 0.5, 0.999),
        )
        check_ranges(self, "validation", ranges)
