"""What is wrong with a table as such, before any cell is read: separator, header, rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from poi_predict.cohort.findings import TABLE, Finding
from poi_predict.cohort.rules import column_finding, row_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poi_predict.cohort.table_files import RawTable

__all__ = ["check_header", "check_shape"]

_NUMBER = re.compile(r"[<>]?\s*[+-]?\d[\d.,]*")
_SEPARATORS = {",": ("commas", ","), ";": ("semicolons", ";"), "\t": ("tabs", "\\t"), "|": ("bars", "|")}


def check_shape(table: RawTable) -> list[Finding]:
    """Return the findings about the table as such.

    A finding about the table as a whole comes alone: whatever else would be found is its consequence.
    """
    return check_header(table.headers) or _rows(table)


def check_header(headers: Sequence[str]) -> list[Finding]:
    """Return the finding that what stands first is no header, or not cut into columns.

    >>> [finding.rule for finding in check_header(["id;age"])]
    ['wrong_delimiter']
    """
    return _separator(headers) or _header(headers)


def _separator(headers: Sequence[str]) -> list[Finding]:
    header = headers[0]
    probable = max(_SEPARATORS, key=header.count)
    if len(headers) > 1 or probable not in header:
        return []
    name, written = _SEPARATORS[probable]
    return [column_finding("wrong_delimiter", TABLE, separator=name, written=written)]


def _header(headers: Sequence[str]) -> list[Finding]:
    named = [header.strip() for header in headers if header.strip()]
    numbers = sum(_NUMBER.fullmatch(header) is not None for header in named)
    return [column_finding("no_header", TABLE)] if numbers > len(named) / 2 else []


def _rows(table: RawTable) -> list[Finding]:
    if table.n_rows == 0:
        return [column_finding("no_rows", TABLE)]
    return row_findings("overlong_row", TABLE, table.overlong, table.row_number)
