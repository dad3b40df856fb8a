"""Where the tables of a cohort lie: one file, a folder of files, or a pattern such as "2024-*.csv"."""

from __future__ import annotations

from pathlib import Path

from poi_predict.cohort.table_files import TABLE_SUFFIXES, unreadable
from poi_predict.errors import CohortError
from poi_predict.files import shown_name

__all__ = ["find_tables", "list_left_aside"]

_OURS = (".findings.csv", ".rejected.csv")  # written beside a cohort or its scores
_SUMMARY = ".summary.json"  # stands beside scores
_PATTERN = frozenset("*?[")
_UNREAD = frozenset((".xls", ".xlsb", ".ods", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".sav", ".dta", ".feather"))


def find_tables(spec: Path) -> list[Path]:
    """Return the tables that a path names, in a fixed order.

    Parameters
    ----------
    spec : Path
        A file; a folder, whose tables are taken in the order of their names (hidden files, whose names begin with
        ".", "_" or "~$", our own outputs, a README, files of other kinds and subfolders are left out); or a pattern
        of `glob`, with "**" for folders of any depth.

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
        if _is_one_file(spec):
            return [spec]
        tables = [path for path in _matches(spec) if not _is_set_aside(path)]
    except (OSError, ValueError) as error:
        raise unreadable(spec, error) from None
    if not tables:
        raise CohortError(f'A cohort must have a table; nothing matches "{shown_name(spec)}". Check the pattern.')
    return tables


def list_left_aside(spec: Path) -> list[str]:
    """Return the names of files in the same place that look like tables and are not taken as ones of the cohort.

    Parameters
    ----------
    spec : Path
        As for `find_tables`.
    """
    spec = Path(spec)
    if not spec.is_dir() and _is_one_file(spec):
        return []
    files = [path for path in spec.iterdir() if path.is_file()] if spec.is_dir() else _matches(spec)
    return sorted(shown_name(path) for path in files if path.suffix.lower() in TABLE_SUFFIXES and _is_set_aside(path))


def _is_one_file(spec: Path) -> bool:
    try:
        return spec.exists() or not _PATTERN & set(str(spec))
    except OSError:
        return True  # what is wrong with it is said where it is read


def _matches(spec: Path) -> list[Path]:
    matches = Path(spec.anchor).glob(str(spec.relative_to(spec.anchor)))
    return sorted(path for path in matches if path.is_file())


def _tables_of_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not _is_set_aside(path))
    for path in files:
        if path.suffix.lower() in _UNREAD:
            raise CohortError(
                f'A folder of tables must hold none in another format; "{shown_name(path)}" is one. Save it as CSV or '
                "Parquet, or move it elsewhere."
            )
    tables = [path for path in files if path.suffix.lower() in TABLE_SUFFIXES]
    if not tables:
        raise CohortError(
            f'A cohort must have a table; the folder "{shown_name(folder)}" holds none. Name a folder with '
            f"{', '.join(TABLE_SUFFIXES)} files, or a pattern for subfolders."
        )
    return tables


def _is_set_aside(path: Path) -> bool:
    """Whether a file is hidden, a lock, an output of ours or a README."""
    name = path.name.lower()
    if name.startswith((".", "_", "~$")) or name.endswith(_OURS):
        return True
    return (
        path.stem.lower() in ("readme", "read me", "read_me", "liesmich")
        or path.with_name(path.name + _SUMMARY).exists()
    )
