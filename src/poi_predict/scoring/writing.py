"""Scores and rejected rows on disk, both or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from poi_predict.files import staged_file
from poi_predict.scoring.output import PATIENT_ROWS, check_table_suffix, neutralise, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_table_suffix", "write_parquet", "write_table", "write_whole_table"]


def write_whole_table(frame: pd.DataFrame, out: Path) -> None:
    """Write one frame of patients to a file of its suffix, whole or not at all; its owner alone can read it.

    Raises
    ------
    OutputError
        If the suffix is unknown or the folder cannot be written.
    """
    check_table_suffix(out)
    with staged_file(out, private=True) as partial:
        write_table(frame, partial, out.suffix.lower())


def write_table(frame: pd.DataFrame, path: Path, suffix: str) -> None:
    """Write a frame in the format that a suffix names; no text of it runs as a formula in a spreadsheet.

    In CSV and TSV a text that would gets a leading apostrophe; XLSX and Parquet keep it exactly, as text.
    """
    if suffix == ".parquet":
        write_parquet(frame, path)
    elif suffix == ".xlsx":
        table = pa.Table.from_pandas(frame, preserve_index=False)
        write_xlsx(path, table.column_names, [table])
    else:
        separator = "\t" if suffix == ".tsv" else ","
        safe = frame.apply(_neutralised)
        safe.to_csv(path, index=False, sep=separator, encoding="utf-8", lineterminator="\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame of patients as Parquet; its metadata say so."""
    from pyarrow import parquet  # noqa: PLC0415 - only where it is written

    table = pa.Table.from_pandas(frame, preserve_index=False)
    said = {**(table.schema.metadata or {}), **PATIENT_ROWS}
    parquet.write_table(table.replace_schema_metadata(said), path)


def _neutralised(column: pd.Series) -> pd.Series:
    if not (pd.api.types.is_string_dtype(column.dtype) or pd.api.types.is_object_dtype(column.dtype)):
        return column
    said = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    texts, n_changed = neutralise(pa.array(said, pa.string()))
    return pd.Series(texts.to_pylist(), index=column.index, dtype=column.dtype) if n_changed else column
