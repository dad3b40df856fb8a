"""Text tables as spreadsheet programs, instruments and people leave them: right, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.findings import Findings
from poi_predict.cohort.mapping import ReadingSettings
from poi_predict.cohort.reading import check_cohort, read_cohort
from poi_predict.cohort.streaming import find_tables, read_block, survey_cohort
from poi_predict.cohort.table_text import find_delimiter
from poi_predict.cohort.text_encoding import decode_text
from poi_predict.errors import CohortError

CODEBOOK = read_codebook()
HEADER = "patient_id,centre,age,fsh,cell_source,menses_resumed\n"
WOMEN = "P1,A,26,40,AD-MSC,yes\nP2,A,33,51,BM-MSC,no\nP3,B,27,62,UC-MSC,no\nP4,B,36,73,AD-MSC,yes\n"
TABLE = HEADER + WOMEN


def write(folder: Path, content: bytes | str, name: str = "clinic.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check(path: Path, **reading: object) -> dict[str, tuple[int, ...]]:
    found = check_cohort(path, CODEBOOK, ReadingSettings(**reading))  # type: ignore[arg-type]
    return {f.rule: f.rows for f in (found if isinstance(found, Findings) else found.findings)}


@pytest.mark.parametrize(
    ("cell", "read"), [('="0042"', "0042"), ('"=""0042"""', "0042"), ("'0042", "0042"), ('="4,2"', "4,2"), ("'x", "'x")]
)
def test_texts_that_a_spreadsheet_guards(tmp_path: Path, cell: str, read: str) -> None:
    path = write(tmp_path, TABLE.replace("P2", cell))
    assert read_cohort(path, CODEBOOK, ReadingSettings()).patient_id[1] == read
    assert survey_cohort(path, CODEBOOK, ReadingSettings()).n_rows == 4


def test_a_guarded_decimal_comma_is_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace(",", ";").replace("26", '="26,5"'))
    assert read_cohort(path, CODEBOOK, ReadingSettings()).data["age"][0] == 26.5


@pytest.mark.parametrize("end", ["\x1a", "\r\n\x1a", "\x1a\n", "\x00\x00\x00", "\x1a\x00\x00"])
def test_end_marks_of_old_systems_are_no_row(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, TABLE + end)
    assert read_cohort(path, CODEBOOK, ReadingSettings()).n_rows == 4
    assert survey_cohort(path, CODEBOOK, ReadingSettings()).n_rows == 4


def test_short_rows_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace(",UC-MSC,no", ""))
    assert check(path)["short_row"] == (3,)
    assert [found.rule for found in survey_cohort(path, CODEBOOK, ReadingSettings()).tables[0].warnings] == [
        "short_row"
    ]
    assert "short_row" not in check(write(tmp_path, HEADER.replace("\n", ",\n") + WOMEN))  # a separator at the end only
    other = write(tmp_path, HEADER + WOMEN.replace(",", ";"))
    assert set(check(other)) == {"wrong_delimiter"}
    assert set(check(other, delimiter=",")) == {"short_rows"}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("title", ["", "Our women\n", "Women, 2024\n"])
def test_decimal_commas_below_a_plain_header_are_no_separators(title: str, separator: str) -> None:
    text = title + "age;amh\n36,5;0,02\n29,0;0,11\n".replace(";", separator)
    assert find_delimiter(text) == separator


@pytest.mark.parametrize("title", ["POI cohort 2019-2023 (n=4)", "Clinic, Ankara", "# exported; 2023", "a;b;c;d"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_title_above_the_header(tmp_path: Path, title: str, separator: str) -> None:
    path = write(tmp_path, f"{title}\n\n" + TABLE.replace(",", separator))
    assert check(path)["header_below"] == ()
    cohort = read_cohort(path, CODEBOOK, ReadingSettings(header_row=3), required=["age"])
    assert (cohort.n_rows, cohort.header_row) == (4, 3)
    assert survey_cohort(path, CODEBOOK, ReadingSettings(header_row=3)).n_rows == 4


def test_a_header_row_that_is_not_there(tmp_path: Path) -> None:
    for read in (read_cohort, survey_cohort):
        with pytest.raises(CohortError, match=r"it is 9, and the table has 6 rows"):
            read(write(tmp_path, TABLE), CODEBOOK, ReadingSettings(header_row=9))


def test_units_under_the_header(tmp_path: Path) -> None:
    assert set(check(write(tmp_path, HEADER + ",,years,mIU/mL,,\n" + WOMEN))) == {"units_below"}


@pytest.mark.parametrize("row", ["Mean,,30.5,56.5,,", ",Total,30.5,56.5,,", "n = 4,,,,,", "平均,A,30,56,AD-MSC,no"])
def test_summaries_are_no_women(tmp_path: Path, row: str) -> None:
    assert check(write(tmp_path, TABLE + row + "\n"))["left_out_summary_row"] == (5,)


def test_names_that_look_like_summaries_are_women(tmp_path: Path) -> None:
    for name in ("Meanwell", "Total-12", "Max", "Sum", "SD01", "N12", "Notabene", "Median1"):
        assert "left_out_summary_row" not in check(write(tmp_path, TABLE.replace("P2", name)))


def test_files_put_together_hold_their_header_twice(tmp_path: Path) -> None:
    other = WOMEN.replace("P", "Q")
    assert check(write(tmp_path, TABLE + HEADER.upper() + other))["left_out_repeated_header"] == (5,)


def test_a_byte_order_mark_between_files_put_together_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + TABLE + "\ufeff" + WOMEN.replace("P", "Q"))
    names = [f"{letter}{i}" for letter in "PQ" for i in (1, 2, 3, 4)]
    assert read_cohort(path, CODEBOOK, ReadingSettings()).patient_id.tolist() == names
    plan = survey_cohort(path, CODEBOOK, ReadingSettings())
    assert read_block(plan, plan.blocks[0]).data["patient_id"].tolist() == names


@pytest.mark.parametrize("name", ["3.20101E+17", "1,2E+12", "1E+15", "1.23457e11"])
def test_rounded_names_are_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, TABLE.replace("P2", f'"{name}"'))
    with pytest.raises(CohortError, match="like a long number rounded by a spreadsheet program"):
        read_cohort(path, CODEBOOK, ReadingSettings())
    assert "rounded_patient_id" not in check(write(tmp_path, TABLE.replace("P2", "2E10")))


def test_copies_are_refused_or_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE + WOMEN)
    with pytest.raises(CohortError, match=r"4 of 8 rows are equal to an earlier one in every cell"):
        read_cohort(path, CODEBOOK, ReadingSettings())
    assert read_cohort(path, CODEBOOK, ReadingSettings(duplicates="drop")).n_rows == 4
    assert check(path, duplicates="drop")["dropped_equal_rows"] == (5, 6, 7, 8)
    assert read_cohort(path, CODEBOOK, ReadingSettings(), permit_row_errors=True).n_rows == 8
    lines = (HEADER + WOMEN + WOMEN).splitlines()
    numbered = "\n".join(["no," + lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:], 1))])
    assert check(write(tmp_path, numbered))["equal_rows"] == (5, 6, 7, 8)
    second_course = TABLE + "P1,A,27,44,AD-MSC,no\n"
    assert "equal_rows" not in check(write(tmp_path, second_course))


def test_other_women_under_one_name_are_pointed_out(tmp_path: Path) -> None:
    assert check(write(tmp_path, TABLE + "P1,A,45,44,AD-MSC,no\n"))["contradicting_courses"] == (5,)
    assert "contradicting_courses" not in check(write(tmp_path, TABLE + "P1,A,28,44,AD-MSC,no\n"))


@pytest.mark.parametrize("error", ["#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#BEZUG!", "#BAŞV!"])
def test_an_error_of_a_spreadsheet_is_no_centre(tmp_path: Path, error: str) -> None:
    assert check(write(tmp_path, TABLE.replace("P2,A", f"P2,{error}")))["cell_error"] == (2,)


CHINESE = "编号,病因,年龄,细胞来源\n王一,手术,33,脂肪\n李二,特发性,29,脐带\n"
KOREAN = "환자번호,원인,나이,세포\n김영희,수술,33,지방\n이민정,특발성,29,제대\n"
JAPANESE = "患者番号,病因,年齢,細胞\n佐藤,手術,33,脂肪由来\n田中,特発性,29,臍帯\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (KOREAN, "euc-kr"),
        (KOREAN, "cp949"),
        (JAPANESE, "euc_jp"),
        (JAPANESE + "サトウ,なし,3,4\n", "euc_jp"),
        (JAPANESE, "shift_jis"),
        ("hasta,merkez,yaş\n1,İzmir Şişli,33\n2,Ağrı,29\n", "cp1254"),
        ("بیمار,مرکز\n1,تهران\n2,شيراز\n", "cp1256"),
        ("пациент,центр\n1,Москва\n2,Казань\n", "cp1251"),
        ("id,centre\n1,Москва\n2,Киев\n", "cp1251"),
        ("id,centre\n1,Москва\n2,Киев\n", "koi8-r"),
        ("id,centre\n1,תל אביב\n2,חיפה\n", "cp1255"),
        ("病歷號,病因,年齡\n王一,手術,33\n", "big5"),
    ],
)
def test_other_encodings_are_no_gb18030(text: str, encoding: str) -> None:
    with pytest.raises(CohortError, match=r"Save it as UTF-8, or set cohort\.encoding"):
        decode_text(text.replace("ی", "ي").encode(encoding))
    assert decode_text(text.replace("ی", "ي").encode(encoding), encoding) == text.replace("ی", "ي")


def test_chinese_is_read_without_being_told() -> None:
    assert decode_text(CHINESE.encode("gb18030")) == CHINESE


def test_utf_8_is_not_torn_apart_by_a_declared_encoding() -> None:
    assert decode_text("Köln".encode(), "cp1252") == "Köln"
    assert decode_text("Köln".encode("cp1252"), "cp1252") == "Köln"


def test_our_own_outputs_in_a_folder_are_left_aside(tmp_path: Path) -> None:
    ours = (
        "clinic.csv.findings.csv",
        "s.csv",
        "s.csv.rejected.csv",
        "~$b.xlsx",
        ".x.csv",
        "README.txt",
    )
    for name in ours:
        write(tmp_path, "row\n1\n", name)
    write(tmp_path, "{}", "s.csv.summary.json")
    write(tmp_path, TABLE)
    for spec in (tmp_path, tmp_path / "*.csv"):
        assert [path.name for path in find_tables(spec)] == ["clinic.csv"]
    plan = survey_cohort(tmp_path, CODEBOOK, ReadingSettings())
    assert plan.n_rows == 4
    assert set(plan.left_aside) == set(ours)


def test_a_name_that_is_no_utf_8_and_one_too_long(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE, "caf\udce9.csv")
    assert read_cohort(path, CODEBOOK, ReadingSettings()).source_name == "caf\\xe9.csv"
    assert survey_cohort(path, CODEBOOK, ReadingSettings()).tables[0].name == "caf\\xe9.csv"
    for read in (read_cohort, survey_cohort):
        with pytest.raises(CohortError, match="longer than the system takes"):
            read(tmp_path / ("x" * 300 + ".csv"), CODEBOOK, ReadingSettings())
