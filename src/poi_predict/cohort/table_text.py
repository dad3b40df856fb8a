"""CSV and TSV files as cells: encoding, delimiter, header, rows."""

from __future__ import annotations

import csv
import io
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from poi_predict.cohort.table_cells import TOP_ROWS, Cells, Mark, refuse_too_wide
from poi_predict.cohort.text_encoding import decode_text
from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["TextHead", "cells_of_records", "find_delimiter", "read_head", "read_text_cells", "read_top"]

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_RECORDS = 20
_SAMPLE_CHARACTERS = 1_000_000
_BLANK_START = re.compile(r"\A(?:[\s,;|\"]*[\r\n])+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_QUOTED_FORMULA = re.compile(
    r'(^|[,;\t|])="([^"\r\n]*)"(?=[,;\t|\r\n]|\Z)', re.MULTILINE
)  # ="0042" keeps a text a text
_SEPARATOR_LINE = re.compile(r"\A\"?sep=([,;|\t])\"?\r?\n", re.IGNORECASE)  # spreadsheets write it


def read_text_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read the cells of a CSV or TSV file.

    Raises
    ------
    CohortError
        If the bytes are no text, the quotes do not match or the table is too wide.
    """
    text = decode_text(content, settings.encoding)
    if '="' in text:
        text = _QUOTED_FORMULA.sub(r'\1"\2"', text)
    head = read_head(text, settings)
    text = text[head.start :]
    top = read_top(text[:_SAMPLE_CHARACTERS], head)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=head.delimiter,
            header=None,
            dtype="str",
            na_filter=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return _read_record_by_record(text, head)._replace(header_row=head.row, top=top)
    if frame.shape[1] != len(head.headers) or _has_short_rows(text, head):
        return _read_record_by_record(text, head)._replace(header_row=head.row, top=top)
    columns = [frame[i].iloc[1:].reset_index(drop=True) for i in frame.columns]
    return Cells(head.headers, columns, np.zeros(len(frame) - 1, dtype=bool), head.row, top=top)


class TextHead(NamedTuple):
    """How a text table begins: where its header starts and its rows start (in characters), and what it says.

    `row` is the header's row as a spreadsheet program counts them.
    """

    start: int
    rows: int
    delimiter: str
    headers: list[str]
    row: int = 1


def read_head(text: str, settings: ReadingSettings) -> TextHead:
    r"""Find the delimiter and the header of a text table, below a separator line and blank lines.

    Raises
    ------
    CohortError
        If the quotes of the header do not match, the table is too wide or ends above the header's declared row.

    Examples
    --------
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> read_head("sep=;\n\nid;age\n1;36\n", ReadingSettings())
    TextHead(start=7, rows=14, delimiter=';', headers=['id', 'age'], row=2)
    >>> read_head("Our women\nid;age\n1;36\n", ReadingSettings(header_row=2)).headers
    ['id', 'age']
    """
    declared = _SEPARATOR_LINE.match(text)
    start, row = (declared.end() if declared else 0), 1
    for _ in range(1, 1 if settings.header_row == "auto" else settings.header_row):
        if (line_end := _LINE_END.search(text, start)) is None:
            raise CohortError(
                f"cohort.header_row must be a row of the table; it is {settings.header_row}, and the table has "
                f"{row} {'row' if row == 1 else 'rows'}. Correct it."
            )
        start, row = line_end.end(), row + 1
    if blank := _BLANK_START.match(text[start:]):
        start += blank.end()
        row += len(_LINE_END.findall(blank.group()))
    delimiter = settings.delimiter
    if delimiter == "auto":
        delimiter = declared.group(1) if declared else find_delimiter(text[start : start + _SAMPLE_CHARACTERS])
    lines = _Lines(text[start:])
    headers = next(_records(lines, delimiter), [])
    refuse_too_wide(len(headers), settings.max_columns)
    return TextHead(start, start + lines.length, delimiter, headers, row)


def read_top(text: str, head: TextHead) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return the first rows under a header, each with its row in the file; `text` begins at the header."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=head.delimiter)
    try:
        records = list(itertools.islice(reader, TOP_ROWS + 1))
    except csv.Error:
        return ()
    return tuple((head.row + i, tuple(record)) for i, record in enumerate(records) if i)


class _Lines:
    """The lines of a text, and how many characters were in those already taken."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.length = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.length += len(line)
            yield line


def find_delimiter(text: str) -> str:
    r"""Return the separator that splits the first records most evenly and finely; a title above them has no say.

    >>> find_delimiter("id;age;FSH, mIU/mL\n1;36,5;80,1\n2;29,0;60,2\n")
    ';'
    >>> find_delimiter("id\tamh\nW1\t<0,02\n") == "\t"
    True
    """
    sample = text[:_SAMPLE_CHARACTERS]

    def evenness(delimiter: str) -> tuple[float, int]:
        filled = [width for width in _widths(sample, delimiter) if width]
        widths = list(itertools.dropwhile(lambda width: width == 1, filled))
        if not widths:
            return 0.0, 0
        return widths.count(widths[0]) / len(filled), widths[0]

    return max(_DELIMITERS, key=evenness)


def _widths(text: str, delimiter: str) -> list[int]:
    """Return how many cells the first records have; quotes that do not match yet say nothing against them."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [len(record) for record in itertools.islice(reader, _SAMPLE_RECORDS)]
    except csv.Error:
        return []


def _records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error:
        raise CohortError(
            f"The quotes of a text table must match; they do not near line {reader.line_num}. Close the "
            "quotes, or export the table again."
        ) from None


def _has_short_rows(text: str, head: TextHead) -> bool:
    """Whether a row ends before the last named column does; the parser fills it up in silence."""
    named = _named_width(head.headers)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=head.delimiter)
    try:
        return any(0 < len(record) < named and any(map(str.strip, record)) for record in reader)
    except csv.Error:
        return False


def _named_width(headers: list[str]) -> int:
    return max((i + 1 for i, header in enumerate(headers) if header.strip()), default=0)


def _read_record_by_record(text: str, head: TextHead) -> Cells:
    """Read rows of uneven length: short ones are filled up, long ones are cut, both are marked."""
    headers, *rows = _records(io.StringIO(text, newline=""), head.delimiter)
    return cells_of_records(headers, rows)


def cells_of_records(headers: list[str], rows: list[list[str]]) -> Cells:
    """Return rows of uneven length as cells: short ones are filled up, long ones are cut, both are marked."""
    width, named = len(headers), _named_width(headers)
    short = np.array([len(row) < named and any(map(str.strip, row)) for row in rows], dtype=bool)
    overlong = np.array([any(cell.strip() for cell in row[width:]) for row in rows], dtype=bool)
    columns = list(itertools.zip_longest(*(row[:width] for row in rows), fillvalue=""))
    columns += [("",) * len(rows)] * (width - len(columns))
    marks = (Mark("short_row", None, short),) if short.any() else ()
    return Cells(headers, [pd.Series(column, dtype="str") for column in columns], overlong, marks=marks)
