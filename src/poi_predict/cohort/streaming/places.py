"""Where the tables of a cohort lie: one file, a folder of files, or a pattern such as "2024-*.csv"."""

from __future__ import annotations

from pathlib import Path

from poi_predict.cohort.table_files import TABLE_SUFFIXES
from poi_predict.errors import CohortError

__all__ = ["find_tables"]

_PATTERN = frozenset("*?[")
_UNREAD = frozenset((".xls", ".xlsb", ".ods", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".sav", ".dta", ".feather"))


def find_tables(spec: Path) -> list[Path]:
    """Return the tables that a path names, in a fixed order.

    Parameters
    ----------
    spec : Path
        A file; a folder, whose tables are taken in the order of their names (hidden files, whose names begin with
        "." or "_", files of other kinds and subfolders are left out); or a pattern of `glob`, with "**" for folders
        of any depth.

    Raises
    ------
    CohortError
        If there is no table, or if a folder holds a table in a form that cannot be read, such as an old .xls:
        leaving it out would lose its rows.

    Examples
    --------
    >>> find_tables(Path("no_such_clinic-*.csv"))
    Traceback (most recent call last):
        ...
    poi_predict.errors.CohortError: A cohort must have a table; nothing matches "no_such_clinic-*.csv". Check the
    pattern.
    """
    spec = Path(spec)
    try:
        if spec.is_dir():
            return _tables_of_folder(spec)
        if spec.exists() or not _PATTERN & set(str(spec)):
            return [spec]
        matches = sorted(Path(spec.anchor).glob(str(spec.relative_to(spec.anchor))))
        tables = [path for path in matches if path.is_file() and not _is_hidden(path)]
    except (OSError, ValueError):
        raise CohortError(f'A cohort must be readable; "{spec.name}" is not. Check its permissions.') from None
    if not tables:
        raise CohortError(f'A cohort must have a table; nothing matches "{spec.name}". Check the pattern.')
    return tables


def _tables_of_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not _is_hidden(path))
    for path in files:
        if path.suffix.lower() in _UNREAD:
            raise CohortError(
                f'A folder of tables must hold none in another format; "{path.name}" is one. Save it as CSV or '
                "Parquet, or move it elsewhere."
            )
    tables = [path for path in files if path.suffix.lower() in TABLE_SUFFIXES]
    if not tables:
        raise CohortError(
            f'A cohort must have a table; the folder "{folder.name}" holds none. Name a folder with '
            f"{', '.join(TABLE_SUFFIXES)} files, or a pattern for subfolders."
        )
    return tables


def _is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "_"))
