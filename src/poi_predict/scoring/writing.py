"""Scores and rejected rows on disk, both or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from poi_predict.files import staged_file
from poi_predict.scoring.output import check_table_suffix, neutralise, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_table_suffix", "write_table", "write_whole_table"]


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


def write_table(frame: pd.DataFrame, path: Path, suffix: str) -> None:
    """Write a frame in the format that a suffix names; no text of it runs as a formula in a spreadsheet.

    In CSV and TSV a text that would gets a leading apostrophe; XLSX and Parquet keep it exactly, as text.
    """
    if suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif suffix == ".xlsx":
        table = pa.Table.from_pandas(frame, preserve_index=False)
        write_xlsx(path, table.column_names, [table])
    else:
        separator = "\t" if suffix == ".tsv" else ","
        safe = frame.apply(_neutralised)
        safe.to_csv(path, index=False, sep=separator, encoding="utf-8", lineterminator="\n")


def _neutralised(column: pd.Series) -> pd.Series:
    if not (pd.api.types.is_string_dtype(column.dtype) or pd.api.types.is_object_dtype(column.dtype)):
        return column
    texts, n_changed = neutralise(pa.array(column, from_pandas=True))
    return pd.Series(texts.to_pylist(), index=column.index, dtype=column.dtype) if n_changed else column
