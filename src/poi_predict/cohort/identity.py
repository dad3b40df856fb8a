"""Whose row it is, and whether the row is of a woman at all or SYNTHETIC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.rules import column_finding, row_findings
from poi_predict.cohort.spelling import plain_text
from poi_predict.cohort.table_cells import number_text

if TYPE_CHECKING:
    from poi_predict.cohort.findings import Finding

__all__ = ["check_origin", "number_rows", "parse_patient_ids"]

_NO_NAME = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"})


def parse_patient_ids(
    cells: pd.Series, row_number: np.ndarray, shown: str
) -> tuple[pd.Series, list[Finding]]:
    """Return the identifiers exactly as given, and what is doubtful about them.

    A whole number stored as a floating-point one (12.0 in a workbook) is the text "12".

    >>> ids, findings = parse_patient_ids(pd.Series(["007", "7", "007"], dtype="str"), np.array([1, 2, 3]), "id")
    >>> ids.tolist(), [finding.rule for finding in findings]
    (['007', '7', '007'], ['repeated_patient_id'])
    """
    ids = (cells.map(number_text) if cells.dtype == "float64" else cells).astype("str")
    codes, distinct = pd.factorize(ids, use_na_sentinel=True)
    folded = pd.Series([plain_text(name) for name in distinct], dtype="str")
    nameless = np.append(folded.isin(_NO_NAME).to_numpy(dtype=bool), True)[codes]
    repeated = ids.duplicated().to_numpy(dtype=bool) & ~nameless
    alike = np.append(folded.duplicated(keep=False).to_numpy(dtype=bool), False)[codes] & ~nameless
    findings = [
        finding
        for code, broken in (
            ("empty_patient_id", nameless),
            ("repeated_patient_id", repeated),
            ("similar_patient_id", alike),
        )
        for finding in row_findings(code, "patient_id", broken, row_number, column=shown)
    ]
    return ids.where(~nameless), findings


def number_rows(row_number: np.ndarray) -> tuple[pd.Series, list[Finding]]:
    """Return identifiers "row-1", "row-2", … for a table without any: each row is taken as one woman."""
    ids = pd.Series([f"row-{number}" for number in row_number.tolist()], dtype="str")
    return ids, [column_finding("no_patient_id", "patient_id")]


def check_origin(data: pd.DataFrame, row_number: np.ndarray) -> tuple[bool, list[Finding]]:
    """Return whether the rows are SYNTHETIC, and the finding that only some of them are."""
    if "data_origin" not in data:
        return False, []
    synthetic = (data["data_origin"] == "synthetic").to_numpy(dtype=bool)
    if synthetic.all():
        return True, []
    return bool(synthetic.any()), row_findings("mixed_origin", "data_origin", synthetic, row_number)
