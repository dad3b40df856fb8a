"""Slices of the row groups of Parquet files, decoded in order: no group is held in memory whole.

A row group may be as large as its file, and can only be decoded from its beginning. Blocks are mostly asked for in
order, so the reader of a group goes on where it stopped; a block asked for late is decoded again.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from poi_predict.cohort.bombs import list_chunks
from poi_predict.cohort.streaming.surveyed import changed
from poi_predict.files import shown_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RowGroup", "open_parquet", "row_group_checksum", "slices_of", "take_slice"]

_AT_ONCE = 4 * 1024**2  # bytes
_PASSED_OVER = 4  # slices kept for the threads that will ask for them
_OPEN_GROUPS = 2


class RowGroup(NamedTuple):
    """Columns of one row group (None: all of them), cut into slices of `n_rows`."""

    path: Path
    group: int
    columns: tuple[str, ...] | None
    n_rows: int
    checksum: int


def open_parquet(path: Path) -> Any:
    """Open a Parquet file so that it is read bit by bit."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    return pq.ParquetFile(path, pre_buffer=False, buffer_size=_AT_ONCE)


def slices_of(file: Any, source: RowGroup) -> Iterator[tuple[int, pa.Table]]:
    """Yield a row group in slices, each with the position of its first row in the group."""
    start, held, n_rows = 0, [], source.n_rows
    columns = None if source.columns is None else list(source.columns)
    for batch in file.iter_batches(n_rows, row_groups=[source.group], columns=columns, use_threads=False):
        held.append(batch)
        while sum(map(len, held)) >= n_rows:
            table = pa.Table.from_batches(held)
            yield start, table.slice(0, n_rows)
            start += n_rows
            held = table.slice(n_rows).to_batches()
    if sum(map(len, held)):
        yield start, pa.Table.from_batches(held)


def row_group_checksum(path: Path, file: Any, group: int) -> int:
    """Return the checksum of the bytes of a row group.

    Raises
    ------
    OSError, pyarrow.ArrowInvalid
        If the file's account of the group is damaged.
    """
    chunks = list_chunks(file, group)
    starts = [
        min(offset for offset in (chunk.dictionary_page_offset, chunk.data_page_offset) if offset) for chunk in chunks
    ]
    ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
    checksum = zlib.crc32(repr((file.metadata.row_group(group).num_rows, starts, ends)).encode())
    with path.open("rb") as raw:
        raw.seek(min(starts, default=0))
        left = max(ends, default=0) - raw.tell()
        while left > 0 and (content := raw.read(min(_AT_ONCE, left))):
            checksum = zlib.crc32(content, checksum)
            left -= len(content)
    return checksum


@dataclass
class _GroupReader:
    """A row group being decoded."""

    source: RowGroup
    lock: threading.Lock = field(default_factory=threading.Lock)
    slices: Iterator[tuple[int, pa.Table]] | None = None
    position: int = 0
    passed: OrderedDict[int, pa.Table] = field(default_factory=OrderedDict)

    def take(self, start: int) -> pa.Table:
        with self.lock:
            if start in self.passed:
                return self.passed.pop(start)
            if self.slices is None or start < self.position:
                self._open()
            for at, table in self.slices or ():
                self.position = at + len(table)
                if at == start:
                    return table
                self.passed[at] = table
                if len(self.passed) > _PASSED_OVER:
                    self.passed.popitem(last=False)
            raise changed(shown_name(self.source.path))

    def _open(self) -> None:
        source = self.source
        file = open_parquet(source.path)
        if source.group >= file.num_row_groups or (
            row_group_checksum(source.path, file, source.group) != source.checksum
        ):
            raise changed(shown_name(source.path))
        self.slices, self.position = slices_of(file, source), 0


_READERS: OrderedDict[RowGroup, _GroupReader] = OrderedDict()
_READERS_LOCK = threading.Lock()


def take_slice(source: RowGroup, start: int) -> pa.Table:
    """Return the slice of a row group that begins at row `start` of the group.

    Raises
    ------
    CohortError
        If the row group is not the one that was surveyed.
    """
    with _READERS_LOCK:
        reader = _READERS.setdefault(source, _GroupReader(source))
        _READERS.move_to_end(source)
        while len(_READERS) > _OPEN_GROUPS:
            _READERS.popitem(last=False)
    return reader.take(start)
