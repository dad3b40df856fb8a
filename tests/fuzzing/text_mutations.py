"""Ways in which text tables, and bytes of any kind, come damaged, odd or hostile."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Callable
from random import Random

from fuzzing.seeds import WORD

Mutation = Callable[[bytes, Random], bytes]

NASTY = (
    "", " ", "NA", "nan", "-nan", "inf", "-Infinity", "1e999", "-1e999", "1e-999", "9" * 400, "0x1F", "1_000",
    "٣٦", "３６",
    "1,5", "1.234,5", "1,234.5", "1.2.3", "--5", "+5", "5 x 10^6", "<0", "<", "<0,02", "<<5", ">150", ">1e9", "≤0.1",
    "=1+1", "=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(1)", "\t=1+1", "\u202e=1+1", "\ufeff", "\u200b", "\u00a0",
    "\u2028",
    "\x85", "\x1a", "\x0b", "\x0c", "\x1c", "\x1fNA", "\x7f", "e\u0301", "\U0001f930", "\ud800", "’", '"', '""', "\\",
    "\r", "\n", "NULL", "#REF!", "TRUE", "2024-01-02", "12:30", "1/2", "$5", "50%", "None", "none", "{}", "[1]",
    "<script>alert(1)</script>", "{column}", "%s", "../../etc/passwd", "SYNTHETIC", "synthetic", "row-1", "0", "-0.0",
)  # fmt: skip
ENCODINGS = (
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "gb18030",
    "cp1252",
    "latin-1",
    "utf-7",
    "cp037",
    "shift_jis",
)
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def flip(content: bytes, rng: Random) -> bytes:
    """Some bytes become others."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 40))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut(content: bytes, rng: Random) -> bytes:
    """The end, the beginning or some of the middle is lost."""
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:a], content[b:], content[:a] + content[b:]))


def double(content: bytes, rng: Random) -> bytes:
    """A stretch, or the whole, is there twice."""
    if rng.random() < 0.3:
        return content + content
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:b] + content[a:b] + content[b:]


def insert(content: bytes, rng: Random) -> bytes:
    """Something hostile stands in between."""
    piece = rng.choice(
        (b"\x00", b'"', b"\r", b"\n", b"\x1a", b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"'", b"\\", *MARKS)
    )
    at = rng.choice((0, len(content), rng.randrange(len(content) + 1)))
    return content[:at] + piece * rng.choice((1, 1, 1, 3)) + content[at:]


def replace_bytes(content: bytes, rng: Random) -> bytes:
    """One byte value becomes another everywhere: separators, ends of lines, digits, quotes."""
    old, new = rng.choice((b",", b"\n", b'"', b".", b"1", b"\r", b" ")), rng.choice(
        (b";", b"\t", b"|", b",", b"\r\n", b"\r", b"'", b"\x00", b"", b'"', b" ", b"\n\n", b"\xe2\x80\xa8")
    )  # fmt: skip
    return content.replace(old, new, rng.choice((-1, -1, 1, 3)))


def shuffle_lines(content: bytes, rng: Random) -> bytes:
    """Lines are swapped, lost, blank or doubled."""
    lines = content.splitlines(keepends=True) or [b""]
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    action = rng.randrange(5)
    if action == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif action == 1:
        del lines[a]
    elif action == 2:
        lines.insert(a, rng.choice((b"\n", b"\r\n", b",,,,\n", b" \n", b"sep=;\n", b"# remark\n", b"\n\n\n")))
    elif action == 3:
        lines.insert(b, lines[a])
    else:
        lines = lines[: rng.choice((0, 1, 2))]
    return b"".join(lines)


def encode(content: bytes, rng: Random) -> bytes:
    """The text is in another encoding, or says so by a wrong mark."""
    text = content.decode("utf-8", "replace")
    if rng.random() < 0.3:
        return rng.choice(MARKS) + content
    return text.encode(rng.choice(ENCODINGS), "ignore")


def wrap(content: bytes, rng: Random) -> bytes:
    """The bytes are of another kind altogether."""
    return rng.choice(
        (b"", b"\n", b"\x00" * 50, b"PK\x03\x04" + content, gzip.compress(content), b"PAR1" + content + b"PAR1",
         b"\xd0\xcf\x11\xe0" + content, b"<html>" + content, b'"', b'"' + content, content + b'"', bytes(range(256)))
    )  # fmt: skip


ANY_BYTES: tuple[Mutation, ...] = (flip, flip, cut, double, insert)


def _records(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8", "surrogateescape"), newline="")))


def _written(rows: list[list[str]], separator: str = ",") -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator, lineterminator="\n", escapechar="\\").writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogateescape" if rows else "strict")


def _by_records(change: Callable[[list[list[str]], Random], None]) -> Mutation:
    def mutate(content: bytes, rng: Random) -> bytes:
        try:
            rows = _records(content)
        except csv.Error:
            return content
        if not rows or not rows[0]:
            return content
        change(rows, rng)
        try:
            return _written(rows)
        except (UnicodeEncodeError, csv.Error):
            buffer = "\n".join(",".join(row) for row in rows)
            return buffer.encode("utf-8", "surrogatepass")

    mutate.__name__ = change.__name__
    return mutate


def odd_cells(rows: list[list[str]], rng: Random) -> None:
    """Some cells hold what no clinic means."""
    for _ in range(rng.choice((1, 2, 5, 20))):
        row = rng.choice(rows[1:] or rows)
        if row:
            row[rng.randrange(len(row))] = rng.choice(NASTY) + rng.choice(("", "", WORD))


def odd_column(rows: list[list[str]], rng: Random) -> None:
    """A whole column holds one odd thing, or two."""
    at, cells = rng.randrange(max(len(rows[0]), 1)), rng.sample(NASTY, 2)
    for row in rows[1:]:
        if at < len(row):
            row[at] = rng.choice(cells)


def odd_headers(rows: list[list[str]], rng: Random) -> None:
    """Headers are doubled, empty, long, swapped or of another unit."""
    header = rows[0]
    a, b = rng.randrange(len(header)), rng.randrange(len(header))
    header[a] = rng.choice(
        (header[b], "", " ", header[a].upper(), header[a] + " (pmol/L)", header[a] + " [mg]", "x" * 40000, "age",
         "AMH", "patient_id", "amh__below", "p_response", "centre", "=1+1", "\u202e" + header[a], "1", "NA")
    )  # fmt: skip


def wide(rows: list[list[str]], rng: Random) -> None:
    """A row, or every row, is far too wide, or too narrow."""
    width = rng.choice((1, 3, 300, 5000, 20000))
    for row in rng.choice((rows, rows[:1], [rng.choice(rows)])):
        row.extend([rng.choice(("", "x", WORD))] * width if rng.random() < 0.8 else [])
        if rng.random() < 0.1:
            del row[rng.randrange(len(row) + 1) :]


def huge(rows: list[list[str]], rng: Random) -> None:
    """A cell holds a book."""
    row = rng.choice(rows)
    piece = rng.choice((WORD, "9", "x", '"', "\n", "=", "é"))
    row[rng.randrange(len(row)) if row else 0 :] = [piece * rng.choice((33_000, 140_000, 1_200_000))]


def few(rows: list[list[str]], rng: Random) -> None:
    """Very few women, or one of them many times."""
    kept = rows[1 : 1 + rng.choice((0, 1, 2, 4))]
    rows[1:] = kept * rng.choice((1, 1, 50))


def one_column(rows: list[list[str]], rng: Random) -> None:
    """Columns are lost, or only one is left."""
    width = len(rows[0])
    kept = sorted(rng.sample(range(width), min(width, rng.choice((1, 2, max(width - 1, 1))))))
    rows[:] = [[row[i] for i in kept if i < len(row)] for row in rows]


ANY_TEXT: tuple[Mutation, ...] = (*ANY_BYTES, replace_bytes, shuffle_lines, shuffle_lines, encode, wrap)
TEXT: tuple[Mutation, ...] = (
    *ANY_TEXT,
    *map(_by_records, (odd_cells, odd_cells, odd_cells, odd_column, odd_column, odd_headers, odd_headers, wide, huge,
                       few, one_column)),
)  # fmt: skip
