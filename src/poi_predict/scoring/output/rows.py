"""The rows of an output while they grow: text that is ready as it stands, or Arrow to be assembled at the end."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from poi_predict.errors import OutputError
from poi_predict.files import make_private_folder
from poi_predict.scoring.output.assembling import assemble
from poi_predict.scoring.output.blocks import SEPARATORS
from poi_predict.scoring.output.csv_rows import header_as_csv
from poi_predict.scoring.output.growing import DamagedError, GrowingFile
from poi_predict.scoring.output.places import part_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

__all__ = ["GrowingRows", "open_rows"]

FOLDER, STREAM, ASSEMBLED = "scores", "scores.arrow", "assembled"


class GrowingRows(Protocol):
    """Rows that are appended block by block."""

    @property
    def position(self) -> dict[str, Any]:
        """Where the rows end; plain JSON values."""

    def append(self, content: bytes, n_rows: int) -> None:
        """Write a block's rows at the end."""

    def complete(self, n_rows: int) -> Path:
        """Return the file, or the folder of parts, once every row is on disk; there must be so many."""

    def close(self) -> None:
        """Close what is open."""


def open_rows(
    folder: Path, columns: pa.Schema, suffix: str, part_rows: int | None, position: Mapping[str, Any] | None
) -> GrowingRows:
    """Return the rows of a work folder, at a position or at their beginning.

    Parameters
    ----------
    folder : Path
        The work folder.
    columns : pa.Schema
        Of the scores.
    suffix : str
        Of the output.
    part_rows : int or None
        Most rows of a part.
    position : mapping or None
        From `GrowingRows.position`.

    Raises
    ------
    DamagedError
        If the folder does not hold what it held at that position.
    """
    if suffix in SEPARATORS:
        return _TextRows(folder / FOLDER, header_as_csv(columns.names, SEPARATORS[suffix]), suffix, part_rows, position)
    return _ArrowRows(folder, columns, suffix, part_rows, position)


class _TextRows:
    """CSV or TSV, each part with the header, cut at a row's end."""

    def __init__(
        self, folder: Path, header: bytes, suffix: str, part_rows: int | None, position: Mapping[str, Any] | None
    ) -> None:
        self._folder, self._header, self._suffix, self._part_rows = folder, header, suffix, part_rows
        make_private_folder(folder)
        if position is None:
            self._number, self._rows = 0, 0
            self._file = GrowingFile(folder / part_name(0, suffix))
            self._file.append(header)
            return
        self._number, self._rows = int(position["part"]), int(position["rows"])
        kept = {part_name(number, suffix) for number in range(self._number + 1)}
        for path in folder.iterdir():
            if path.name not in kept:
                path.unlink()
        if len(list(folder.iterdir())) != len(kept):
            raise DamagedError
        self._file = GrowingFile(folder / part_name(self._number, suffix), position)

    @property
    def position(self) -> dict[str, Any]:
        return {"part": self._number, "rows": self._rows, **self._file.position}

    def append(self, content: bytes, n_rows: int) -> None:
        _check_count(n_rows, _count_rows(content))
        if self._part_rows is None:
            self._file.append(content)
            return
        ends, done, start = None, 0, 0
        while done < n_rows:
            if self._rows == self._part_rows:
                self._begin_part()
            taken = min(n_rows - done, self._part_rows - self._rows)
            done += taken
            if done < n_rows and ends is None:
                ends = _find_row_ends(content)
            stop = len(content) if ends is None or done == n_rows else int(ends[done - 1])
            self._file.append(content[start:stop])
            self._rows, start = self._rows + taken, stop

    def complete(self, n_rows: int) -> Path:  # noqa: ARG002 - counted as they came
        self._file.sync()
        return self._folder if self._part_rows is not None else self._file.path

    def close(self) -> None:
        self._file.close()

    def _begin_part(self) -> None:
        self._file.sync()
        self._file.close()
        self._number, self._rows = self._number + 1, 0
        self._file = GrowingFile(self._folder / part_name(self._number, self._suffix))
        self._file.append(self._header)


class _ArrowRows:
    """Arrow streams one after the other, one a block; Parquet or XLSX is made of them at the end."""

    def __init__(
        self, folder: Path, columns: pa.Schema, suffix: str, part_rows: int | None, position: Mapping[str, Any] | None
    ) -> None:
        self._folder, self._columns, self._suffix, self._part_rows = folder, columns, suffix, part_rows
        self._file = GrowingFile(folder / STREAM, position)

    @property
    def position(self) -> dict[str, Any]:
        return dict(self._file.position)

    def append(self, content: bytes, n_rows: int) -> None:  # noqa: ARG002 - the stream knows its rows
        self._file.append(content)

    def complete(self, n_rows: int) -> Path:
        assembled = self._folder / ASSEMBLED
        shutil.rmtree(assembled, ignore_errors=True)  # of a run that was killed while it assembled
        make_private_folder(assembled)
        written = assemble(self._file.path, assembled, self._columns, self._suffix, self._part_rows)
        _check_count(n_rows, written)
        return assembled if self._part_rows is not None else assembled / part_name(0, self._suffix)

    def close(self) -> None:
        self._file.close()


def _check_count(wanted: int, found: int) -> None:
    if wanted != found:
        raise OutputError(
            f"Every scored row must be written once; {wanted} were scored and {found} are there. "
            "This is a defect: please report it."
        )


def _count_rows(content: bytes) -> int:
    return len(_find_row_ends(content)) if b'"' in content else content.count(b"\n")


def _find_row_ends(content: bytes) -> np.ndarray:
    """Return the offset just after each row of CSV bytes; a line's end inside quotes ends no row."""
    signs = np.frombuffer(content, dtype=np.uint8)
    ends = signs == ord("\n")
    if b'"' in content:
        ends &= ~np.logical_xor.accumulate(signs == ord('"'))
    return np.flatnonzero(ends) + 1
