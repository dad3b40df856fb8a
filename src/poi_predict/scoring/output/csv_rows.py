"""Rows of a table as CSV or TSV bytes, made by arrow's string kernels: no loop over rows.

Text that a spreadsheet would take for a formula is neutralised with a leading apostrophe. The rule follows the
Open Worldwide Application Security Project's page "CSV Injection" (https://owasp.org/www-community/attacks/CSV_Injection):
``=``, ``+``, ``-``, ``@``, tab, carriage return and line feed at the beginning of a cell, and the full-width forms
of the first four. Blanks before the sign do not hide it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.scoring.output.texts import as_scalar, is_text, join_texts, read_content, read_offsets

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["header_as_csv", "join_rows", "neutralise", "rows_as_csv"]

FORMULA = r"^(?:[\t\r\n]|[\s\x00\x{00a0}\x{3000}\x{200b}\x{feff}]*[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"
SUSPICIOUS = np.zeros(256, dtype=bool)
SUSPICIOUS[list(b"=+-@\t\r\n\x0b\x0c\x00 \xc2\xe2\xe3\xef")] = True  # the last four begin the signs beyond ASCII
TRUE_FALSE = ("True", "False")
ALWAYS_QUOTED = (b'"', b"\n", b"\r")


def rows_as_csv(table: pa.Table, separator: str = ",") -> bytes:
    r"""Return the rows of a table as they stand in a CSV file, without the header.

    Cells are quoted only where they must be; numbers are the shortest text that reads back as the same number; a
    missing cell is empty; a line ends with ``\n``; formula cells are neutralised.

    Parameters
    ----------
    table : pa.Table of shape (n_rows, n_columns)
        Columns of text, numbers and truth values.
    separator : str
        One character: a comma, or a tab for TSV.

    Returns
    -------
    bytes
        UTF-8.

    Examples
    --------
    >>> women = pa.table({"patient_id": ["0042", "=HYPERLINK(1)", 'a "b", c'], "p_response": [0.3, None, 0.25]})
    >>> print(rows_as_csv(women).decode(), end="")
    0042,0.3
    '=HYPERLINK(1),
    "a ""b"", c",0.25
    """
    return join_rows(table, separator)[0]


def header_as_csv(names: Iterable[str], separator: str = ",") -> bytes:
    r"""Return the header line of a CSV file.

    >>> header_as_csv(["patient_id", "p_response"])
    b'patient_id,p_response\n'
    """
    return rows_as_csv(pa.table([pa.array([name], type=pa.string()) for name in names], names=list(names)), separator)


def join_rows(table: pa.Table, separator: str) -> tuple[bytes, int]:
    """Return the rows as bytes, and how many cells were neutralised.

    Parameters
    ----------
    table : pa.Table
    separator : str

    >>> join_rows(pa.table({"patient_id": ["-7", "7"]}), ",")[1]
    1
    """
    if not table.num_rows or not table.num_columns:
        return b"", 0
    n_changed, cells = 0, []
    for column in table.columns:
        texts, n = _as_text(column, separator)
        n_changed += n
        cells.append(texts)
    lines = pc.binary_join_element_wise(*cells, as_scalar(separator), null_handling="replace", null_replacement="")
    return read_content(join_texts(lines, "\n")), n_changed


def neutralise(column: pa.Array | pa.ChunkedArray) -> tuple[pa.Array | pa.ChunkedArray, int]:
    """Put an apostrophe before every text that a spreadsheet would run as a formula.

    Parameters
    ----------
    column : pa.Array or pa.ChunkedArray of shape (n_rows,)
        Columns that are not text are returned as they are.

    Returns
    -------
    column : pa.Array or pa.ChunkedArray of shape (n_rows,)
    n_changed : int
        Cells that got an apostrophe.

    Examples
    --------
    >>> column, n_changed = neutralise(pa.array(["0042", "=1+1", " @import", "4-2", None]))
    >>> column.to_pylist(), n_changed
    (['0042', "'=1+1", "' @import", '4-2', None], 2)
    """
    if not is_text(column.type):
        return column, 0
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not any(_may_hold_formulas(chunk) for chunk in chunks):
        return column, 0
    hits = pc.fill_null(pc.match_substring_regex(column, FORMULA), fill_value=False)
    n_changed = pc.sum(hits).as_py() or 0
    if not n_changed:
        return column, 0
    apostrophe, nothing = (pa.scalar(sign, column.type) for sign in ("'", ""))
    return pc.if_else(hits, pc.binary_join_element_wise(apostrophe, column, nothing), column), int(n_changed)


def _as_text(column: pa.ChunkedArray, separator: str) -> tuple[pa.Array, int]:
    """Return the cells of a column as CSV shows them (large text, so that no block outgrows its offsets)."""
    values = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks else pa.array([], type=column.type)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, *map(as_scalar, TRUE_FALSE)), 0
    texts = values.cast(pa.large_string())
    if not is_text(values.type):
        return texts, 0
    texts, n_changed = neutralise(texts)
    return _quoted(texts, separator), n_changed


def _quoted(texts: pa.Array, separator: str) -> pa.Array:
    """Quote the cells that hold a separator, a quote or a line's end."""
    content = read_content(texts)
    special = [sign for sign in (*ALWAYS_QUOTED, separator.encode()) if sign in content]
    if not special:
        return texts
    needed = pc.match_substring_regex(texts, "[" + b"".join(special).decode() + "]")
    doubled = pc.replace_substring(texts, '"', '""') if b'"' in special else texts
    return pc.if_else(needed, join_texts('"', doubled, '"'), texts)


def _may_hold_formulas(chunk: pa.Array) -> bool:
    """Whether the first byte of any cell is one with which a formula, or a blank before one, can begin."""
    offsets = read_offsets(chunk)
    starts = offsets[:-1][np.diff(offsets) > 0]
    if not len(starts):
        return False
    content = np.frombuffer(chunk.buffers()[2], dtype=np.uint8)
    return bool(SUSPICIOUS[content[starts]].any())
