"""Rows as CSV: read back exactly, quoted where they must be, and never a formula."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi_predict.scoring.output import encode_scores, header_as_csv, neutralise, rows_as_csv
from poi_predict.scoring.writing import write_table

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SPICY = st.text(st.sampled_from("=+-@\t\r\n ,;\"'0aé中"), max_size=6)
ROWS = st.lists(st.tuples(st.none() | TEXTS | SPICY, st.none() | st.floats(), st.integers(-9, 9)), max_size=12)


def read_back(content: bytes, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator))


@given(rows=ROWS, chunks=st.integers(1, 3), separator=st.sampled_from(",\t"))
def test_cells_read_back_as_they_were(
    rows: list[tuple[str | None, float | None, int]], chunks: int, separator: str
) -> None:
    table = pa.table({"id": pa.array([row[0] for row in rows], type=pa.string())})
    table = table.append_column("p", pa.array([row[1] for row in rows], type=pa.float64()))
    table = table.append_column("n", pa.array([row[2] for row in rows], type=pa.int64()))
    pieces = [table.slice(start, chunks) for start in range(0, len(rows), chunks)]
    content = rows_as_csv(pa.concat_tables(pieces) if pieces else table, separator)
    assert content == b"".join(rows_as_csv(piece, separator) for piece in pieces)
    found = read_back(content, separator)
    assert len(found) == len(rows)
    for cells, (text, number, whole) in zip(found, rows, strict=True):
        assert cells[0].removeprefix("'") == (text or "").removeprefix("'")
        assert cells[2] == str(whole)
        if number is None or math.isnan(number):
            assert cells[1] == ""
        else:
            assert float(cells[1]).hex() == number.hex()


@given(rows=st.lists(SPICY, min_size=1, max_size=12))
def test_no_cell_begins_as_a_formula_and_all_others_are_exact(rows: list[str]) -> None:
    found = [cells[0] for cells in read_back(rows_as_csv(pa.table({"id": rows, "n": [1] * len(rows)})))]
    for text, cell in zip(rows, found, strict=True):
        is_formula = text[:1] in set("\t\r\n") - {""} or text.lstrip()[:1] in set("=+-@") - {""}
        is_formula = is_formula and bool(text)
        assert cell == ("'" + text if is_formula else text)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r1", "\n1", " =1", "＝1", "\u00a0＋1", "\x00=1"]
)
def test_texts_that_a_spreadsheet_would_run_get_an_apostrophe(text: str) -> None:
    column, n_changed = neutralise(pa.array([text, "0042", None]))
    assert column.to_pylist() == ["'" + text, "0042", None]
    assert n_changed == 1


def test_numbers_below_nought_are_no_formulas() -> None:
    table = pa.table({"patient_id": ["7"], "reason_1_log_odds": [-0.5]})
    assert rows_as_csv(table) == b"7,-0.5\n"
    assert neutralise(pa.array([-0.5]))[1] == 0


def test_ids_are_written_exactly_and_quoted_only_where_they_must_be() -> None:
    ids = ["0042", "é中", " 7 ", 'say "x"', "a,b", "two\nlines", "cr\rhere", "'already", "", None]
    content = rows_as_csv(pa.table({"id": ids, "p": [0.5] * len(ids)}))
    assert content.split(b"\n")[:3] == [b"0042,0.5", "é中,0.5".encode(), b" 7 ,0.5"]
    assert b'"say ""x""",0.5' in content
    assert b'"cr\rhere",0.5' in content
    assert [cells[0] for cells in read_back(content)] == [text or "" for text in ids]


def test_a_tab_is_quoted_in_tsv_and_a_comma_is_not() -> None:
    table = pa.table({"id": ["a\tb", "a,b"], "p": [0.5, 0.5]})
    assert rows_as_csv(table, "\t") == b'"a\tb"\t0.5\na,b\t0.5\n'


def test_sliced_large_and_dictionary_text_are_the_same_bytes() -> None:
    plain = pa.table({"id": ["x", "=1", "a,b", None]})
    wanted = rows_as_csv(plain.slice(1))
    assert wanted == b'\'=1\n"a,b"\n\n'
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        assert rows_as_csv(pa.table({"id": plain["id"].cast(kind)}).slice(1)) == wanted


def test_a_table_without_rows_is_nothing_and_a_header_is_quoted_as_cells_are() -> None:
    assert rows_as_csv(pa.table({"id": pa.array([], type=pa.string())})) == b""
    assert header_as_csv(["id", "=x", "a,b"]) == b'id,\'=x,"a,b"\n'


def test_neutralised_cells_are_counted_in_text_and_left_exact_in_parquet() -> None:
    table = pa.table({"patient_id": ["=1", "2"], "flags": ["", "@x"]})
    assert encode_scores(table, ".tsv") == (b"'=1\t\n2\t'@x\n", 2)
    stream, n_changed = encode_scores(table, ".parquet")
    assert n_changed == 0
    assert pa.ipc.open_stream(stream).read_all() == table


def test_a_column_of_numbers_and_words_is_written(tmp_path: Path) -> None:
    """Counts of few women stand as words beside the others."""
    frame = pd.DataFrame({"n": [12, "< 5", None, 0.5, True, "=1+1"], "p": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]})
    write_table(frame, tmp_path / "counts.csv", ".csv")
    rows = read_back((tmp_path / "counts.csv").read_bytes())
    assert [row[0] for row in rows] == ["n", "12", "< 5", "", "0.5", "True", "'=1+1"]
