"""Packed tables that are small on disk and would fill the memory: refused before they are unpacked.

What is compared is what a file claims of itself with its size, and for Parquet the longest text that its rows refer
to; the bounds are far above what tables of women come to.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from poi_predict.errors import CohortError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["list_chunks", "refuse_packed_parquet", "refuse_packed_workbook"]

LARGEST_WORKBOOK = 2 * 1024**3  # bytes once unpacked
MOST_PARTS = 10_000
EXPANSION = 100  # bytes for each byte on disk; sheets and pages come to 5 to 20
FREE_BYTES = 64 * 1024**2
FREE_ROWS, ROWS_PER_BYTE = 1_000_000, 10  # a row with an identifier of its own takes a byte or more
MOST_TEXT = 2 * 1024**3  # bytes of one column's texts at once
ENTRY = b"PK\x01\x02"  # of the list of an archive's parts


def refuse_packed_workbook(content: bytes) -> None:
    """Refuse a workbook that unpacks to too much.

    Parameters
    ----------
    content : bytes
        The file.

    Raises
    ------
    CohortError
    zipfile.BadZipFile
        If it is no archive at all.

    Examples
    --------
    >>> packed = io.BytesIO()
    >>> with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
    ...     archive.writestr("xl/worksheets/sheet1.xml", bytes(100 * 1024**2))
    >>> refuse_packed_workbook(packed.getvalue())
    Traceback (most recent call last):
    ...
    poi_predict.errors.CohortError: A workbook must not unpack to 100 times its size; this one does. Save it as CSV.
    """
    if content.count(ENTRY) > MOST_PARTS:
        raise CohortError(f"A workbook must have at most {MOST_PARTS} parts; this one has more. Save it as CSV.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > LARGEST_WORKBOOK:
        raise CohortError("A workbook must be smaller than 2 GiB unpacked; this one is not. Save it as CSV.")
    if unpacked > FREE_BYTES + EXPANSION * len(content):
        raise CohortError(f"A workbook must not unpack to {EXPANSION} times its size; this one does. Save it as CSV.")


def refuse_packed_parquet(source: Path | pa.BufferReader, n_bytes: int, n_at_once: int | None = None) -> None:
    """Refuse a Parquet file that claims more rows or bytes than its size can hold, or repeats long texts too often.

    Parameters
    ----------
    source : Path or pa.BufferReader
        The file.
    n_bytes : int
        Its size.
    n_at_once : int, optional
        Most rows that are held in memory at a time; None means all of them.

    Raises
    ------
    CohortError
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(source, pre_buffer=False) as file:
        facts = file.metadata
        groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
        claimed = sum(group.total_byte_size for group in groups)
        if sum(group.num_rows for group in groups) > FREE_ROWS + ROWS_PER_BYTE * n_bytes:
            raise CohortError(
                f"A Parquet file must not claim {ROWS_PER_BYTE} rows and more for each of its bytes; this one does. "
                "Export it again, with an identifier in every row."
            )
        if claimed > FREE_BYTES + EXPANSION * n_bytes:
            raise CohortError(
                f"A Parquet file must not unpack to {EXPANSION} times its size; this one does. Export it again."
            )
        texts = [str(field.name) for field in file.schema_arrow if _is_text(field.type)]
    repeated = 0
    for i, group in enumerate(groups if texts else []):
        rows = group.num_rows if n_at_once is None else min(group.num_rows, n_at_once)
        longest = _longest_repeated(source, i, texts, rows)
        repeated = repeated + rows * longest if n_at_once is None else rows * longest
        if repeated > MOST_TEXT:
            raise CohortError(
                "A Parquet file must not repeat long texts in more rows than fit into memory; this one does. "
                "Shorten the texts."
            )


def list_chunks(file: Any, group: int) -> list[Any]:
    """Return what a Parquet file says of the columns of a row group.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    group : int

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        If what it says is damaged.
    """
    # pyarrow ends the process where `column` meets a damaged account of a chunk; its reader refuses it by an error.
    next(iter(file.iter_batches(1, row_groups=[group], use_threads=False)), None)
    facts = file.metadata.row_group(group)
    return [facts.column(i) for i in range(facts.num_columns)]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _longest_repeated(source: Path | pa.BufferReader, group: int, names: list[str], n_rows: int) -> int:
    """Return the length of the longest text that rows may repeat by its number; only that list of texts is read."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(source, read_dictionary=names, pre_buffer=False) as file:
        sizes: dict[str, Any] = {
            chunk.path_in_schema: chunk.total_uncompressed_size
            for chunk in list_chunks(file, group)
            if chunk.has_dictionary_page
        }
        suspects = [name for name in names if sizes.get(name, 0) * n_rows > MOST_TEXT]
        if not suspects:
            return 0
        first = next(iter(file.iter_batches(1, row_groups=[group], columns=suspects, use_threads=False)), None)
    columns = [] if first is None else [column for column in first.columns if pa.types.is_dictionary(column.type)]
    return max((pc.max(pc.binary_length(column.dictionary)).as_py() or 0 for column in columns), default=0)
