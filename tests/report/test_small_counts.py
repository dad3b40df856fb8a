"""Tables of counts on a page tell of no group of one to four women, directly or by difference."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from poi_predict.cohort import read_codebook
from poi_predict.cohort.table_one import compute_table_one
from poi_predict.report.small_counts import hide_findings, hide_missing, pool_losses


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=6))
def test_no_step_of_attrition_tells_of_a_few(losses: list[tuple[int, int]]) -> None:
    """Each loss is of events and of others; what remains at the end is never changed."""
    events, others = (np.cumsum([400, *(-loss[side] for loss in losses)]) for side in (0, 1))
    rows = events + others
    steps = pd.DataFrame(
        {
            "step": [f"rule {place}" for place in range(len(rows))],
            "excluded_rows": [0, *(-np.diff(rows)).tolist()],
            "remaining_rows": rows,
            "remaining_patients": rows,
            "remaining_events": events,
            "note": "",
        }
    )
    found = pool_losses(steps)
    lost = found["excluded_rows"].to_numpy(dtype=int)
    assert lost.sum() == rows[0] - rows[-1]
    assert found["remaining_rows"].iloc[-1] == rows[-1]
    assert "; ".join(found["step"]) == "; ".join(steps["step"])
    if lost.sum() >= 5:
        assert not ((lost > 0) & (lost < 5)).any()
    shown = found["remaining_events"].iloc[:-1].notna().any()
    by_side = np.abs(np.diff(np.column_stack([events, others]), axis=0))
    if shown and len(found) == len(steps):
        assert not ((by_side > 0) & (by_side < 5)).any()


def test_missing_values_of_a_few_women_are_not_counted() -> None:
    data = pd.DataFrame({"age": [np.nan] * 3 + [30.0] * 17 + [np.nan] * 8 + [33.0] * 12})
    y = np.repeat([1.0, 0.0], 20)
    table = hide_missing(compute_table_one(data, read_codebook(), ["age"], y)).set_index("group")
    assert table.loc["responder", "missing"] == 2  # stands for one to four
    assert table.loc["non_responder", "missing"] == 10  # else 11 - 8 were her three
    assert (table["n"] + table["missing"]).tolist() == [40, 20, 20]
    many = hide_missing(compute_table_one(data.iloc[20:], read_codebook(), ["age"], y[20:]))
    assert many["missing"].tolist()[0] == 8


def test_findings_of_a_few_rows_say_so() -> None:
    findings = pd.DataFrame(
        {"count": [2, 7], "message": ["2 of 60 rows are outside. Check these cells.", "7 of 60 rows are outside."]}
    )
    found = hide_findings(findings)
    assert found["count"].tolist() == ["< 5", 7]
    assert found["message"].tolist() == [
        "fewer than 5 of 60 rows are outside. Check these cells.",
        "7 of 60 rows are outside.",
    ]
