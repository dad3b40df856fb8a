"""CSV and TSV: encoding, delimiter, header, cells."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poi_predict.cohort.table_cells import Cells, refuse_too_wide
from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["decode_text", "find_delimiter", "read_text_cells"]

_DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_RECORDS = 20
_SAMPLE_CHARACTERS = 1_000_000
_COMMON_SHARE = 0.8  # share of characters outside ASCII that common Chinese text has in GB 2312
_BLANK_START = re.compile(r"\A(?:[\s,;|\"]*[\r\n])+")
_SEPARATOR_HINT = re.compile(r"\A\"?sep=(.)\"?\r?\n", re.IGNORECASE)


def read_text_cells(content: bytes, settings: ReadingSettings) -> Cells:
    """Read the cells of a CSV or TSV file.

    Raises
    ------
    CohortError
        If the bytes are no text, the quotes do not match or the table is too wide.
    """
    text = decode_text(content, settings.encoding)
    hint = _SEPARATOR_HINT.match(text)
    text = _BLANK_START.sub("", text[hint.end() :] if hint else text)
    delimiter = settings.delimiter
    if delimiter == "auto":
        delimiter = hint.group(1) if hint and hint.group(1) in _DELIMITERS else find_delimiter(text)
    headers = next(_records(text, delimiter))
    refuse_too_wide(len(headers), settings.max_columns)
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=delimiter, header=None, dtype="str", na_filter=False, skip_blank_lines=False,
            engine="c", index_col=False,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning):
        return _read_record_by_record(text, delimiter)
    columns = [frame[i].iloc[1:].reset_index(drop=True) for i in range(frame.shape[1])]
    return Cells(headers, columns, np.zeros(len(frame) - 1, dtype=bool))


def decode_text(content: bytes, encoding: str) -> str:
    """Return the text of a file; "auto" tries a byte-order mark, UTF-8, then GB18030.

    GB18030 gives a meaning to nearly any bytes, so it is believed only where most characters are common ones.

    Examples
    --------
    >>> decode_text("病因;AMH".encode("gb18030"), "auto")
    '病因;AMH'
    >>> decode_text("Zentrum;Prüfärztin".encode("cp1252"), "auto")
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: A text table must be in UTF-8 or GB18030; this one is in neither. Save it as UTF-8,
    or set cohort.encoding, for example to "cp1252".
    """
    if encoding != "auto":
        return _decode_declared(content, encoding)
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_declared(content, name)
    if content.startswith(b"PK\x03\x04"):
        raise CohortError("A .csv file must hold text; this one is a workbook. Rename it to .xlsx.")
    if b"\x00" in content:
        raise CohortError("A text table must not hold NUL bytes; this one does. Save it as UTF-8 text.")
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


def _decode_declared(content: bytes, encoding: str) -> str:
    name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    try:
        text = content.decode(name)
    except (UnicodeError, ValueError):
        raise CohortError(f"The table must be in {encoding}; it is not. Correct cohort.encoding.") from None
    if "\x00" in text:
        raise CohortError(f"A text table must not hold NUL characters; read as {encoding}, this one does.")
    return text


def find_delimiter(text: str) -> str:
    r"""Return the separator that splits the first records most evenly and finely.

    >>> find_delimiter("id;age;FSH, mIU/mL\n1;36,5;80,1\n2;29,0;60,2\n")
    ';'
    >>> find_delimiter("id\tamh\nW1\t<0,02\n") == "\t"
    True
    """
    sample = text[:_SAMPLE_CHARACTERS]

    def evenness(delimiter: str) -> tuple[float, int]:
        counts = []
        try:
            for record in itertools.islice(_records(sample, delimiter), _SAMPLE_RECORDS):
                counts.append(len(record))
        except CohortError:
            pass
        counts = [n for n in counts if n]
        if not counts or counts[0] < 2:
            return (0.0, 0)
        return (sum(n == counts[0] for n in counts) / len(counts), counts[0])

    return max(_DELIMITERS, key=evenness)


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        yield from reader
    except csv.Error:
        raise CohortError(
            f"The quotes of a text table must match; they do not near line {reader.line_num}. Close the quotes, or "
            "export the table again."
        ) from None


def _read_record_by_record(text: str, delimiter: str) -> Cells:
    """Read rows of uneven length: short ones are filled up, long ones are kept and marked."""
    headers, *rows = _records(text, delimiter)
    width = len(headers)
    overlong = np.array([any(cell.strip() for cell in row[width:]) for row in rows], dtype=bool)
    columns = list(itertools.zip_longest(*(row[:width] for row in rows), fillvalue=""))
    columns += [("",) * len(rows)] * (width - len(columns))
    return Cells(headers, [pd.Series(column, dtype="str") for column in columns], overlong)
