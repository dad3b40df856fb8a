"""CSV and TSV files as cells: encoding, delimiter, header, rows."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from poi_predict.cohort.table_cells import Cells, refuse_too_wide
from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["TextHead", "cells_of_records", "decode_text", "find_delimiter", "read_head", "read_text_cells"]

_DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WORKBOOK = b"PK\x03\x04"
_SAMPLE_RECORDS = 20
_SAMPLE_CHARACTERS = 1_000_000
_COMMON_SHARE = 0.8  # at least this share of a Chinese text's characters is in GB 2312, the common ones
_BLANK_START = re.compile(r"\A(?:[\s,;|\"]*[\r\n])+")
_SEPARATOR_LINE = re.compile(r"\A\"?sep=([,;|\t])\"?\r?\n", re.IGNORECASE)  # spreadsheets write it


def read_text_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read the cells of a CSV or TSV file.

    Raises
    ------
    CohortError
        If the bytes are no text, the quotes do not match or the table is too wide.
    """
    text = decode_text(content, settings.encoding)
    head = read_head(text, settings)
    text = text[head.start :]
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
        return _read_record_by_record(text, head.delimiter)
    if frame.shape[1] != len(head.headers):
        return _read_record_by_record(text, head.delimiter)
    columns = [frame[i].iloc[1:].reset_index(drop=True) for i in frame.columns]
    return Cells(head.headers, columns, np.zeros(len(frame) - 1, dtype=bool))


class TextHead(NamedTuple):
    """How a text table begins: where its header starts and its rows start (in characters), and what it says."""

    start: int
    rows: int
    delimiter: str
    headers: list[str]


def read_head(text: str, settings: ReadingSettings) -> TextHead:
    r"""Find the delimiter and the header of a text table, below a separator line and blank lines.

    Raises
    ------
    CohortError
        If the quotes of the header do not match or the table is too wide.

    Examples
    --------
    >>> from poi_predict.cohort.mapping import ReadingSettings
    >>> read_head("sep=;\n\nid;age\n1;36\n", ReadingSettings())
    TextHead(start=7, rows=14, delimiter=';', headers=['id', 'age'])
    """
    declared = _SEPARATOR_LINE.match(text)
    start = declared.end() if declared else 0
    if blank := _BLANK_START.match(text[start:]):
        start += blank.end()
    delimiter = settings.delimiter
    if delimiter == "auto":
        delimiter = declared.group(1) if declared else find_delimiter(text[start : start + _SAMPLE_CHARACTERS])
    lines = _Lines(text[start:])
    headers = next(_records(lines, delimiter), [])
    refuse_too_wide(len(headers), settings.max_columns)
    return TextHead(start, start + lines.length, delimiter, headers)


class _Lines:
    """The lines of a text, and how many characters were in those already taken."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.length = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.length += len(line)
            yield line


def decode_text(content: bytes, encoding: str = "auto") -> str:
    """Return the text of a file; "auto" tries a byte-order mark, UTF-8, then GB18030.

    GB18030 gives a meaning to nearly any bytes, so it is believed only where most characters are common ones.

    Raises
    ------
    CohortError
        If the bytes are no text in that encoding.

    Examples
    --------
    >>> decode_text("病因;AMH".encode("gb18030"))
    '病因;AMH'
    >>> decode_text("Zentrum;Prüfärztin".encode("cp1252"))
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: A text table must be in UTF-8 or GB18030; this one is in neither. Save it
    as UTF-8, or set cohort.encoding, for example to "cp1252".
    """
    if content.startswith(_WORKBOOK):
        raise CohortError("A text table must hold text; this one is a workbook. Give it the suffix .xlsx.")
    text = _decode_auto(content) if encoding == "auto" else _decode_as(content, encoding)
    if "\x00" in text:
        raise CohortError("A text table must not hold NUL characters; this one does. Save it as UTF-8 text.")
    return text


def _decode_auto(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_as(content, encoding)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    foreign = "".join(character for character in text if not character.isascii())
    common = len(foreign.encode("gb2312", errors="ignore")) / 2
    if "\ufffd" in foreign or common < _COMMON_SHARE * len(foreign):
        raise CohortError(
            "A text table must be in UTF-8 or GB18030; this one is in neither. Save it as UTF-8, or set "
            'cohort.encoding, for example to "cp1252".'
        )
    return text


def _decode_as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except (UnicodeError, ValueError):
        raise CohortError(
            f"A text table must be in its encoding throughout; this one is not in {encoding}. Save it as "
            "UTF-8, or set cohort.encoding."
        ) from None


def find_delimiter(text: str) -> str:
    r"""Return the separator that splits the first records most evenly and finely.

    >>> find_delimiter("id;age;FSH, mIU/mL\n1;36,5;80,1\n2;29,0;60,2\n")
    ';'
    >>> find_delimiter("id\tamh\nW1\t<0,02\n") == "\t"
    True
    """
    sample = text[:_SAMPLE_CHARACTERS]

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = [width for width in _widths(sample, delimiter) if width]
        if not widths or widths[0] == 1:
            return 0.0, 0
        return widths.count(widths[0]) / len(widths), widths[0]

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


def _read_record_by_record(text: str, delimiter: str) -> Cells:
    """Read rows of uneven length: short ones are filled up, long ones are cut and marked."""
    headers, *rows = _records(io.StringIO(text, newline=""), delimiter)
    return cells_of_records(headers, rows)


def cells_of_records(headers: list[str], rows: list[list[str]]) -> Cells:
    """Return rows of uneven length as cells: short ones are filled up, long ones are cut and marked."""
    width = len(headers)
    overlong = np.array([any(cell.strip() for cell in row[width:]) for row in rows], dtype=bool)
    columns = list(itertools.zip_longest(*(row[:width] for row in rows), fillvalue=""))
    columns += [("",) * len(rows)] * (width - len(columns))
    return Cells(headers, [pd.Series(column, dtype="str") for column in columns], overlong)
