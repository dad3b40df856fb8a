"""How a cohort is read in blocks: what a survey of its tables found out, without any of its rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from poi_predict.cohort.reading import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from poi_predict.cohort.findings import Finding
    from poi_predict.cohort.headers import ColumnPlan
    from poi_predict.cohort.lab_clues import LabFacts
    from poi_predict.cohort.mapping import ReadingSettings

__all__ = ["BlockPlan", "BlockSize", "CohortPlan", "ParquetLayout", "TablePlan", "TextLayout"]


@dataclass(frozen=True)
class BlockSize:
    """How large blocks are: text is cut every so many bytes, other tables every so many rows.

    The size changes no result, only memory and speed.
    """

    n_bytes: int = 4 * 1024**2
    n_rows: int = 2**16


@dataclass(frozen=True)
class TextLayout:
    """How the rows of a text table are written.

    Attributes
    ----------
    delimiter : str
        Separator of the cells.
    width : int
        Number of cells in the header.
    spelt : frozenset of int
        Columns of numbers in which some cell is no plain number, so that all of them are read as text.
    n_bytes : int
        Size of the file.
    named : int
        Cells that a row must have: up to the last column with a name.
    """

    delimiter: str
    width: int
    spelt: frozenset[int] = frozenset()
    n_bytes: int = 0
    named: int = 0


@dataclass(frozen=True)
class ParquetLayout:
    """How the columns of a Parquet file are read.

    Attributes
    ----------
    headers : tuple of str
        Every column of the file.
    numbers : frozenset of int
        Columns read as numbers; the others are read as text.
    n_slice : int
        Rows of a slice of a row group.
    """

    headers: tuple[str, ...]
    numbers: frozenset[int]
    n_slice: int

    def names(self, positions: Iterable[int]) -> tuple[str, ...]:
        """Return the names of columns, in the order of the file."""
        return tuple(self.headers[i] for i in sorted(positions))


@dataclass(frozen=True)
class BlockPlan:
    """Where some rows of a table lie.

    Attributes
    ----------
    table : int
        Position of the table in the cohort.
    index : int
        Position of the block in the cohort.
    start, stop : int
        Bytes of a text table; otherwise rows, of the row group or of the whole table.
    group : int
        Row group of a Parquet file; -1 elsewhere.
    first_row : int
        Number of the block's first row in the table, 1 for the first under the header, blank rows counted.
    n_rows : int
        Rows that hold anything.
    checksum : int
        Of the bytes read in the survey.
    """

    table: int
    index: int
    start: int
    stop: int
    first_row: int
    n_rows: int
    group: int = -1
    checksum: int = 0


@dataclass(frozen=True)
class TablePlan:
    """One table of a cohort.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        File name without its folder.
    sha256 : str
        Hash of the file's bytes.
    n_rows : int
        Rows that hold anything.
    headers : tuple of str
        Column names as written.
    columns : tuple of ColumnPlan
        Which column is which variable, in which unit.
    facts : mapping of str to LabFacts
        What each column of numbers as a whole says about its cells, by variable.
    n_synthetic : int
        Rows that are SYNTHETIC.
    layout : TextLayout, ParquetLayout or None
        How the cells are found in the bytes; None where a table can only be read whole.
    warnings : tuple of Finding
        What is doubtful about the headers.
    """

    path: Path
    name: str
    sha256: str
    n_rows: int
    headers: tuple[str, ...]
    columns: tuple[ColumnPlan, ...] = field(repr=False)
    facts: Mapping[str, LabFacts] = field(repr=False)
    n_synthetic: int
    layout: TextLayout | ParquetLayout | None
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class CohortPlan:
    """All that is needed to read any block of a cohort; it can be sent to another process.

    Attributes
    ----------
    tables : tuple of TablePlan
        In the order in which they are read.
    blocks : tuple of BlockPlan
        In the order of the rows.
    settings : ReadingSettings
        How the files are written.
    left_aside : tuple of str
        Files in the same place that have a table's suffix and are none of the cohort's.
    """

    tables: tuple[TablePlan, ...]
    blocks: tuple[BlockPlan, ...] = field(repr=False)
    settings: ReadingSettings = field(repr=False)
    left_aside: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of treatment courses."""
        return sum(table.n_rows for table in self.tables)

    @property
    def synthetic(self) -> bool:
        """Whether the rows are SYNTHETIC; a cohort in which only some are is refused."""
        return any(table.n_synthetic for table in self.tables)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What identifies the cohort: the hash of its only file, or of the hashes of its files in order."""
        hashes = [table.sha256 for table in self.tables]
        joined = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
        return Fingerprint(joined, self.n_rows, max(len(table.headers) for table in self.tables))
