"""Whose row it is, and whether the row is of a woman at all or SYNTHETIC."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.cohort.rules import column_finding, row_findings
from poi_predict.cohort.spelling import header_key, level_key, plain_text
from poi_predict.cohort.table_cells import as_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan

__all__ = [
    "LongIds",
    "check_centres",
    "check_courses",
    "check_origin",
    "count_long_ids",
    "nameless_rows",
    "number_rows",
    "parse_patient_ids",
    "rounded_rows",
    "synthetic_rows",
]

_FOLDS = r"[^ -%'-~]"  # what `plain_text` may fold beyond case and spaces: an ampersand, and all but printable ASCII
_NAMELESS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "<na>"})
_ROUNDED = r"^\s*\d(?:[.,]\d{1,9}[eE]\+?|[eE]\+)\d{1,3}\s*$"  # as a spreadsheet shows a number too long for its cell
_LONG, _TRUNCATED = r"^\d{16,}$", r"^\d{15}0+$"  # a spreadsheet keeps fifteen digits
_DATE = r"^(?:\d{4}-\d\d-\d\d(?:T[\d:.]+)?|\d{1,2}[-.](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*)$"
_MOST_YEARS_APART = 15.0  # between two courses of one woman
_FIXED = ("amenorrhea_type", "aetiology", "karyotype", "menarche_age")


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
        "rounded_patient_id": ids.str.contains(_ROUNDED, na=False).to_numpy(dtype=bool),
        "date_patient_id": ids.str.contains(_DATE, na=False).to_numpy(dtype=bool),
        "repeated_patient_id": ids.duplicated().to_numpy(dtype=bool) & ~nameless,
        "similar_patient_id": np.append(shared_spelling, [False])[codes] & ~nameless,
    }
    findings = [
        finding
        for code, rows in broken.items()
        for finding in row_findings(code, "patient_id", rows, row_number, column=shown)
    ]
    return ids.where(~nameless), [
        *count_long_ids(pa.array(ids, pa.string(), from_pandas=True)).findings(shown),
        *findings,
    ]


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


def rounded_rows(ids: pa.Array) -> np.ndarray:
    """Return which identifiers are long numbers that a spreadsheet program has rounded.

    >>> rounded_rows(pa.array(["3.20101E+17", "1,2E+12", "2E10", "W1", None])).tolist()
    [True, True, False, False, False]
    """
    found = pc.fill_null(pc.match_substring_regex(ids, _ROUNDED), fill_value=False)
    return np.array(found.to_numpy(zero_copy_only=False))


class LongIds(NamedTuple):
    """How many identifiers are numbers of sixteen digits or more, and how many of those end in zeros from there."""

    n_long: int = 0
    n_truncated: int = 0

    def joined(self, others: Sequence[LongIds]) -> LongIds:
        """Return the counts of several parts of a table together."""
        parts = (self, *others)
        return LongIds(sum(part.n_long for part in parts), sum(part.n_truncated for part in parts))

    def findings(self, shown: str = "patient_id") -> list[Finding]:
        """Return the finding that a spreadsheet has cut the identifiers, where most of them look like it."""
        if self.n_truncated < 2 or 2 * self.n_truncated <= self.n_long:  # one in ten ends in a zero by chance
            return []
        facts = {"column": shown, "count": self.n_truncated, "total": self.n_long}
        return [column_finding("truncated_patient_id", "patient_id", **facts)]


def count_long_ids(ids: pa.Array) -> LongIds:
    """Count the long numbers among identifiers.

    >>> count_long_ids(pa.array(["320101199001010000", "320101199001014321", "W1", None]))
    LongIds(n_long=2, n_truncated=1)
    """
    return LongIds(*(int(pc.sum(pc.match_substring_regex(ids, rule)).as_py() or 0) for rule in (_LONG, _TRUNCATED)))


def check_courses(data: pd.DataFrame, row_number: np.ndarray) -> list[Finding]:
    """Find rows of one identifier that cannot be of one woman: what does not change in a life differs, or her age.

    >>> data = pd.DataFrame({"patient_id": ["1", "1", "2"], "age": [26.0, 45.0, 30.0]})
    >>> check_courses(data, np.array([1, 2, 3]))[0].rows
    (2,)
    """
    ids = data["patient_id"]
    if not ids.duplicated().any():
        return []
    groups = data.groupby("patient_id", sort=False, dropna=True)
    broken = np.zeros(len(data), dtype=bool)
    facts = []
    if "age" in data:
        apart = (data["age"] - groups["age"].transform("first")).abs() > _MOST_YEARS_APART
        broken |= apart.to_numpy(dtype=bool)
        facts += ["age"] if apart.any() else []
    for name in _FIXED:
        if name in data:
            first = groups[name].transform("first")
            differs = (data[name].notna() & first.notna() & (data[name] != first)).to_numpy(dtype=bool, na_value=False)
            broken |= differs
            facts += [name] if differs.any() else []
    return row_findings("contradicting_courses", "patient_id", broken, row_number, differing=", ".join(facts))


def number_rows(row_number: np.ndarray) -> tuple[pd.Series, list[Finding]]:
    """Return identifiers "row-1", "row-2", … for a table without any: each row is taken as one woman."""
    ids = pd.Series([f"row-{number}" for number in row_number.tolist()], dtype="str")
    return ids, [column_finding("no_patient_id", "patient_id")]


def check_centres(
    columns: Mapping[str, pd.Series], plans: Sequence[ColumnPlan], row_number: np.ndarray
) -> list[Finding]:
    """Return the finding that one centre may be written in several ways: "Ankara" and "ANKARA.", 1 and 01."""
    findings: list[Finding] = []
    for plan in plans:
        if plan.variable.role != "centre" or plan.variable.name not in columns:
            continue
        codes, distinct = pd.factorize(columns[plan.variable.name], use_na_sentinel=True)
        keys = pd.Series([_centre_key(name) for name in distinct], dtype="str")
        shared = np.append(keys.duplicated(keep=False).to_numpy(dtype=bool), [False])[codes]
        facts = {"column": plan.shown, "from_bundle": plan.from_bundle}
        findings += row_findings("similar_centre", plan.variable.name, shared, row_number, **facts)
    return findings


def _centre_key(name: str) -> str:
    key = header_key(level_key(name))
    return key.lstrip("0") or key


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
