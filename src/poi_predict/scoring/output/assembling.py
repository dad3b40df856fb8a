"""Parquet and XLSX made of the Arrow streams that a run left, some rows at a time.

The bytes depend on the rows alone, not on the blocks in which they came.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

from poi_predict.files import ONE_ROW_A_PATIENT, open_private
from poi_predict.scoring.output.places import part_name
from poi_predict.scoring.output.xlsx import write_xlsx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PATIENT_ROWS", "assemble"]

PATIENT_ROWS = {b"poi_predict": ONE_ROW_A_PATIENT.encode()}
"""Metadata of a Parquet file with rows of patients."""

GROUP_ROWS = 65_536
TEXT_OVERHEAD, LARGE = 8, 2**31  # bytes of a sheet for each byte of Arrow, at most


def assemble(streams: Path, folder: Path, columns: pa.Schema, suffix: str, part_rows: int | None) -> int:
    """Write the parts of an output, and force them to disk.

    Parameters
    ----------
    streams : Path
        Arrow IPC streams, one after the other.
    folder : Path
        Holds the parts afterwards.
    columns : pa.Schema
    suffix : str
        .parquet or .xlsx.
    part_rows : int or None
        Most rows of a part; None makes one part.

    Returns
    -------
    int
        Rows written.
    """
    number, rows = 0, _Rows(streams, columns)
    large = streams.stat().st_size * TEXT_OVERHEAD > LARGE
    while number == 0 or not rows.is_at_end:
        path = folder / part_name(number, suffix)
        os.close(open_private(path))
        _write_part(path, columns, rows.take_groups(part_rows), large=large)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        number += 1
    return rows.n_taken


def _write_part(path: Path, columns: pa.Schema, groups: Iterator[pa.Table], *, large: bool) -> None:
    if path.suffix == ".xlsx":
        write_xlsx(path, columns.names, groups, large=large)
    else:
        from pyarrow import parquet  # noqa: PLC0415 - only where it is written

        described = columns.with_metadata({**(columns.metadata or {}), **PATIENT_ROWS})
        with parquet.ParquetWriter(path, described) as writer:
            for group in groups:
                writer.write_table(group, row_group_size=GROUP_ROWS)


class _Rows:
    """The rows of streams that follow one another, taken some at a time."""

    def __init__(self, streams: Path, columns: pa.Schema) -> None:
        self._batches = _read_batches(streams)
        self._waiting, self._columns = columns.empty_table(), columns
        self.n_taken = 0
        self._fill(1)

    @property
    def is_at_end(self) -> bool:
        return not self._waiting.num_rows

    def take_groups(self, most: int | None) -> Iterator[pa.Table]:
        """Give tables of `GROUP_ROWS` rows until so many rows are taken, or none are left."""
        left = most
        while left is None or left > 0:
            wanted = GROUP_ROWS if left is None else min(left, GROUP_ROWS)
            self._fill(wanted)
            group = self._waiting.slice(0, wanted)
            if not group.num_rows:
                return
            yield group.combine_chunks()
            self._waiting = self._waiting.slice(wanted)
            self.n_taken += group.num_rows
            left = None if left is None else left - group.num_rows
        self._fill(1)

    def _fill(self, wanted: int) -> None:
        while self._waiting.num_rows < wanted:
            batch = next(self._batches, None)
            if batch is None:
                return
            self._waiting = pa.concat_tables([self._waiting, pa.Table.from_batches([batch]).cast(self._columns)])


def _read_batches(streams: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(streams), "rb") as file:
        size = file.size()
        while file.tell() < size:
            yield from pa.ipc.open_stream(file)
