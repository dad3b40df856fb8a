"""Scores and rejected rows on disk, both or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poi_predict.errors import OutputError
from poi_predict.files import staged_file
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from poi_predict.scoring.batch import Scored

__all__ = ["check_table_suffix", "rejected_path", "write_scored", "write_table", "write_whole_table"]

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")


def rejected_path(out: Path) -> Path:
    """Return where the rejected rows of scores written to `out` go.

    >>> from pathlib import Path
    >>> rejected_path(Path("scores.csv")).name
    'scores.csv.rejected.csv'
    """
    return out.with_name(out.name + ".rejected.csv")


def write_scored(scored: Scored, out: Path) -> None:
    """Write the scores to `out` and the rejected rows beside them.

    Raises
    ------
    OutputError
        If the suffix is unknown or the folder cannot be written; then neither file appears.
    """
    check_table_suffix(out)
    with staged_file(rejected_path(out)) as rejected, staged_file(out) as scores:
        write_table(scored.rejected, rejected, ".csv")
        write_table(scored.scores, scores, out.suffix.lower())


def write_whole_table(frame: pd.DataFrame, out: Path) -> None:
    """Write one frame to a file of its suffix, whole or not at all.

    Raises
    ------
    OutputError
        If the suffix is unknown or the folder cannot be written.
    """
    check_table_suffix(out)
    with staged_file(out) as partial:
        write_table(frame, partial, out.suffix.lower())


def check_table_suffix(path: Path) -> None:
    """Refuse a suffix that names no known kind of table."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(
            f"A table is written as {', '.join(SUFFIXES)} by its suffix; "
            f'"{suffix or path.name}" is none of them{suggest(suffix, SUFFIXES)}.'
        )


def write_table(frame: pd.DataFrame, path: Path, suffix: str) -> None:
    """Write a frame in the format that a suffix names."""
    if suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif suffix == ".xlsx":
        with path.open("wb") as file:
            frame.to_excel(file, index=False, engine="openpyxl")
    else:
        separator = "\t" if suffix == ".tsv" else ","
        frame.to_csv(path, index=False, sep=separator, encoding="utf-8", lineterminator="\n")
