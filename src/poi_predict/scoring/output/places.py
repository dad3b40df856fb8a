"""Where the files of a scoring stand, and whether they may stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poi_predict.errors import OutputError
from poi_predict.files import explain_unwritten
from poi_predict.naming import suggest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "SUFFIXES",
    "OutputOptions",
    "check_place",
    "check_table_suffix",
    "list_existing",
    "part_name",
    "rejected_path",
    "summary_path",
    "work_path",
]

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")
PART = re.compile(r"part-\d{5,}\.(csv|tsv|xlsx|parquet)")


@dataclass(frozen=True)
class OutputOptions:
    """What is asked of an output.

    Attributes
    ----------
    resume : bool
        Go on where the same run was interrupted; start anew where none was.
    overwrite : bool
        Replace an existing output, once the new one is complete.
    part_rows : int, optional
        Write a folder of files of at most so many rows each, instead of one file.

    Raises
    ------
    OutputError
        If a part shall hold no row.

    Examples
    --------
    >>> OutputOptions(part_rows=0)
    Traceback (most recent call last):
    ...
    poi_predict.errors.OutputError: A part of an output must hold at least 1 row; 0 are asked for.
    """

    resume: bool = False
    overwrite: bool = False
    part_rows: int | None = None

    def __post_init__(self) -> None:
        if self.part_rows is not None and self.part_rows < 1:
            raise OutputError(f"A part of an output must hold at least 1 row; {self.part_rows} are asked for.")


def rejected_path(out: Path) -> Path:
    """Return where the rejected rows of scores written to `out` go.

    >>> from pathlib import Path
    >>> rejected_path(Path("scores.csv")).name
    'scores.csv.rejected.csv'
    """
    return out.with_name(out.name + ".rejected.csv")


def summary_path(out: Path) -> Path:
    """Return where the summary of scores written to `out` goes.

    >>> from pathlib import Path
    >>> summary_path(Path("scores.csv")).name
    'scores.csv.summary.json'
    """
    return out.with_name(out.name + ".summary.json")


def work_path(out: Path) -> Path:
    """Return the folder beside `out` that holds what is finished of it.

    >>> from pathlib import Path
    >>> work_path(Path("scores.csv")).name
    '.scores.csv.resume'
    """
    return out.absolute().parent / f".{out.name}.resume"


def part_name(number: int, suffix: str) -> str:
    """Return the name of a part, counted from 0.

    >>> part_name(12, ".csv")
    'part-00012.csv'
    """
    return f"part-{number:05d}{suffix}"


def list_existing(out: Path) -> list[Path]:
    """Return which of the three files of an output are there already."""
    places = (out, summary_path(out), rejected_path(out))
    return [path for path in places if path.is_symlink() or (path.exists() and not _is_empty_folder(path))]


def check_table_suffix(path: Path) -> None:
    """Refuse a suffix that names no known kind of table."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(
            f"A table is written as {', '.join(SUFFIXES)} by its suffix; "
            f'"{suffix or path.name}" is none of them{suggest(suffix, SUFFIXES)}.'
        )


def check_place(out: Path, options: OutputOptions) -> None:
    """Refuse a place where the output must not, or cannot, stand; nothing is written.

    Raises
    ------
    OutputError
        If the suffix is unknown, the folder does not exist, or something else stands there.
    """
    check_table_suffix(out)
    try:
        _check_place(out, options)
    except OSError as error:
        raise OutputError(explain_unwritten(out.name, error, "nothing was written")) from error


def _check_place(out: Path, options: OutputOptions) -> None:
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out.name} could not be written: its folder does not exist. Make it, or name another.")
    if options.part_rows is None and out.is_dir():
        raise OutputError(f"The output must be a file; {out.name} is a folder. Name a file.")
    if options.part_rows is not None and out.exists() and not out.is_dir():
        raise OutputError(f"An output in parts must be a folder; {out.name} is a file. Name another folder.")
    if out.is_dir() and not all(PART.fullmatch(path.name) for path in out.iterdir()):
        raise OutputError(
            f"An output in parts must be a new folder or an earlier output; {out.name} holds other files. "
            "Name another folder."
        )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
