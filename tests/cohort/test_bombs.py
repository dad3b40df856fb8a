"""Small files that would unpack to more than memory holds are refused before they do, by every reader."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poi_predict.cohort import read_codebook
from poi_predict.cohort.bombs import refuse_packed_parquet, refuse_packed_workbook
from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.streaming import survey_cohort
from poi_predict.cohort.table_files import read_table_file
from poi_predict.errors import CohortError

MEGABYTE = 1024**2


def workbook(sheet: bytes, n_parts: int = 1) -> bytes:
    """A real workbook whose sheet is exchanged."""
    content = io.BytesIO()
    pd.DataFrame({"id": ["1"]}).to_excel(content, index=False)
    with zipfile.ZipFile(content) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
        for number in range(n_parts - 1):
            archive.writestr(f"x{number}", b"")
    return packed.getvalue()


def many_rows() -> bytes:
    """Two million rows by a run length: some hundred bytes."""
    n = 2_000_000
    return written(pa.table({"id": pa.repeat("x", n), "age": pa.repeat(30, n)}))


def long_text() -> bytes:
    """One text of a megabyte, that sixty thousand rows refer to."""
    codes = pa.array(np.zeros(60_000, dtype=np.int32))
    text = pa.DictionaryArray.from_arrays(codes, pa.array(["x" * MEGABYTE]))
    return written(pa.table({"id": text, "age": np.full(60_000, 30.0)}))


def empty_pages() -> bytes:
    """Nothing but zeros: sixty-four and some more megabytes."""
    table = pa.table({"id": ["x"] * 900_000, **{f"c{i}": np.zeros(900_000) for i in range(12)}})
    return written(table, use_dictionary=False, compression="zstd")


def written(table: pa.Table, **options: object) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, store_schema=False, **options)
    return content.getvalue()


NESTED = b"".join(b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 10) for name in b"bcdefghij")
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "%s">%s]><worksheet><sheetData>&j;</sheetData></worksheet>' % (b"x" * 1000, NESTED)
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zeros.xlsx": (lambda: workbook(bytes(80 * MEGABYTE)), "must not unpack to 100 times its size"),
    "parts.xlsx": (lambda: workbook(b"<x/>", 10_001), "at most 10000 parts"),
    "entities.xlsx": (lambda: workbook(ENTITIES), "must be intact"),
    "rows.parquet": (many_rows, "must not claim 10 rows and more for each of its bytes"),
    "text.parquet": (long_text, "must not repeat long texts"),
    "zeros.parquet": (empty_pages, "must not unpack to 100 times its size"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_every_reader(name: str, tmp_path: Path) -> None:
    make, sentence = BOMBS[name]
    path = tmp_path / name
    path.write_bytes(make())
    assert path.stat().st_size < 2 * MEGABYTE
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        for read in (read_whole, survey):
            with pytest.raises(CohortError, match=sentence):
                read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * MEGABYTE
    assert pa.total_allocated_bytes() - before < 40 * MEGABYTE


def read_whole(path: Path) -> object:
    return read_table_file(path, ReadingSettings())


def survey(path: Path) -> object:
    return survey_cohort(path, read_codebook(), ReadingSettings(), required=())


def test_large_tables_as_clinics_have_them_are_no_bombs() -> None:
    n = 50_000
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "id": [f"W{i:06d}" for i in range(n)],
            "age": rng.uniform(20, 40, n).round(1),
            "notes": "follow-up by telephone, see letter of the referring physician; " * 3,
            "always": 0.0,
            "empty": pd.Series([None] * n, dtype="str"),
        }
    )
    for options in ({}, {"compression": "zstd"}, {"compression": "gzip", "use_dictionary": False}):
        content = written(pa.Table.from_pandas(table, preserve_index=False), **options)
        refuse_packed_parquet(pa.BufferReader(content), len(content))
        refuse_packed_parquet(pa.BufferReader(content), len(content), 2**16)
    book = io.BytesIO()
    table.head(4000).to_excel(book, index=False)
    refuse_packed_workbook(book.getvalue())
