"""Whose row it is, and whether the row is of a woman at all or SYNTHETIC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.cohort.rules import column_finding, row_findings
from poi_predict.cohort.spelling import plain_text
from poi_predict.cohort.table_cells import as_texts

if TYPE_CHECKING:
    from poi_predict.cohort.findings import Finding

__all__ = ["check_origin", "nameless_rows", "number_rows", "parse_patient_ids", "synthetic_rows"]

_FOLDS = r"[^ -%'-~]"  # what `plain_text` may fold beyond case and spaces: an ampersand, and all but printable ASCII
_NAMELESS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "<na>"})


def parse_patient_ids(
    cells: pd.Series, row_number: np.ndarray, shown: str = "patient_id"
) -> tuple[pd.Series, list[Finding]]:
    """Return the identifiers exactly as given, and what is doubtful about them.

    A whole number that a file stores as a floating-point one (12.0 in a workbook) is the text "12".

    Parameters
    ----------
    cells : Series of float64 or text, shape (n,)
        Cells as they stand in the file.
    row_number : array of int, shape (n,)
        Number of each row in the source.
    shown : str
        What messages call the column.

    Examples
    --------
    >>> cells = pd.Series(["007", "7", "007"], dtype="str")
    >>> ids, findings = parse_patient_ids(cells, np.array([1, 2, 3]))
    >>> ids.tolist(), [finding.rule for finding in findings]
    (['007', '7', '007'], ['repeated_patient_id'])
    """
    ids = as_texts(cells)
    codes, distinct = pd.factorize(ids, use_na_sentinel=True)
    folded = pd.Series([plain_text(name) for name in distinct], dtype="str")
    nameless_spelling = folded.isin(_NAMELESS).to_numpy(dtype=bool)
    shared_spelling = folded.duplicated(keep=False).to_numpy(dtype=bool)
    nameless = np.append(nameless_spelling, [True])[codes]
    broken = {
        "empty_patient_id": nameless,
        "repeated_patient_id": ids.duplicated().to_numpy(dtype=bool) & ~nameless,
        "similar_patient_id": np.append(shared_spelling, [False])[codes] & ~nameless,
    }
    findings = [
        finding
        for code, rows in broken.items()
        for finding in row_findings(code, "patient_id", rows, row_number, column=shown)
    ]
    return ids.where(~nameless), findings


def nameless_rows(ids: pa.Array) -> np.ndarray:
    """Return which identifiers are none, without a look at the other rows.

    >>> nameless_rows(pa.array(["007", " N/A ", None, "ＮＡ"])).tolist()
    [False, True, True, True]
    """
    plain = pc.ascii_lower(pc.utf8_trim_whitespace(ids))
    nameless = pc.or_(pc.is_null(ids), pc.is_in(plain, pa.array(_NAMELESS, pa.string())))
    odd = np.flatnonzero(pc.fill_null(pc.match_substring_regex(ids, _FOLDS), fill_value=False))
    found = np.array(nameless.to_numpy(zero_copy_only=False))
    for i, name in zip(odd.tolist(), ids.take(pa.array(odd, pa.int64())).to_pylist(), strict=True):
        found[i] = plain_text(name) in _NAMELESS
    return found


def number_rows(row_number: np.ndarray) -> tuple[pd.Series, list[Finding]]:
    """Return identifiers "row-1", "row-2", … for a table without any: each row is taken as one woman."""
    ids = pd.Series([f"row-{number}" for number in row_number.tolist()], dtype="str")
    return ids, [column_finding("no_patient_id", "patient_id")]


def check_origin(data: pd.DataFrame) -> tuple[bool, list[Finding]]:
    """Return whether rows are SYNTHETIC, and the finding that only some of them are.

    >>> check_origin(pd.DataFrame({"data_origin": ["synthetic", "synthetic"]}))
    (True, [])
    """
    if "data_origin" not in data:
        return False, []
    synthetic = synthetic_rows(data["data_origin"])
    count, total = int(synthetic.sum()), len(data)
    if count in (0, total):
        return count > 0, []
    return True, [column_finding("mixed_origin", "data_origin", count=count, total=total)]


def synthetic_rows(origins: pd.Series) -> np.ndarray:
    """Return which rows say that they are SYNTHETIC.

    >>> synthetic_rows(pd.Series(["synthetic", None], dtype="str")).tolist()
    [True, False]
    """
    return (origins == "synthetic").to_numpy(dtype=bool)
