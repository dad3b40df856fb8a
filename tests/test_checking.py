"""What `check` says of a cohort, and where it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from poi_predict.cli import app
from poi_predict.errors import OutputError
from poi_predict.features import build_features
from poi_predict.study import read_study
from poi_predict.workflow import check

STUDY = """
[study]
name = "own"
[variables.lead]
label = "Blood lead"
hard = [0, 10000]
{transform}
[endpoint]
event = "menses_resumed"
event_month = "months_to_menses"
follow_up = "follow_up_months"
horizon_months = 12
[[inclusion]]
variable = "age"
max = 40
unknown = "{unknown}"
[predictors]
use = ["age", "amh", "lead"]
[validation]
permutations = {permutations}
"""
ALLOWED = {"transform": "", "unknown": "keep", "permutations": 199}


def study(folder: Path, **changes: object):
    file = folder / "study.toml"
    file.write_text(STUDY.format(**{**ALLOWED, **changes}))
    return read_study(file)


def women(n: int = 24, **changes: object) -> pd.DataFrame:
    i = np.arange(n)
    return pd.DataFrame(
        {
            "patient_id": [f"P{k}" for k in i],
            "age": 25 + i % 12,
            "AMH (ng/mL)": ["<0.02" if k % 4 == 0 else f"{0.1 + k / 100:.2f}" for k in i.tolist()],
            "lead": 10.0 + i % 7,
            "menses_resumed": np.where(i % 3 == 0, "yes", "no"),
            "months_to_menses": np.where(i % 3 == 0, 4.0, np.nan),
            "follow_up_months": 14.0,
        }
    ).assign(**changes)


def write(folder: Path, frame: pd.DataFrame) -> Path:
    file = folder / "clinic.csv"
    frame.to_csv(file, index=False)
    return file


def said(folder: Path, frame: pd.DataFrame, **changes: object) -> str:
    return "\n".join(check(study(folder, **changes), write(folder, frame)).lines())


def test_a_clean_cohort_is_described_and_leaves_no_file(tmp_path):
    text = said(tmp_path, women())
    assert "Below a detection limit, of 24 rows: amh 6." in text
    assert "Taken as known before treatment, since they have no role: lead." in text
    assert "To be analysed: 24 rows, 24 women, 8 events." in text
    assert "in the cohort" in text
    assert "too few permutations" not in text
    assert not list(tmp_path.glob("*.findings.csv"))


def test_what_is_missing_is_counted_by_column_and_step(tmp_path):
    age = np.where(np.arange(24) < 3, np.nan, 30.0)
    text = said(tmp_path, women(age=age))
    assert "Missing, of 24 rows: age 3." in text
    assert "3 without a value, kept" in text
    assert "To be analysed: 24 rows" in text
    dropped = said(tmp_path, women(age=age), unknown="drop")
    assert "3 without a value, left out" in dropped
    assert "To be analysed: 21 rows" in dropped


@pytest.mark.parametrize(("permutations", "few"), [(0, True), (19, True), (98, True), (99, False)])
def test_too_few_permutations_are_said(tmp_path, permutations, few):
    assert ("too few permutations" in said(tmp_path, women(), permutations=permutations)) == few


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path):
    frame = women()
    frame.loc[[2, 5], "age"] = 99
    text = said(tmp_path, frame)
    assert "(Spreadsheet rows 4, 7.)" in text
    table = pd.read_csv(tmp_path / "clinic.csv.findings.csv")
    assert table[["row", "spreadsheet_row"]].to_numpy().tolist() == [[3, 4], [6, 7]]


def test_a_rule_that_many_columns_break_is_said_once(tmp_path):
    frame = women().assign(fsh=1.0, lh=1.0, estradiol=4000.0, bmi=12.0)
    text = said(tmp_path, frame)
    assert text.count("usually lies between") == 1
    assert "in 3 more columns" in text


def test_findings_replace_their_own_kind_and_nothing_else(tmp_path):
    frame = women()
    frame.loc[2, "age"] = 99
    file, chosen = write(tmp_path, frame), tmp_path / "rows.csv"
    beside = tmp_path / "clinic.csv.findings.csv"
    own = study(tmp_path)
    assert check(own, file).findings_file == beside
    assert check(own, file).findings_file == beside
    beside.write_text("the clinic's own")
    told = check(own, file)
    assert told.findings_file is None
    assert "Row numbers were not written" in "\n".join(told.lines())
    assert beside.read_text() == "the clinic's own"
    assert check(own, file, chosen).findings_file == chosen
    with pytest.raises(OutputError, match="not replaced unasked"):
        check(own, file, beside)
    with pytest.raises(OutputError, match="never replaces what is read"):
        check(own, file, file, overwrite=True)
    words = ["check", "-s", str(tmp_path / "study.toml"), "-c", str(file), "--findings", str(beside), "--overwrite"]
    assert CliRunner().invoke(app, words).exit_code == 2  # the row of 99 years
    assert beside.read_text().startswith("row,column,rule")


def test_a_skewed_variable_is_said_until_the_study_decides(tmp_path):
    lead = np.where(np.arange(24) == 5, 5000.0, 10.0 + np.arange(24) % 7)
    assert 'transform = "log"' in said(tmp_path, women(lead=lead))
    for decided in ("log", "sqrt", "none"):
        assert "skewed" not in said(tmp_path, women(lead=lead), transform=f'transform = "{decided}"')


@pytest.mark.parametrize(
    ("transform", "column", "expected"),
    [("log", "lead__log", np.log), ("sqrt", "lead__sqrt", np.sqrt), ("none", "lead__value", np.asarray)],
)
def test_a_transform_is_the_scale_of_the_predictor(tmp_path, transform, column, expected):
    own = study(tmp_path, transform=f'transform = "{transform}"')
    frame = pd.DataFrame({"age": [30.0, 31.0], "amh": [0.1, 0.2], "lead": [4.0, 900.0]})
    derived = build_features(own.codebook, own.features).fit_transform(frame)
    np.testing.assert_allclose(derived[column], expected(frame["lead"]))
