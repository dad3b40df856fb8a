"""Whether the figures of an evidence table agree with one another.

Each ``find_`` function takes a table and yields one sentence per breach, naming the row; it raises nothing.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import betaincinv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "compute_exact_interval",
    "compute_log_odds_ratio",
    "find_distribution_breaches",
    "find_effect_breaches",
    "find_overlaps",
    "find_repeated",
    "find_row_breaches",
    "pool_random_effects",
]

# A printed figure is rounded, so a recomputed one may differ by this much: in logarithms for effects, in
# percentage points for proportions.
_LOG_TOLERANCE = 0.02
_PERCENT_TOLERANCE = 0.6
_Z_95 = 1.96


def compute_exact_interval(events: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion (Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404).

    Examples
    --------
    One responder among six women says very little:

    >>> low, high = compute_exact_interval(1, 6)
    >>> f"{low:.1%} to {high:.1%}"
    '0.4% to 64.1%'
    """
    tail = (1 - level) / 2
    low = 0.0 if events == 0 else float(betaincinv(events, n - events + 1, tail))
    high = 1.0 if events == n else float(betaincinv(events + 1, n - events, 1 - tail))
    return low, high


def compute_log_odds_ratio(frame: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return log odds ratios and standard errors of two-by-two tables, one per row.

    Half a woman is added to each cell of a table with an empty one (Woolf 1955, doi
    10.1111/j.1469-1809.1955.tb01348.x; Haldane 1956, doi 10.1111/j.1469-1809.1955.tb01285.x).

    Examples
    --------
    Live birth in 26 of 108 women under 35 years against 13 of 189 older ones:

    >>> table = pd.DataFrame(
    ...     {"exposed_events": [26], "exposed_n": [108], "reference_events": [13], "reference_n": [189]}
    ... )
    >>> log_odds_ratio, se = compute_log_odds_ratio(table)
    >>> f"{np.exp(log_odds_ratio[0]):.2f}, se {se[0]:.3f}"
    '4.29, se 0.365'
    """
    cells = np.column_stack(
        [
            frame["exposed_events"],
            frame["exposed_n"] - frame["exposed_events"],
            frame["reference_events"],
            frame["reference_n"] - frame["reference_events"],
        ]
    ).astype(float)
    cells += 0.5 * (cells == 0).any(axis=1, keepdims=True)
    log_odds_ratio = np.log(cells) @ np.array([1.0, -1.0, -1.0, 1.0])
    se = np.sqrt((1 / cells).sum(axis=1))
    return pd.Series(log_odds_ratio, frame.index), pd.Series(se, frame.index)


def pool_random_effects(estimate: NDArray[np.float64], se: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of several studies' effects and its standard error (DerSimonian & Laird 1986).

    Where the studies differ by more than chance, the variance between them enters the standard error (doi
    10.1016/0197-2456(86)90046-2); one study is its own mean.

    Examples
    --------
    FSH for one log unit: -2.20 with a standard error of 0.97 in 162 women, -0.14 with 0.22 in 391.

    >>> mean, se = pool_random_effects(np.array([-2.202, -0.136]), np.array([0.966, 0.217]))
    >>> f"{mean:.2f}, se {se:.2f}"
    '-0.95, se 1.01'
    """
    weight = 1 / se**2
    apart = weight @ (estimate - weight @ estimate / weight.sum()) ** 2
    spare = weight.sum() - (weight**2).sum() / weight.sum()
    between = max(0.0, (apart - len(estimate) + 1) / spare) if len(estimate) > 1 else 0.0
    weight = 1 / (se**2 + between)
    return float(weight @ estimate / weight.sum()), float(weight.sum() ** -0.5)


def find_row_breaches(frame: pd.DataFrame, counts: Iterable[tuple[str, str]], *, sourced: bool) -> Iterator[str]:
    """Yield what breaks the rules of every table: an id occurs once, a row has a source, events ≤ women."""
    yield from find_repeated(frame["row_id"])
    if sourced:
        silent = frame[["source", "doi", "pmid", "pmcid"]].isna().all(axis=1)
        for row in frame.loc[silent, "row_id"]:
            yield f"Row {row} names no source."
    for events, n in counts:
        known = frame.dropna(subset=[events])
        impossible = ~((known[events] >= 0) & (known[events] <= known[n]))
        for row in known.loc[impossible, "row_id"]:
            yield f"Row {row} must have {events} between 0 and {n}."


def find_repeated(row_ids: Iterable[str]) -> Iterator[str]:
    """Yield each id that occurs twice."""
    ids = pd.Series(list(row_ids), dtype="str")
    for row in ids[ids.duplicated()].unique():
        yield f"Row {row} occurs more than once."


def find_distribution_breaches(frame: pd.DataFrame) -> Iterator[str]:
    """Yield distributions whose percentage, interval or spread cannot be."""
    percent = frame[(frame["unit"] == "%") & frame["events"].notna()]
    differs = (percent["value"] - 100 * percent["events"] / percent["n"]).abs() > _PERCENT_TOLERANCE
    for row in percent.index[differs]:
        yield f"Row {row} prints a percentage that its counts do not give."
    for row in frame.index[frame["low"] > frame["high"]]:
        yield f"Row {row} has its interval the wrong way round."
    for row in frame.index[frame["sd"] <= 0]:
        yield f"Row {row} has no positive standard deviation."


def find_effect_breaches(frame: pd.DataFrame) -> Iterator[str]:
    """Yield effects whose estimate, standard error, ratio, interval and counts do not tell one story."""
    low, high = np.log(frame["ci_low"]), np.log(frame["ci_high"])
    tables = frame[frame["exposed_n"].notna()]
    log_odds_ratio, se = compute_log_odds_ratio(tables)
    differences = {
        "an estimate that disagrees with its ratio": frame["estimate"] - np.log(frame["ratio"]),
        "an estimate outside the middle of its interval": frame["estimate"] - (low + high) / 2,
        "a standard error that disagrees with its interval": frame["se"] - (high - low) / (2 * _Z_95),
        "an estimate that disagrees with its counts": tables["estimate"] - log_odds_ratio,
        "a standard error that disagrees with its counts": tables["se"] - se,
    }
    for breach, difference in differences.items():
        for row in difference.index[difference.abs() > _LOG_TOLERANCE]:
            yield f"Row {row} has {breach}."


def find_overlaps(row_ids: Sequence[str], overlaps: pd.DataFrame) -> Iterator[str]:
    """Yield each rule of the table of overlaps that forbids adding these rows together."""
    chosen = list(dict.fromkeys(row_ids))
    for rule_id, rule in overlaps.iterrows():
        guarded = set(rule["source_rows"].split(";"))
        against = rule["source_rows"] if pd.isna(rule["not_with"]) else rule["not_with"]
        partners = set(chosen) if against == "*" else set(against.split(";"))
        clash = {
            row
            for one, other in combinations(chosen, 2)
            if (one in guarded and other in partners) or (other in guarded and one in partners)
            for row in (one, other)
        }
        if clash:
            rows = " and ".join(sorted(clash))
            yield f"Rows {rows} must never be added together: {rule['rule']} ({rule_id})."
