"""What others published about cell therapy for premature ovarian insufficiency, read and checked.

Every reader returns a new DataFrame indexed by ``row_id`` (A01, NH02, PF12 …), the name by which the rest of
the software quotes a figure. A table whose figures contradict one another is refused with an `EvidenceError`
that lists every breach. ``tables/README.md`` tells where the rows come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.errors import EvidenceError
from poi_predict.evidence.consistency import (
    compute_exact_interval,
    find_distribution_breaches,
    find_effect_breaches,
    find_overlaps,
    find_repeated,
    find_row_breaches,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "PooledProportion",
    "check_never_added",
    "compute_pooled_proportion",
    "read_arms",
    "read_baseline_distributions",
    "read_contrasts",
    "read_natural_history",
    "read_overlaps",
    "read_pooled",
    "read_prognostic_effects",
    "read_prognostic_factors",
    "read_protocols",
]

_TABLES = Path(__file__).parent / "tables"

# Percentages of the pooled table are printed with one decimal.
_PRINTED_PERCENT = 0.06


@dataclass(frozen=True)
class _Schema:
    """How one table is typed and which of its columns are counts that must agree."""

    file: str
    numbers: tuple[str, ...] = ()
    counts: tuple[tuple[str, str], ...] = ()
    sourced: bool = True


def _counts(*outcomes: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{outcome}_events", f"{outcome}_n") for outcome in outcomes)


_SCHEMAS = {
    "arms": _Schema("arms.csv", ("n_enrolled", "n_analysed"), _counts("menses", "follicle", "pregnancy", "live_birth")),
    "natural_history": _Schema("natural_history.csv", ("n",), _counts("ovarian_function", "pregnancy", "live_birth")),
    "prognostic_factors": _Schema(
        "prognostic_factors.csv",
        ("ratio", "ci_low", "ci_high"),
        (("n_events", "n"), *_counts("exposed", "reference")),
    ),
    "effects": _Schema(
        "effects.csv",
        ("estimate", "se", "ratio", "ci_low", "ci_high"),
        _counts("exposed", "reference"),
        sourced=False,
    ),
    "baseline_distributions": _Schema("baseline_distributions.csv", ("value", "sd", "low", "high"), (("events", "n"),)),
    "pooled": _Schema("pooled.csv", ("percent", "ci_low", "ci_high"), (("events", "n"),), sourced=False),
    "protocols": _Schema("protocols.csv", ("dose_low", "dose_high", "n_treatments_max", "n"), sourced=False),
    "overlaps": _Schema("overlaps.csv", sourced=False),
}


@dataclass(frozen=True)
class PooledProportion:
    """Events among women, added over independent rows, with an exact 95 % interval."""

    events: int
    n: int
    proportion: float
    ci_low: float
    ci_high: float


def read_arms(folder: Path | None = None) -> pd.DataFrame:
    """Read the treated arms: who was treated with what, and how many women responded.

    Parameters
    ----------
    folder
        Another folder with the same tables; the shipped ones when omitted.

    Raises
    ------
    EvidenceError
        When an id occurs twice, events exceed women, or a row names no source.

    Examples
    --------
    Four of the nine women of the first adipose-cell trial menstruated again:

    >>> arms = read_arms()
    >>> int(arms.loc["A01", "menses_events"]), int(arms.loc["A01", "menses_n"])
    (4, 9)
    """
    return _read("arms", folder)


def read_natural_history(folder: Path | None = None) -> pd.DataFrame:
    """Read what happened to women with POI who had no cell therapy; raises as `read_arms` does.

    Examples
    --------
    >>> row = read_natural_history().loc["NH02"]
    >>> f"{row.ovarian_function_events:.0f} of {row.ovarian_function_n:.0f} recovered"
    '117 of 507 recovered'
    """
    return _read("natural_history", folder)


def read_prognostic_factors(folder: Path | None = None) -> pd.DataFrame:
    """Read the printed associations of baseline factors with outcomes; raises as `read_arms` does."""
    return _read("prognostic_factors", folder)


def read_protocols(folder: Path | None = None) -> pd.DataFrame:
    """Read the protocols of published arms in the words of the codebook; doses are in cells."""
    return _read("protocols", folder)


def read_baseline_distributions(folder: Path | None = None) -> pd.DataFrame:
    """Read distributions, shares (in %) and correlations of baseline variables in POI cohorts.

    Raises
    ------
    EvidenceError
        As `read_arms`, and when a printed percentage does not follow from its counts.

    Examples
    --------
    AMH was detectable in 7 of 66 women with idiopathic POI:

    >>> float(read_baseline_distributions().loc["BD40", "value"])
    11.0
    """
    frame = _read("baseline_distributions", folder)
    _raise_if_any("baseline_distributions", find_distribution_breaches(frame))
    return frame


def read_prognostic_effects(folder: Path | None = None) -> pd.DataFrame:
    """Read effects of baseline factors on response, as printed and widened for use as a prior.

    ``estimate`` and ``se`` are on the log scale named in ``scale``. No effect was estimated inside a cohort
    treated with cells, so a borrowed one is widened: ``prior_estimate`` is half the estimate and ``prior_se``
    twice its standard error.

    Raises
    ------
    EvidenceError
        As `read_arms`, and when estimate, standard error, ratio, interval and counts disagree.

    Examples
    --------
    An odds ratio of 0.964 per IU/L of FSH, and the prior made of it:

    >>> row = read_prognostic_effects().loc["E01"]
    >>> [round(float(row[name]), 5) for name in ("estimate", "se", "prior_estimate", "prior_se")]
    [-0.0367, 0.0161, -0.01835, 0.0322]
    """
    effects = _read_effects(folder)
    prognostic = effects[effects["kind"] == "prognostic"]
    return prognostic.assign(prior_estimate=prognostic["estimate"] / 2, prior_se=prognostic["se"] * 2)


def read_contrasts(folder: Path | None = None) -> pd.DataFrame:
    """Read naive contrasts between studies (routes; cells or none). They are *not* causal effects.

    Examples
    --------
    >>> row = read_contrasts().loc["E14"]
    >>> f"odds ratio {row.ratio:.2f} ({row.ci_low:.2f}–{row.ci_high:.2f})"
    'odds ratio 1.53 (0.87–2.69)'
    """
    effects = _read_effects(folder)
    return effects[effects["kind"] == "contrast"]


def read_pooled(folder: Path | None = None) -> pd.DataFrame:
    """Read the pooled proportions (in %), each recomputed from the rows that it names.

    Raises
    ------
    EvidenceError
        When a figure does not follow from its rows, or adds rows that must never be added.
    """
    frame = _read("pooled", folder)
    _raise_if_any("pooled", _find_pooled_breaches(frame, folder))
    return frame


def read_overlaps(folder: Path | None = None) -> pd.DataFrame:
    """Read the rules that forbid adding rows together.

    ``source_rows`` may not be added to ``not_with``: to each other where that is blank, to anything where it
    is ``*``.
    """
    return _read("overlaps", folder)


def check_never_added(row_ids: Iterable[str], folder: Path | None = None) -> None:
    """Refuse to add rows that share women, or that no rate can be formed from.

    Raises
    ------
    EvidenceError
        Naming the rows and the rule.

    Examples
    --------
    The two French rows are one cohort at two dates:

    >>> check_never_added(["NH02", "NH03"])
    >>> check_never_added(["NH01", "NH02"])
    Traceback (most recent call last):
    poi_predict.errors.EvidenceError: Rows NH01 and NH02 must never be added together: one Paris cohort at
    three dates: use one of them (OV01).
    """
    _raise_if_added(list(row_ids), read_overlaps(folder))


def compute_pooled_proportion(row_ids: Sequence[str], outcome: str, folder: Path | None = None) -> PooledProportion:
    """Add the events and women of independent rows, with an exact interval.

    Parameters
    ----------
    row_ids
        Rows of the arms or of the natural history.
    outcome
        ``menses``, ``ovarian_function``, ``follicle``, ``pregnancy`` or ``live_birth``.

    Raises
    ------
    EvidenceError
        When rows overlap, are unknown, or do not state the outcome.

    References
    ----------
    Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404.

    Examples
    --------
    Menses resumed after cell therapy in the four arms that count it:

    >>> pooled = compute_pooled_proportion(["A01", "A02", "A09", "A16"], "menses")
    >>> f"{pooled.events}/{pooled.n}: {pooled.proportion:.1%} ({pooled.ci_low:.1%}–{pooled.ci_high:.1%})"
    '20/60: 33.3% (21.7%–46.7%)'
    """
    return _pool(list(row_ids), outcome, _read_counted(folder), read_overlaps(folder))


def _read_counted(folder: Path | None) -> pd.DataFrame:
    return pd.concat([read_arms(folder), read_natural_history(folder)])


def _pool(row_ids: list[str], outcome: str, rows: pd.DataFrame, overlaps: pd.DataFrame) -> PooledProportion:
    _raise_if_added(row_ids, overlaps)
    columns = [f"{outcome}_events", f"{outcome}_n"]
    unknown = [name for name in row_ids if name not in rows.index]
    unknown += [outcome] * (not set(columns) <= set(rows.columns))
    if unknown:
        raise EvidenceError(
            "A proportion is pooled from rows and an outcome that the tables hold; "
            f"they do not hold {', '.join(unknown)}. Look them up in evidence/tables."
        )
    counts = rows.loc[row_ids, columns]
    silent = counts.index[counts.isna().any(axis=1)]
    if len(silent):
        raise EvidenceError(
            f"A pooled row must state events and women for {outcome}; {', '.join(silent)} does not. Leave it out."
        )
    events, n = (int(total) for total in counts.sum())
    return PooledProportion(events, n, events / n, *compute_exact_interval(events, n))


def _find_pooled_breaches(frame: pd.DataFrame, folder: Path | None) -> Iterator[str]:
    rows, overlaps = _read_counted(folder), read_overlaps(folder)
    for row_id, row in frame.iterrows():
        pooled = _pool(row["source_rows"].split(";"), row["outcome"], rows, overlaps)
        if (pooled.events, pooled.n) != (row["events"], row["n"]):
            yield f"Row {row_id} does not add up to the rows it names."
        printed = row[["percent", "ci_low", "ci_high"]].to_numpy(float)
        computed = 100 * np.array([pooled.proportion, pooled.ci_low, pooled.ci_high])
        if np.abs(printed - computed).max() > _PRINTED_PERCENT:
            yield f"Row {row_id} prints a percentage or an interval that its counts do not give."


def _raise_if_added(row_ids: list[str], overlaps: pd.DataFrame) -> None:
    _raise_if_any("", [*find_repeated(row_ids), *find_overlaps(row_ids, overlaps)])


def _read(name: str, folder: Path | None) -> pd.DataFrame:
    schema = _SCHEMAS[name]
    frame = pd.read_csv((folder or _TABLES) / schema.file, dtype="str", encoding="utf-8")
    count_columns = [column for pair in schema.counts for column in pair]
    for column in dict.fromkeys([*schema.numbers, *count_columns]):
        frame[column] = pd.to_numeric(frame[column])
    _raise_if_any(name, find_row_breaches(frame, schema.counts, sourced=schema.sourced))
    return frame.set_index("row_id")


def _read_effects(folder: Path | None) -> pd.DataFrame:
    frame = _read("effects", folder)
    _raise_if_any("effects", find_effect_breaches(frame))
    return frame


def _raise_if_any(table: str, breaches: Iterable[str]) -> None:
    """Raise once, with every breach."""
    found = list(breaches)
    if found:
        where = f"Evidence table {table}: " if table else ""
        raise EvidenceError(where + " ".join(found))
