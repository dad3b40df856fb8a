"""A block of a UTF-8 text table as cells, by Arrow's parser; by the record reader where rows are uneven."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from poi_predict.cohort.cell_marks import is_suspect
from poi_predict.cohort.columns import lab_column
from poi_predict.cohort.missing import missing_spellings, numeric_missing
from poi_predict.cohort.streaming.cells import BlockCells, cells_of_arrow, holds, joined
from poi_predict.cohort.table_text import cells_of_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.mapping import ReadingSettings
    from poi_predict.cohort.streaming.plans import TextLayout

__all__ = ["CellKind", "UnfitText", "check_text", "kinds_of", "parse_text_block"]

CellKind = Literal["number", "spelt", "text"]
_CONVERSION = re.compile(r"In CSV column #(\d+): .*CSV conversion error to double")
_TYPES = {"number": pa.float64(), "spelt": pa.dictionary(pa.int32(), pa.string()), "text": pa.string()}
_QUOTE = ord('"')


class UnfitText(Exception):  # noqa: N818 - no error: the table is read in another way
    """The text cannot be cut into blocks with certainty; the table must be read whole."""


def check_text(content: bytes, delimiter: str) -> None:
    """Make sure that a block is UTF-8, that its quotes stand where cells begin and end, and that cells are plain.

    Raises
    ------
    UnfitText
        If not: then the cut between blocks may have been at the wrong place.
    """
    if not content.isascii():
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            raise UnfitText from None
    if b"\x00" in content or b"\x1a" in content or b"\xef\xbb\xbf" in content or is_suspect(content):
        raise UnfitText
    if b'"' not in content:
        return
    padded = np.frombuffer(b"\n" + content + b"\n", dtype=np.uint8)
    quotes = np.flatnonzero(padded == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        raise UnfitText
    edge = np.zeros(256, dtype=bool)
    edge[[ord(delimiter), ord("\n"), ord("\r")]] = True
    doubled = np.zeros(len(closing), dtype=bool)  # a quote closed and at once opened again is one quote of the cell
    doubled[:-1] = closing[:-1] + 1 == opening[1:]
    begins, ends = edge[padded[opening - 1]], edge[padded[closing + 1]]
    begins[1:] |= doubled[:-1]
    if not (begins.all() and (ends | doubled).all()):
        raise UnfitText


def kinds_of(columns: Iterable[ColumnPlan], settings: ReadingSettings, spelt: frozenset[int]) -> dict[int, CellKind]:
    """Return how the cells of each column are taken from the text.

    A column of decimal commas is never one of plain numbers; one known to hold other cells is not tried.
    """
    kinds: dict[int, CellKind] = {}
    for plan in columns:
        lab = lab_column(plan, settings)
        own = len(lab.missing) > len(missing_spellings(map(str, settings.missing)))  # its numbers are the block's too
        plain = plan.variable.is_numeric and lab.decimal != "," and not plan.is_composed and not own
        number = plain and plan.position not in spelt
        kinds[plan.position] = "number" if number else "text" if plan.variable.kind == "id" else "spelt"
        kinds |= dict.fromkeys(plan.companions, "spelt")
    return kinds


def parse_text_block(
    content: bytes, layout: TextLayout, kinds: Mapping[int, CellKind], missing: frozenset[str]
) -> BlockCells:
    """Return the cells of a block; a column asked for as numbers that holds anything else comes as text.

    Parameters
    ----------
    content : bytes
        Whole records in UTF-8.
    layout : TextLayout
        Delimiter and width.
    kinds : mapping of int to str
        Columns wanted: "number" where all cells are expected to be plain numbers or missing, "spelt" for text of few
        spellings, "text" for other text.
    missing : frozenset of str
        Spellings of "missing".
    """
    kinds = dict(kinds)
    while True:
        try:
            table = _parse(content, layout, kinds, missing)
        except pa.ArrowInvalid as error:
            at_fault = _CONVERSION.match(str(error))
            odd = {int(at_fault.group(1))} if at_fault else set()
        else:
            odd = {i for i, kind in kinds.items() if kind == "number" and _has_odd_numbers(table[i], missing)}
            if not odd:
                break
        if not odd:
            return _by_records(content, layout, kinds)
        kinds |= dict.fromkeys(odd, "spelt")
    filled = _filled(table)
    if not filled.all():
        everything = _parse(content, layout, dict.fromkeys(range(layout.width), "text"), missing)
        filled = _filled(everything)
    return BlockCells.of({i: cells_of_arrow(table[i]) for i in kinds}, filled)


def _parse(
    content: bytes, layout: TextLayout, kinds: Mapping[int, CellKind], missing: frozenset[str]
) -> dict[int, pa.Array]:
    from pyarrow import csv as arrow_csv  # noqa: PLC0415

    names = [str(i) for i in range(layout.width)]
    table = arrow_csv.read_csv(
        pa.BufferReader(content),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(content) + 1, use_threads=False),
        parse_options=arrow_csv.ParseOptions(
            delimiter=layout.delimiter, ignore_empty_lines=False, newlines_in_values=b'"' in content
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types={str(i): _TYPES[kind] for i, kind in kinds.items()},
            include_columns=[str(i) for i in kinds],
            null_values=sorted(missing | {spelling.upper() for spelling in missing if spelling.isascii()}),
            strings_can_be_null=False,
        ),
    )
    return {i: joined(table.column(str(i)).chunks, _TYPES[kind]) for i, kind in kinds.items()}


def _has_odd_numbers(column: pa.Array, missing: frozenset[str]) -> bool:
    """Whether numbers are among the cells that mean something else: "nan", "inf", or a study's 999."""
    numbers = column.to_numpy(zero_copy_only=False)
    unclear = ~np.isfinite(numbers) | np.isin(numbers, numeric_missing(missing))
    return int(np.count_nonzero(unclear)) > int(column.null_count)


def _filled(table: Mapping[int, pa.Array]) -> np.ndarray:
    """Return the rows that surely hold something; a null among numbers may stand for "NA" as well as for nothing."""
    filled = None
    for column in sorted(table.values(), key=lambda column: pa.types.is_floating(column.type)):
        found = _holds(column)
        filled = found if filled is None else filled | found
        if filled.all():
            break
    return np.zeros(0, dtype=bool) if filled is None else filled


def _holds(column: pa.Array) -> np.ndarray:
    if pa.types.is_floating(column.type):
        return np.array(column.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_dictionary(column.type):
        return np.asarray(holds(column.dictionary)[column.indices.to_numpy(zero_copy_only=False)])
    return holds(column)


def _by_records(content: bytes, layout: TextLayout, kinds: Mapping[int, CellKind]) -> BlockCells:
    """Read rows of uneven length, blank lines among them."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=layout.delimiter, strict=True))
    except csv.Error:
        raise UnfitText from None
    if any(len(row) < layout.named and any(map(str.strip, row)) for row in rows):
        raise UnfitText  # a row that is too short is to be named
    cells = cells_of_records([""] * layout.width, rows)
    arrays = [pa.array(column, pa.string(), from_pandas=True) for column in cells.columns]
    filled = cells.overlong.copy()
    for array in arrays:
        filled |= holds(array)
    columns = {
        i: cells_of_arrow(arrays[i] if kind == "text" else arrays[i].dictionary_encode()) for i, kind in kinds.items()
    }
    return BlockCells.of(columns, filled, cells.overlong)
