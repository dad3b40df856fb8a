"""The aspects in which a scored cohort is compared with training, each with its two sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poi_predict.features import SEPARATOR
from poi_predict.privacy import guard_count
from poi_predict.scoring.drift.counting import OTHER_LEVELS
from poi_predict.scoring.drift.women import FEWEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from poi_predict.scoring.drift.tally import Tally
    from poi_predict.validation import CaseMixSummary

__all__ = ["MeanAspect", "ShareAspect", "hide_few", "list_means", "list_shares", "return_to_unit"]

MOSTLY = 0.5
ROUNDING = 0.01
"""Shares of levels that exclude each other add up to one but for this."""

BACK: Mapping[str, Callable[[float], float]] = {
    "log": lambda value: float(np.exp(value)),
    "log1p": lambda value: float(np.expm1(value)),
    "log10": lambda value: float(10.0**value),
    "sqrt": lambda value: float(np.square(max(value, 0.0))),
}
"""From the scale that a model uses back to the clinic's unit, by the derivation's name; others are in that unit."""


class ShareAspect(NamedTuple):
    """A share of women: with the property, and in whom it is known, in training and here."""

    variable: str
    aspect: str
    level: str | None
    events_training: float
    n_training: float
    events_here: float
    n_here: float


class MeanAspect(NamedTuple):
    """A mean on the model's scale: (mean, sd, women) in training and here."""

    variable: str
    column: str
    training: tuple[float, float, float]
    here: tuple[float, float, float]


def list_shares(women: Mapping[str, Any], tally: Tally) -> list[ShareAspect]:
    """List what is missing, below its limit and held of each level, counts of one to four guarded on both sides."""
    n0, n1 = float(women["n_women"]), float(tally.n_rows)
    found = []
    for name, kept in women["variables"].items():
        here = tally.variables.get(name)
        if here is None:
            continue
        missing = guard_count(here["missing"], n1)
        found.append(ShareAspect(name, "missing", None, kept["missing"] * n0, n0, missing, n1))
        known0, known1 = n0 * (1.0 - kept["missing"]), n1 - here["missing"]
        if min(known0, known1) < FEWEST:
            continue
        if "below" in kept and "below" in here:
            below = guard_count(here["below"], known1)
            found.append(ShareAspect(name, "below_limit", None, kept["below"] * known0, known0, below, known1))
        if "levels" in kept and "levels" in here:
            for level, share, count in _pair_levels(kept["levels"], here["levels"], known1):
                found.append(ShareAspect(name, "level", level, share * known0, known0, count, known1))
    return found


def _pair_levels(
    training: Mapping[str, float], here: Mapping[str, int], n_here: float
) -> Iterator[tuple[str, float, float]]:
    """Yield level, share in training and count here; levels of one to four women here join the other levels.

    Where levels exclude each other, the count of a hidden one would follow from the rest: so they are joined until
    none is that small. Of a yes/no variable, and where a woman can hold several levels, the count is guarded.
    """
    exclusive = OTHER_LEVELS in training and abs(sum(training.values()) - 1.0) < ROUNDING
    kept = [level for level in training if level != OTHER_LEVELS]
    share, count = training.get(OTHER_LEVELS, 0.0), here.get(OTHER_LEVELS, 0)
    while exclusive and kept:
        small = [level for level in kept if 0 < here[level] < FEWEST]
        if not small and not 0 < count < FEWEST:
            break
        joined = small[0] if small else min(kept, key=lambda level: (here[level] == 0, here[level]))
        kept.remove(joined)
        share, count = share + training[joined], count + here[joined]
    if exclusive and len(kept) == 2 and share == 0.0 and count == 0:  # the one says what the other does
        kept = [min(kept, key=lambda level: training[level])]
    for level in kept:
        yield level, training[level], guard_count(here[level], n_here)
    if kept and (share > 0.0 or count > 0):
        yield OTHER_LEVELS, min(share, 1.0), guard_count(count, n_here)


def list_means(
    women: Mapping[str, Any], tally: Tally, development: CaseMixSummary, here: CaseMixSummary, known: Any
) -> list[MeanAspect]:
    """List the amounts of numeric variables, on the scale that the model uses, where five women or more are known.

    Where half of the values or more lie below their limit, in training or here, their mean is that of the limits, and
    the few others make it so skew that forty women are called others too often: then the share below speaks alone.

    Parameters
    ----------
    women : mapping
        From the contract.
    tally : Tally
    development, here : CaseMixSummary
        Of the same columns.
    known : ndarray of shape (2, n_columns)
        Women in whom each column is known, in training and here.
    """
    found = []
    for name, kept in women["variables"].items():
        column = kept.get("column")
        if column not in here.columns or _is_mostly_below(kept, tally.variables.get(name, {}), tally.n_rows):
            continue
        place = here.columns.index(column)
        sides = [
            (float(summary.mean[place]), float(np.sqrt(summary.covariance[place, place])), float(n[place]))
            for summary, n in zip((development, here), known, strict=True)
        ]
        if min(side[2] for side in sides) >= FEWEST and max(side[1] for side in sides) > 0.0:
            found.append(MeanAspect(name, str(column), sides[0], sides[1]))
    return found


def _is_mostly_below(kept: Mapping[str, Any], here: Mapping[str, Any], n_rows: int) -> bool:
    below = here.get("below", 0)
    return bool(kept.get("below", 0.0) >= MOSTLY or below >= MOSTLY * max(1, n_rows - here.get("missing", 0)))


def return_to_unit(column: str, value: float) -> float:
    """Return a value of a derived column in the unit of its variable: the log of FSH in IU/L.

    Examples
    --------
    >>> round(return_to_unit("fsh__log", 4.0), 1), return_to_unit("age__years", 32.0)
    (54.6, 32.0)
    """
    back = BACK.get(column.partition(SEPARATOR)[2])
    return value if back is None else back(value)


def hide_few(counts: Sequence[int]) -> list[float | None]:
    """Return shares of bins; None where one to four women are, and in the next fewest if only one bin is hidden.

    Examples
    --------
    >>> hide_few([10, 3, 0, 7])
    [0.5, None, 0.0, None]
    """
    hidden = {place for place, count in enumerate(counts) if 0 < count < FEWEST}
    if len(hidden) == 1:
        others = [place for place, count in enumerate(counts) if count >= FEWEST]
        hidden |= set(sorted(others, key=lambda place: counts[place])[:1])
    total = max(1, sum(counts))
    return [None if place in hidden else round(count / total, 4) for place, count in enumerate(counts)]
