"""The bytes of a text table cut into blocks of whole records."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, NamedTuple

from poi_predict.cohort.cell_marks import is_suspect
from poi_predict.cohort.streaming.text_blocks import UnfitText
from poi_predict.cohort.table_files import NOTHING
from poi_predict.cohort.table_text import read_head, read_top

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["TextStart", "cut_records", "find_start"]

_HEAD = 4 * 1024**2 + 64  # bytes: `find_delimiter` looks at a million characters, of up to four bytes each
_LONGEST_RECORD = 64 * 1024**2  # bytes; a longer one rather is a quote that nobody closes
_UTF8 = ("auto", "utf-8", "utf8", "utf_8", "utf-8-sig", "u8")
_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE, b"PK\x03\x04")


class TextStart(NamedTuple):
    """Headers of a text table, its delimiter, and the byte at which its rows start."""

    headers: tuple[str, ...]
    delimiter: str
    rows: int
    header_row: int
    top: tuple[tuple[int, tuple[str, ...]], ...]


def find_start(file: BinaryIO, settings: ReadingSettings) -> TextStart:
    """Read the beginning of a text table.

    Raises
    ------
    UnfitText
        If it is not UTF-8, or begins so unusually that the table must be read whole.
    CohortError
        If the header's quotes do not match, or the table is too wide.
    """
    head = file.read(_HEAD)
    whole = len(head) < _HEAD
    if settings.encoding.lower() not in _UTF8 or head.startswith(_OTHER_MARKS) or not head.strip(NOTHING):
        raise UnfitText
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head[mark:], final=whole)
    except UnicodeDecodeError:
        raise UnfitText from None
    if "\x00" in text or text.startswith("\ufeff"):
        raise UnfitText
    found = read_head(text, settings)
    cut_short = not whole and (found.rows == len(text) or found.start > len(text) // 8)
    if cut_short or not any(header.strip() for header in found.headers):
        raise UnfitText
    top = read_top(text[found.start :], found)
    if is_suspect(text[: found.rows].encode()):
        raise UnfitText
    return TextStart(tuple(found.headers), found.delimiter, mark + len(text[: found.rows].encode()), found.row, top)


def cut_records(file: BinaryIO, n_bytes: int) -> Iterator[bytes]:
    r"""Cut what is left of a file into blocks of about `n_bytes`, each of whole records.

    >>> import io
    >>> list(cut_records(io.BytesIO(b'1,a\n2,"b\nb"\n3,c'), 6))
    [b'1,a\n', b'2,"b\nb"\n', b'3,c']

    Raises
    ------
    UnfitText
        If a record is so long that a quote must be open.
    """
    rest = b""
    while chunk := file.read(n_bytes):
        rest += chunk
        end = _last_end(rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > _LONGEST_RECORD:
            raise UnfitText
    if rest:
        yield rest


def _last_end(content: bytes) -> int:
    """Return where the last whole record ends: after a line end with as many opening as closing quotes before it."""
    line_end = b"\n" if b"\n" in content else b"\r"
    stop = len(content) if line_end == b"\n" else len(content) - 1  # a line feed may follow the last "\r"
    end = content.rfind(line_end, 0, stop)
    quotes = content.count(b'"', 0, end) if end >= 0 else 0
    while end >= 0 and quotes % 2:
        before = content.rfind(line_end, 0, end)
        quotes -= content.count(b'"', max(before, 0), end)
        end = before
    return end + 1
