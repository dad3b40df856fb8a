"""Files of any kind: the same cells, or one clear sentence."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.table_files import RawTable, read_table_file
from poi_predict.errors import CohortError

TABLE = pd.DataFrame({"id": ["007", "08"], "病因 (cause)": ["手术", "Ärztin"], "note": ["a;b,c", 'say "x"']})


def read(path: Path, content: bytes | str, **settings: object) -> RawTable:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table_file(path, ReadingSettings(**settings))  # type: ignore[arg-type]


def cells(table: RawTable) -> dict[str, list[object]]:
    return {
        h: c.astype(object).where(c.notna(), None).tolist() for h, c in zip(table.headers, table.columns, strict=True)
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_line_ends(tmp_path: Path, encoding: str, separator: str, newline: str) -> None:
    text = TABLE.to_csv(index=False, sep=separator, lineterminator=newline)
    assert cells(read(tmp_path / "t.csv", text.encode(encoding))) == TABLE.to_dict("list")


def test_gb18030(tmp_path: Path) -> None:
    text = "编号,病因,年龄\n王一,手术,33\n李二,特发性,29\n"
    assert cells(read(tmp_path / "t.csv", text.encode("gb18030")))["病因"] == ["手术", "特发性"]


def test_a_declared_encoding(tmp_path: Path) -> None:
    content = "id;Klinik\n1;Prüfzentrum Köln\n".encode("cp1252")
    assert cells(read(tmp_path / "t.csv", content, encoding="cp1252"))["Klinik"] == ["Prüfzentrum Köln"]
    with pytest.raises(CohortError, match="neither"):
        read(tmp_path / "t.csv", content)


def test_blank_rows_are_counted_but_not_read(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", "\n,,\nid,age,\n1,30,\n,,\n\n2,31,\n,,\n")
    assert table.headers == ("id", "age")
    assert table.row_number.tolist() == [1, 4]
    assert cells(table) == {"id": ["1", "2"], "age": ["30", "31"]}


def test_quoted_cells_hold_separators_quotes_and_line_breaks(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", 'id,"FSH\n(IU/L)"\n1,"a,""b""\nc"\n')
    assert table.headers == ("id", "FSH\n(IU/L)")
    assert cells(table)["FSH\n(IU/L)"] == ['a,"b"\nc']


def test_rows_of_uneven_length(tmp_path: Path) -> None:
    table = read(tmp_path / "t.csv", "id,age,fsh\n1,30,50,9\n2\n3,31,40,\n")
    assert table.overlong.tolist() == [True, False, False]
    assert cells(table) == {"id": ["1", "2", "3"], "age": ["30", "", "31"], "fsh": ["50", "", "40"]}


def test_the_separator_line_of_spreadsheets(tmp_path: Path) -> None:
    assert read(tmp_path / "t.csv", "sep=;\nid;a,b,c\n1;2\n").headers == ("id", "a,b,c")


def test_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    frame = pd.DataFrame(
        {
            "id": [12.0, 13.0],
            "age": [30, None],
            "amh": ["<0.02", 0.5],
            "seen": [True, False],
            "on": pd.to_datetime(["2021-03-01"] * 2),
        }
    )
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"x": [1]}).to_excel(writer, sheet_name="About", index=False)
        frame.to_excel(writer, sheet_name="Women", index=False, startrow=2)
    table = read_table_file(path, ReadingSettings(sheet="Women"))
    assert cells(table) == {
        "id": [12.0, 13.0],
        "age": [30.0, None],
        "amh": ["<0.02", "0.5"],
        "seen": ["true", "false"],
        "on": ["2021-03-01T00:00:00"] * 2,
    }
    assert table.row_number.tolist() == [1, 2]
    assert read_table_file(path, ReadingSettings(sheet=0)).headers == ("x",)
    for sheet in (2, "Woman"):
        with pytest.raises(CohortError, match=r"sheet must be"):
            read_table_file(path, ReadingSettings(sheet=sheet))


def test_parquet_keeps_long_numbers_and_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame(
        {
            "id": pd.array([2**60 + 1, None], dtype="Int64"),
            "n": pd.array([3, None], dtype="Int64"),
            "text": ["007", None],
            "group": pd.Categorical(["a", "b"]),
            "flag": [True, False],
            "single": np.array([0.5, np.nan], dtype=np.float32),
        }
    )
    frame.to_parquet(path)
    assert cells(read_table_file(path, ReadingSettings())) == {
        "id": [str(2**60 + 1), None],
        "n": [3.0, None],
        "text": ["007", None],
        "group": ["a", "b"],
        "flag": ["true", "false"],
        "single": [0.5, None],
    }


def test_the_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    first = read(tmp_path / "a.csv", "id,age\n1,30\n")
    assert first.sha256 == read(tmp_path / "b.csv", "id,age\n1,30\n").sha256
    assert first.sha256 != read(tmp_path / "b.csv", "id,age\n1,30\n\n").sha256


def workbook() -> bytes:
    buffer = io.BytesIO()
    TABLE.to_excel(buffer, index=False)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    TABLE.to_parquet(buffer)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "no workbook")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", lambda: b"", "is empty"),
        ("t.csv", lambda: b"\xef\xbb\xbf", "is empty"),
        ("t.csv", lambda: b"\n\n , ,\n", "is empty"),
        ("t.xlsx", lambda: b"", "is empty"),
        ("t.parquet", lambda: b"", "is empty"),
        ("t.csv", lambda: b"id,age\n1,\x00\n", "NUL"),
        ("t.csv", lambda: "id,age\n1,2\n".encode("utf-16-le"), "NUL"),
        ("t.csv", lambda: b"\xff\xfei\x00d", "encoding throughout"),
        ("t.csv", workbook, "is a workbook"),
        ("t.csv", lambda: b'id,age\n1,"30\n2,31\n', "quotes"),
        ("t.xlsx", lambda: workbook()[:-200], "must be intact"),
        ("t.xlsx", lambda: workbook()[:700], "must be intact"),
        ("t.xlsx", zipped, "must be intact"),
        ("t.xlsx", lambda: b"id,age\n1,30\n", "must be intact"),
        ("t.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "password"),
        ("t.parquet", lambda: parquet()[:-30], "must be intact"),
        ("t.parquet", lambda: b"id,age\n1,30\n", "must be intact"),
        ("t.xls", lambda: b"x", r"is an old Excel workbook\. Open it in a spreadsheet program and save it as \.xlsx"),
        ("t.ods", lambda: b"x", "is an OpenDocument workbook"),
        ("t.pdf", lambda: b"x", "must be a .csv"),
        ("t", lambda: b"x", "must be a .csv"),
        ("t.csv", lambda: b"a," * 99_999 + b"b\n" + b"1," * 99_999 + b"2\n", "at most 5000 .* has 100000"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(
    tmp_path: Path, name: str, content: Callable[[], bytes], sentence: str
) -> None:
    with pytest.raises(CohortError, match=sentence) as caught:
        read(tmp_path / name, content())
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_wide_workbook_and_a_wide_parquet_file_are_refused(tmp_path: Path) -> None:
    wide = pd.DataFrame(np.zeros((1, 30)), columns=[f"c{i}" for i in range(30)])
    wide.to_excel(tmp_path / "t.xlsx", index=False)
    wide.to_parquet(tmp_path / "t.parquet")
    for name in ("t.xlsx", "t.parquet"):
        with pytest.raises(CohortError, match="at most 20 columns; this table has 30"):
            read_table_file(tmp_path / name, ReadingSettings(max_columns=20))


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(CohortError, match="is a folder"):
        read_table_file(tmp_path / "t.csv", ReadingSettings())
    with pytest.raises(CohortError, match=r"is not\. Check the path"):
        read_table_file(tmp_path / "none.csv", ReadingSettings())
