"""The only door: the same cohort from every file, every finding at once, and never a value in a message."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poi_predict.cohort import other_rows
from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.findings import Finding, Findings
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings
from poi_predict.cohort.reading import Cohort, check_cohort, read_cohort
from poi_predict.cohort.spelling import plain_text
from poi_predict.cohort.variable import Variable
from poi_predict.errors import CohortError

CODEBOOK = read_codebook()
FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
CLINIC = """\
Patient ID;Age (y);FSH (mIU/mL);AMH [pmol/L];Cell source;Adjuvant;Menses;Month of menses;Follow-up (weeks)
007;36,5;80,1;<0,14;AD-MSC;PRP + HRT;ja;3;52
008;29;60;1,4;hUC-MSC;none;nein;;26
"""


def write(folder: Path, content: bytes | str, name: str = "clinic.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def check(path: Path, *required: str, **reading: object) -> dict[str, tuple[int, ...]]:
    """The rules broken, with their rows."""
    found = check_cohort(path, CODEBOOK, ReadingSettings(**reading), required=required)  # type: ignore[arg-type]
    return {finding.rule: finding.rows for finding in (found if isinstance(found, Findings) else found.findings)}


def test_a_clinics_table_becomes_canonical(tmp_path: Path) -> None:
    cohort = read_cohort(write(tmp_path, CLINIC), CODEBOOK, ReadingSettings(), required=["age", "fsh", "amh"])
    data = cohort.data
    assert data.index.equals(pd.RangeIndex(2))
    assert data["patient_id"].tolist() == ["007", "008"]
    assert data["age"].tolist() == [36.5, 29.0]
    assert data["amh"].tolist() == pytest.approx([0.14 / 7.14, 1.4 / 7.14])
    assert data["amh__below"].tolist() == [True, False]
    assert data["cell_source"].tolist() == ["adipose", "umbilical_cord"]
    assert data["adjuvant"].tolist() == ["hrt+prp", "none"]
    assert data["menses_resumed"].tolist() == [1.0, 0.0]
    assert data["follow_up_months"].tolist() == pytest.approx([52 * 7 / 30.4375, 26 * 7 / 30.4375])
    assert data.dtypes.astype(str).to_dict() | {"amh__below": "bool"} == data.dtypes.astype(str).to_dict()
    assert cohort.row_number.tolist() == [1, 2]
    assert (cohort.n_rows, cohort.n_patients, cohort.synthetic) == (2, 2, False)
    assert cohort.source_name == "clinic.csv"
    assert cohort.fingerprint.sha256 == hashlib.sha256(CLINIC.encode()).hexdigest()
    assert (cohort.fingerprint.rows, cohort.fingerprint.columns) == (2, 9)


def test_the_study_maps_names_units_and_spellings(tmp_path: Path) -> None:
    path = write(tmp_path, "no,gonado,mueller,how,x\nA,60,ND,1,old\nB,70,7.14,2,old\n")
    columns = (
        ColumnMapping("patient_id", "no"),
        ColumnMapping("fsh", "gonado", unit="U/L"),
        ColumnMapping("amh", "mueller", unit="pmol/L", detection_limit=0.714),
        ColumnMapping("route", "how", levels={"1": "laparoscopic", "2": "intravenous"}),
    )
    data = read_cohort(path, CODEBOOK, ReadingSettings(columns=columns)).data
    assert data["amh"].tolist() == pytest.approx([0.1, 1.0])
    assert data["amh__below"].tolist() == [True, False]
    assert data["route"].tolist() == ["intraovarian_laparoscopic", "intravenous"]
    assert list(data) == ["patient_id", "fsh", "amh", "amh__below", "route"]


def test_a_declared_variable_is_read_and_checked(tmp_path: Path) -> None:
    esr = Variable.declared(
        name="esr",
        label="ESR",
        kind="continuous",
        role="baseline",
        known_at="baseline",
        unit="mm/h",
        hard=(0, 150),
    )
    path = write(tmp_path, "id,ESR (mm/h)\n1,20\n2,500\n")
    with pytest.raises(CohortError, match=r"esr .* must lie between 0 and 150 mm/h; 1 of 2 rows is outside"):
        read_cohort(path, CODEBOOK.extended([esr]), ReadingSettings(), required=["esr"])


def test_every_finding_is_reported_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "id,age,FSH (mIU/mL),AMH [AU/mL],cell source,menses,months to menses,follow up months,previous births\n"
        "1,36,5052,0.1,AD-MSC,yes,9,6,1\n"
        "1,44,60,0.2,spleen,no,,12,2.5\n"
        ",thirty,70,0.3,hAEC,yes,-2,12,0\n",
    )
    with pytest.raises(CohortError) as caught:
        read_cohort(path, CODEBOOK, ReadingSettings(), required=["age", "fsh", "amh", "afc"])
    message = str(caught.value)
    assert message.startswith("clinic.csv cannot be used; it has 7 errors:")
    for name in ("afc", "amh", "age", "fsh", "previous_births", "cell_source", "patient_id"):
        assert f"\n  - {name} " in message
    assert check(path, "age", "fsh", "amh", "afc") == {
        "missing_column": (),
        "unknown_unit": (),
        "empty_patient_id": (3,),
        "not_a_number": (3,),
        "unknown_level": (2,),
        "hard_range": (1,),
        "whole_number": (2,),
        "repeated_patient_id": (2,),
        "typical_range": (3,),  # a month before the treatment
        "event_before_treatment": (3,),
        "event_after_follow_up": (1,),
    }


def test_errors_of_rows_may_stay_in_the_findings(tmp_path: Path) -> None:
    path = write(tmp_path, "id,age,fsh\n1,36,5052\n\n2,x,60\n3,30,70\n")
    cohort = read_cohort(path, CODEBOOK, ReadingSettings(), required=["age"], permit_row_errors=True)
    assert cohort.row_number.tolist() == [1, 3, 4]
    assert cohort.data["fsh"].isna().tolist() == [True, False, False]
    assert cohort.data["age"].isna().tolist() == [False, True, False]
    assert {finding.rule: finding.rows for finding in cohort.findings.errors} == {
        "hard_range": (1,),
        "not_a_number": (3,),
    }
    with pytest.raises(CohortError, match="afc must be a column"):
        read_cohort(path, CODEBOOK, ReadingSettings(), required=["afc"], permit_row_errors=True)


def test_a_column_without_values_is_an_error_only_where_it_is_needed(tmp_path: Path) -> None:
    path = write(tmp_path, "id,age,AMH (ng/mL)\n1,36,\n2,30,NA\n")
    assert check(path, "age") == {"empty_column": ()}
    assert check(path, "amh") == {"all_missing": ()}
    with pytest.raises(CohortError, match="must hold values"):
        read_cohort(path, CODEBOOK, ReadingSettings(), required=["amh"])
    scored = read_cohort(path, CODEBOOK, ReadingSettings(), required=["amh"], permit_row_errors=True)
    assert scored.data["amh"].isna().all()


def test_identifiers_are_kept_exactly(tmp_path: Path) -> None:
    ids = ["007", "7", "王一", " a ", "1.0", "1e3", "Zoë"]
    path = write(tmp_path, pd.DataFrame({"id": ids, "age": 30}).to_csv(index=False))
    assert read_cohort(path, CODEBOOK, ReadingSettings()).patient_id.tolist() == ids
    numbers = pd.DataFrame({"id": [12.0, 13.0], "age": [30, 31]})
    numbers.to_excel(tmp_path / "n.xlsx", index=False)
    numbers.to_parquet(tmp_path / "n.parquet")
    for name in ("n.xlsx", "n.parquet"):
        assert read_cohort(tmp_path / name, CODEBOOK, ReadingSettings()).patient_id.tolist() == ["12", "13"]


def test_identifiers_repeated_alike_missing_or_absent(tmp_path: Path) -> None:
    assert check(write(tmp_path, "id,age\nW1,30\nw1,31\nW1 ,32\nW1,33\nW2,33\n")) == {
        "repeated_patient_id": (4,),
        "similar_patient_id": (1, 2, 3, 4),
    }
    assert check(write(tmp_path, "id,age\nNA,30\n,31\nW1,32\n")) == {"empty_patient_id": (1, 2)}
    nameless = write(tmp_path, "age\n30\n31\n")
    assert check(nameless) == {"no_patient_id": ()}
    assert read_cohort(nameless, CODEBOOK, ReadingSettings()).patient_id.tolist() == ["row-1", "row-2"]
    assert "missing_column" in check(nameless, "patient_id")


@pytest.mark.parametrize(
    ("origins", "synthetic", "rules"),
    [
        (["SYNTHETIC", "SYNTHETIC"], True, []),
        (["clinic", "clinic"], False, []),
        (["SYNTHETIC", "clinic"], True, ["mixed_origin"]),
        (["SYNTHETIC", ""], True, ["mixed_origin"]),
    ],
)
def test_synthetic_rows_are_known_and_never_mixed(
    tmp_path: Path, origins: list[str], synthetic: bool, rules: list[str]
) -> None:
    path = write(tmp_path, pd.DataFrame({"id": [1, 2], "age": 30, "data_origin": origins}).to_csv(index=False))
    found = check_cohort(path, CODEBOOK, ReadingSettings())
    assert isinstance(found, Cohort)
    assert found.synthetic is synthetic
    assert [finding.rule for finding in found.findings.errors] == rules
    if rules:
        with pytest.raises(CohortError, match="SYNTHETIC"):
            read_cohort(path, CODEBOOK, ReadingSettings(), permit_row_errors=True)


def test_a_comparison_woman_has_no_dose(tmp_path: Path) -> None:
    path = write(tmp_path, "id,cell_source,dose_cells\n1,none,0\n2,adipose,0\n3,adipose,5e6\n")
    assert check(path) == {"hard_range": (2,)}


@pytest.mark.parametrize(
    ("content", "reading", "rule"),
    [
        ("id;age\n1;30\n", {"delimiter": ","}, "wrong_delimiter"),
        ("id,age\n1,30\n", {"delimiter": ";"}, "wrong_delimiter"),
        ("W1,36,45\nW2,36,45\n", {}, "no_header"),
        ("id,age\n", {}, "no_rows"),
        ("id,age\n,,\n", {}, "no_rows"),
        ("id,age\n1,36,5\n", {}, "overlong_row"),
        ("", {}, "unreadable"),
    ],
)
def test_a_table_of_the_wrong_shape_gets_one_sentence(
    tmp_path: Path, content: str, reading: dict[str, object], rule: str
) -> None:
    path = write(tmp_path, content)
    assert list(check(path, "age", **reading)) == [rule]
    with pytest.raises(CohortError):
        read_cohort(path, CODEBOOK, ReadingSettings(**reading), required=["age"])  # type: ignore[arg-type]


def test_extra_checks_speak_of_rows_of_the_source(tmp_path: Path) -> None:
    path = write(tmp_path, "id,age\n1,30\n\n2,31\n")

    def second_row(data: pd.DataFrame) -> list[Finding]:
        return [Finding("error", "age", "own", "age must be even; one is not.", (len(data),))]

    def refusing(_: pd.DataFrame) -> list[Finding]:
        raise CohortError("The endpoint must be there; it is not.")

    found = check_cohort(path, CODEBOOK, ReadingSettings(), extra_checks=[second_row, refusing])
    assert isinstance(found, Cohort)
    assert [(finding.rule, finding.rows) for finding in found.findings] == [("own", (3,)), ("unreadable", ())]


def test_no_message_holds_a_value_or_an_identifier(tmp_path: Path) -> None:
    canaries = ["QZX71", "88.7713", "Vvyska", "-777.25", "<0.0771731", "5.5123 qux/L"]
    rows = [f"{canaries[0]}{i},{canaries[i % 6]},{canaries[(i + 1) % 6]},{canaries[(i + 2) % 6]}" for i in range(12)]
    rows += [f"{canaries[0]},30,60,{canaries[2]},extra-{canaries[4]}", f"{canaries[0]},{canaries[2]},60,x"]
    text = "id,age,AMH (ng/mL),cell_source\n" + "\n".join(rows) + "\n"
    found = check_cohort(write(tmp_path, text), CODEBOOK, ReadingSettings(), required=["age", "afc", "fsh"])
    assert isinstance(found, Cohort)
    assert len(found.findings.errors) >= 6
    shown = found.findings.frame().to_csv() + found.findings.rows_frame().to_csv() + repr(found.findings) + repr(found)
    with pytest.raises(CohortError) as caught:
        read_cohort(write(tmp_path, text), CODEBOOK, ReadingSettings(), required=["age", "afc", "fsh"])
    shown += str(caught.value)
    for canary in canaries:
        assert canary not in shown
        assert canary.strip("<-") not in shown


def test_no_message_holds_the_first_row_of_a_table_without_header(tmp_path: Path) -> None:
    text = "QZX71,Vvyska,AD-MSC,secondary\nQZX72,Wolska,AD-MSC,primary\n"
    with pytest.raises(CohortError) as caught:
        read_cohort(write(tmp_path, text), CODEBOOK, ReadingSettings(), required=["age", "amenorrhea_type"])
    assert "QZX" not in str(caught.value)
    assert "Vvyska" not in str(caught.value)


COHORTS = st.lists(
    st.tuples(
        st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8).filter(
            lambda name: (
                not name.startswith("=")  # pandas writes a formula into a workbook
                and not other_rows.names_summary(name)
                and not other_rows._NOTE.fullmatch(plain_text(name))
            )
        ),
        st.none() | st.decimals(min_value=12, max_value=55, places=2),
        st.none() | st.tuples(st.sampled_from(["", "<"]), st.decimals(min_value="0.001", max_value=30, places=3)),
        st.sampled_from([None, "AD-MSC", "hAEC", "none"]),
    ),
    min_size=1,
    max_size=6,
)


@FUZZ
@given(
    rows=COHORTS,
    suffix=st.sampled_from([".csv", ".tsv", ".xlsx", ".parquet"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
)
def test_a_cohort_reads_back_from_every_file(
    tmp_path: Path, rows: list[tuple], suffix: str, encoding: str, separator: str, decimal: str
) -> None:
    def number(value: object) -> str | None:
        return None if value is None else str(value).replace(".", decimal)

    frame = pd.DataFrame(
        {
            "Patient ID": [name for name, *_ in rows],
            " Age\n(y) ": [number(age) for _, age, _, _ in rows],
            "AMH [µg/L]": [None if amh is None else amh[0] + str(number(amh[1])) for _, _, amh, _ in rows],
            "Cells": [cells for *_, cells in rows],
        },
        dtype="str",
    )
    path = tmp_path / f"cohort{suffix}"
    if suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep=separator, encoding=encoding)
    columns = tuple(ColumnMapping(v, c) for v, c in (("patient_id", "Patient ID"), ("cell_source", "Cells")))
    reading = ReadingSettings(columns=columns, delimiter=separator, decimal=decimal)  # type: ignore[arg-type]
    cohort = check_cohort(path, CODEBOOK, reading)
    assert isinstance(cohort, Cohort)
    named = [name.strip().lower() not in ("na", "n/a", "nan", "null", "<na>", "#n/a") for name in frame["Patient ID"]]
    assert cohort.patient_id[named].tolist() == frame["Patient ID"][named].tolist()
    if "age" in cohort.data:
        ages = [np.nan if age is None else float(age) for _, age, _, _ in rows]
        np.testing.assert_allclose(cohort.data["age"], ages)
    if "amh" in cohort.data:
        expected = [np.nan if amh is None else float(amh[1]) for _, _, amh, _ in rows]
        np.testing.assert_allclose(cohort.data["amh"], expected)
        below = [amh is not None and amh[0] == "<" for _, _, amh, _ in rows]
        assert cohort.data["amh__below"].tolist() == below
    levels = cohort.data["cell_source"].astype(object).where(cohort.data["cell_source"].notna(), None)
    expected_levels = {None: None, "AD-MSC": "adipose", "hAEC": "amniotic_epithelial", "none": "none"}
    assert levels.tolist() == [expected_levels[cells] for *_, cells in rows]


def cohort_or_refusal(path: Path) -> None:
    found = check_cohort(path, CODEBOOK, ReadingSettings(), required=["age", "fsh"])
    try:
        read_cohort(path, CODEBOOK, ReadingSettings(), required=["age", "fsh"])
    except CohortError:
        assert isinstance(found, Findings) or found.findings.errors
    else:
        assert isinstance(found, Cohort)
        assert not found.findings.errors


@FUZZ
@given(
    content=st.binary(max_size=300) | st.text(max_size=200).map(str.encode),
    suffix=st.sampled_from([".csv", ".xlsx", ".parquet"]),
)
def test_any_bytes_are_a_cohort_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    cohort_or_refusal(write(tmp_path, content, f"fuzz{suffix}"))


def whole_files() -> dict[str, bytes]:
    frame = pd.read_csv(io.StringIO(CLINIC), sep=";", dtype=str)
    book, parquet = io.BytesIO(), io.BytesIO()
    frame.to_excel(book, index=False)
    frame.to_parquet(parquet)
    return {".csv": CLINIC.encode(), ".xlsx": book.getvalue(), ".parquet": parquet.getvalue()}


WHOLE = whole_files()


@FUZZ
@given(
    suffix=st.sampled_from(sorted(WHOLE)),
    position=st.floats(0, 1, exclude_max=True),
    inserted=st.binary(max_size=6) | st.sampled_from([b'"', b";", b"\n", b"\x00", b",", b"\xff", b"<"]),
    removed=st.integers(0, 30),
)
def test_a_damaged_file_is_a_cohort_or_refused(
    tmp_path: Path, suffix: str, position: float, inserted: bytes, removed: int
) -> None:
    content = WHOLE[suffix]
    at = int(position * len(content))
    cohort_or_refusal(write(tmp_path, content[:at] + inserted + content[at + removed :], f"fuzz{suffix}"))


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    header, *rows = CLINIC.splitlines()
    forward = read_cohort(write(tmp_path, CLINIC), CODEBOOK, ReadingSettings())
    backward = read_cohort(write(tmp_path, "\n".join([header, *reversed(rows)])), CODEBOOK, ReadingSettings())
    turned = backward.data.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(forward.data, turned)


def test_real_women_before_stimulation(shared_datasets: Path) -> None:
    columns = (ColumnMapping("estradiol", "E2", unit="pg/mL"), ColumnMapping("afc", "MeanAFC"))
    path = shared_datasets / "ovarian_response.csv"
    cohort = read_cohort(path, CODEBOOK, ReadingSettings(columns=columns), required=["age", "afc", "fsh", "estradiol"])
    assert cohort.n_rows == 333
    assert not cohort.data[["age", "afc", "fsh", "estradiol"]].isna().any(axis=None)
    assert {finding.rule for finding in cohort.findings} == {"no_patient_id", "typical_range", "typical_range_most"}
