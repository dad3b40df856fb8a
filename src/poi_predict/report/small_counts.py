"""Tables of counts as a page may show them: none from which fewer than `least` women could be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poi_predict.privacy import LEAST, find_hidden_cells, hide_count

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["hide_counts_in_text", "hide_findings", "hide_missing", "pool_losses"]

COUNTED = re.compile(r"(?<![\d.,])(\d+)((?: of \d+)?) (rows?|women|woman|cells?|courses?|without a value)\b( is\b)?")


def pool_losses(attrition: pd.DataFrame, least: int = LEAST) -> pd.DataFrame:
    """Join the steps of an attrition table until each lost nobody or at least `least` rows.

    Events are shown at the end alone where a step lost fewer than `least` with the event, or without it.

    Parameters
    ----------
    attrition : DataFrame
        step, excluded_rows, remaining_rows, remaining_patients, remaining_events, note.
    least : int

    Examples
    --------
    Two women were too old, eight had no outcome:

    >>> steps = pd.DataFrame({
    ...     "step": ["in the table", "age to 40", "outcome known"], "excluded_rows": [0, 2, 8],
    ...     "remaining_rows": [60, 58, 50], "remaining_patients": [60, 58, 50], "remaining_events": [20, 19, 19],
    ...     "note": ["", "", ""]})
    >>> pool_losses(steps)[["step", "excluded_rows", "remaining_rows"]].to_numpy().tolist()
    [['in the table', 0, 60], ['age to 40; outcome known', 10, 50]]
    """
    pooled: list[dict[str, Any]] = []
    for row in attrition.to_dict("records"):
        step = {str(key): value for key, value in row.items()}
        open_step = pooled and 0 < pooled[-1]["excluded_rows"] < least
        pooled.append(_join(pooled.pop(), step) if open_step else step)
    while len(pooled) > 2 and 0 < pooled[-1]["excluded_rows"] < least:
        last = pooled.pop()
        pooled.append(_join(pooled.pop(), last))
    found = pd.DataFrame(pooled, columns=attrition.columns)
    found["note"] = [hide_counts_in_text(str(note), least) for note in found["note"]]
    events = found["remaining_events"].to_numpy(dtype=float)
    lost = -np.diff(np.column_stack([events, found["remaining_rows"] - events]), axis=0)
    if ((lost > 0) & (lost < least)).any():
        found["remaining_events"] = found["remaining_events"].astype(object)
        found.loc[found.index[:-1], "remaining_events"] = None
    return found


def _join(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    notes = [str(row["note"]) for row in (first, second) if row["note"]]
    return {
        **second,
        "step": f"{first['step']}; {second['step']}",
        "excluded_rows": first["excluded_rows"] + second["excluded_rows"],
        "note": "; ".join(notes),
    }


def hide_missing(table_one: pd.DataFrame, least: int = LEAST) -> pd.DataFrame:
    """Return table one with counts of missing values of which fewer than `least` could be told made coarse.

    One to `least` - 1 women count as half of `least`; a count from which such a one would follow is a multiple of it.

    Parameters
    ----------
    table_one : DataFrame
        From `compute_table_one`: its first group is the total of the others.
    least : int
    """
    found = table_one.copy()
    for _, block in found.groupby(["variable", "level"], sort=False, dropna=False):
        counts = block["missing"].to_numpy(dtype=float)
        hidden = find_hidden_cells(counts[None, :], exclusive=False, least=least)[0]
        for index, count in zip(block.index[hidden], counts[hidden], strict=True):
            coarse = hide_count(count, least)
            found.loc[index, "n"] += int(count) - coarse
            found.loc[index, "missing"] = coarse
    return found


def hide_findings(findings: pd.DataFrame, least: int = LEAST) -> pd.DataFrame:
    """Return findings without a count of one to `least` - 1 rows, in numbers or words."""
    return findings.assign(
        count=[f"< {least}" if 0 < count < least else count for count in findings["count"]],
        message=[hide_counts_in_text(message, least) for message in findings["message"]],
    )


def hide_counts_in_text(text: str, least: int = LEAST) -> str:
    """Return a sentence in which a few rows or women are said to be fewer than `least`.

    Examples
    --------
    >>> hide_counts_in_text("afc usually lies between 0 and 3; 1 of 60 rows is outside.")
    'afc usually lies between 0 and 3; fewer than 5 of 60 rows are outside.'
    >>> hide_counts_in_text("12 women were treated; 3 women were not.")
    '12 women were treated; fewer than 5 women were not.'
    """
    many = {"row": "rows", "woman": "women", "cell": "cells", "course": "courses"}

    def say(match: re.Match[str]) -> str:
        if not 0 < int(match[1]) < least:
            return match[0]
        return f"fewer than {least}{match[2]} {many.get(match[3], match[3])}{' are' if match[4] else ''}"

    return COUNTED.sub(say, text)
