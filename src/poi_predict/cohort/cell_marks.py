"""Text cells that spreadsheet programs wrote for themselves: ="0042", '0042, #REF!, a formula left as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.table_cells import Mark

if TYPE_CHECKING:
    from poi_predict.cohort.table_cells import Cells

__all__ = ["clean_texts", "is_suspect"]

_QUOTED_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_APOSTROPHE = re.compile(r"'[0-9=+\-@.,]")
_FORMULA = re.compile(r"=\s*[-+(\w$'].*", re.DOTALL)
_CELL_ERROR = re.compile(r"#¡?[^\W\d_][\w./ ]*[!?]|#(?:GETTING_DATA|BUSY|BLOCKED)!?|#{3,}", re.IGNORECASE)
_NOT_AVAILABLE = re.compile(r"#(?:N/A|NV|N/D|N/V|YOK|NA|Н/Д)[!?]?", re.IGNORECASE)
_SUSPECT = re.compile(rb"(?:^|[,;\t|\"\r\n])[ ]*(?:=|'[0-9=+\-@.,]|#[^,;\t|\"\r\n0-9])")


def is_suspect(content: bytes) -> bool:
    r"""Whether the bytes of a text table may hold such a cell.

    >>> is_suspect(b'1,30\n="002",31\n'), is_suspect(b"1,30\n2,31\n")
    (True, False)
    """
    if not any(sign in content for sign in (b"=", b"'", b"#")):
        return False
    return _SUSPECT.search(content) is not None


def clean_texts(cells: Cells) -> Cells:
    r"""Return cells as their writer meant them, and mark those that hold an error or a formula instead of a value.

    >>> import pandas as pd
    >>> from poi_predict.cohort.table_cells import Cells
    >>> texts = pd.Series(['="007"', "'08", "#REF!", "#N/A", "=A1+1"], dtype="str")
    >>> cleaned = clean_texts(Cells(["id"], [texts], np.zeros(5, dtype=bool)))
    >>> cleaned.columns[0].tolist(), [(mark.rule, mark.rows.tolist().index(True)) for mark in cleaned.marks]
    (['007', '08', nan, nan, nan], [('cell_error', 2), ('not_available', 3), ('formula_without_result', 4)])
    """
    columns, marks = list(cells.columns), list(cells.marks)
    for i, column in enumerate(columns):
        if column.dtype != "float64":
            columns[i], found = _clean(column, i)
            marks += found
    headers = [_without_wrapping(header) for header in cells.headers]
    return cells._replace(headers=headers, columns=columns, marks=tuple(marks))


def _clean(column: pd.Series, position: int) -> tuple[pd.Series, list[Mark]]:
    suspects = column[column.str.contains(r"^\s*['=#]", na=False)]
    if suspects.empty:
        return column, []
    rows: dict[str, list[int]] = {"cell_error": [], "not_available": [], "formula_without_result": []}
    texts = column.tolist()
    for row, cell in zip(suspects.index.tolist(), suspects.tolist(), strict=True):
        text = _without_wrapping(cell.strip())
        rule = _rule_of(text) if text == cell.strip() else None
        if rule is not None:
            rows[rule].append(row)
            texts[row] = None
        elif text != cell.strip():
            texts[row] = text
    everywhere = np.arange(len(column))
    marks = [Mark(rule, position, np.isin(everywhere, found)) for rule, found in rows.items() if found]
    return pd.Series(texts, dtype="str"), marks


def _without_wrapping(text: str) -> str:
    if quoted := _QUOTED_FORMULA.fullmatch(text):
        return quoted.group(1).replace('""', '"')
    return text[1:] if _APOSTROPHE.match(text) else text


def _rule_of(text: str) -> str | None:
    patterns = {"not_available": _NOT_AVAILABLE, "cell_error": _CELL_ERROR, "formula_without_result": _FORMULA}
    return next((rule for rule, pattern in patterns.items() if pattern.fullmatch(text)), None)
