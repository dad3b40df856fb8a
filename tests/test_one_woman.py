"""Regimens from the command's side: one woman's page, a whole cohort's table, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.batch_scoring import ScoringOptions, score
from poi_predict.cli import main
from poi_predict.errors import CohortError
from poi_predict.one_woman import compare_cohort, compare_patient, explain_patient
from poi_predict.workflow import simulate
from support import ROOT

MODEL = str(ROOT / "models" / "reference-menses")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("regimens") / "cohort.csv"
    simulate(n=12, seed=3, out=path)
    return path


def test_one_womans_page_names_her_alone_and_is_marked(cohort: Path, tmp_path: Path) -> None:
    lines = compare_patient(MODEL, cohort, "SYN-00003", tmp_path / "her.html")
    page = (tmp_path / "her.html").read_text()
    assert "SYN-00003" in page
    assert not any(f"SYN-{number:05d}" in page for number in range(1, 13) if number != 3)
    assert "SYNTHETIC" in page
    assert "not for counselling" in page
    assert any("ot distinguishable" in line for line in lines)


def test_all_pages_give_her_the_interval_of_score(cohort: Path, tmp_path: Path) -> None:
    score(MODEL, cohort, tmp_path / "s.csv", ScoringOptions(n_jobs=1))
    row = pd.read_csv(tmp_path / "s.csv").iloc[2]
    low, high = (f"{100 * row[name]:.0f}" for name in ("ci_low", "ci_high"))
    assert row["patient_id"] == "SYN-00003"
    explain_patient(MODEL, cohort, "SYN-00003", tmp_path / "her.html")
    compare_patient(MODEL, cohort, "SYN-00003", tmp_path / "r.html")
    explained, compared = (" ".join((tmp_path / name).read_text().split()) for name in ("her.html", "r.html"))
    assert f"<span>{low} % to {high} %</span>" in explained
    assert f"With the therapy: {low} % to {high} %" in compared
    contrast = re.search(r"without it, about \d+ \((\d+) to (\d+)\)", explained)
    assert contrast is not None
    assert f"Without it: {contrast[1]} % to {contrast[2]} %" in compared


def test_published_evidence_calls_no_regimen_better_for_anyone(cohort: Path, tmp_path: Path) -> None:
    found = compare_cohort(MODEL, cohort, tmp_path / "all.csv")
    table = pd.read_csv(tmp_path / "all.csv", dtype={"patient_id": str})
    women = pd.read_csv(cohort, dtype=str)["Patient ID"]
    options = len(found.comparison.options)
    assert table["patient_id"].tolist() == np.repeat(women, options).tolist()
    assert set(table["verdict"]) <= {"not distinguishable", "reference", "few", "no data"}
    natural = table[table["option"] == "none"]
    assert (natural["difference"] == 0).all()
    treated = table[table["option"] != "none"]
    assert ((treated["difference_low"] < 0) & (treated["difference_high"] > 0)).all()
    assert any("not distinguishable: 12" in line for line in found.lines(tmp_path / "all.csv"))


def test_a_woman_without_any_hormone_is_answered_widely(cohort: Path, tmp_path: Path) -> None:
    women = pd.read_csv(cohort, dtype=str)
    hormones = [name for name in women if name.startswith(("FSH (", "AMH (", "AFC", "Follicles"))]
    known, unknown = women.iloc[[0]].copy(), women.iloc[[0]].copy()
    known["FSH (IU/L)"], unknown["Patient ID"] = "60", "SYN-99999"
    unknown[hormones] = None
    both = tmp_path / "both.csv"
    pd.concat([known, unknown]).to_csv(both, index=False)
    found = compare_cohort(MODEL, both, tmp_path / "out.csv").comparison
    width = found.high - found.low
    assert (width[1] > width[0]).all()
    assert {"missing:fsh", "missing:amh"} <= set(found.flags[1])


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--patient", "NOBODY"], "--patient must be a patient_id"),
        ([], "by --patient, or all of them by --all"),
        (["--patient", "SYN-00001", "--all"], "by --patient, or all of them by --all"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    extra: list[str], said: str, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "page.html"
    words = ["poi-predict", "regimens", "--model", MODEL, "--cohort", str(cohort), "--out", str(out), *extra]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "NOBODY" not in told
    assert not out.exists()


@pytest.fixture(scope="module")
def repeated(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rows, two of them with one identifier; the first of these two cannot be used."""
    women = pd.read_csv(cohort, dtype=str).iloc[[0, 1, 2, 3]].copy()
    women.iloc[3, women.columns.get_loc("Patient ID")] = "SYN-00002"
    women.iloc[1, women.columns.get_loc("Age (years)")] = "25"
    women.iloc[3, women.columns.get_loc("Age (years)")] = "38"
    women.iloc[2, women.columns.get_loc("Age (years)")] = "99"
    path = tmp_path_factory.mktemp("repeated") / "cohort.csv"
    women.to_csv(path, index=False)
    return path


def test_a_page_of_several_rows_says_which_row_it_is_of(repeated: Path, tmp_path: Path) -> None:
    ages = {}
    for row in (None, 2, 4):
        lines = explain_patient(MODEL, str(repeated), "SYN-00002", str(tmp_path / "her.html"), row=row, overwrite=True)
        page = (tmp_path / "her.html").read_text()
        assert lines[0].startswith("Rows 2 and 4 of the table have this patient_id; row")
        assert lines[0] in page
        ages[row] = "25 years" in page, "38 years" in page
    assert ages == {None: (False, True), 2: (True, False), 4: (False, True)}
    assert "row 4, the last, is used" in compare_patient(MODEL, repeated, "SYN-00002", tmp_path / "r.html")[0]
    assert (
        "row 2 is used" in compare_patient(MODEL, repeated, "SYN-00002", tmp_path / "r.html", row=2, overwrite=True)[0]
    )
    assert "row 2 is used" in (tmp_path / "r.html").read_text()
    assert "have this patient_id" not in explain_patient(MODEL, repeated, "SYN-00001", tmp_path / "hers.html")[0]


@pytest.mark.parametrize(("row", "said"), [(1, "1 is not. Rows 2 and 4 are."), (9, "9 is not. Rows 2 and 4 are.")])
def test_a_row_of_nobody_or_another_woman_is_refused(repeated: Path, tmp_path: Path, row: int, said: str) -> None:
    with pytest.raises(CohortError, match=said):
        explain_patient(MODEL, repeated, "SYN-00002", tmp_path / "her.html", row=row)
    assert not (tmp_path / "her.html").exists()


def test_every_row_of_a_cohort_is_compared_or_named_as_rejected(repeated: Path, tmp_path: Path) -> None:
    found = compare_cohort(MODEL, str(repeated), str(tmp_path / "all.csv"))
    assert (found.n_rows, len(found.comparison), found.n_rejected) == (4, 3, 1)
    rejected = pd.read_csv(tmp_path / "all.csv.rejected.csv")
    assert rejected[["row", "column", "rule"]].values.tolist() == [[3, "age", "hard_range"]]
    assert "99" not in rejected["message"][0]
    lines = found.lines(tmp_path / "all.csv")
    assert any("4 rows read = 3 compared + 1 rejected" in line for line in lines)
    assert any("all.csv.rejected.csv" in line for line in lines)
    table = pd.read_csv(tmp_path / "all.csv")
    assert len(table) == 3 * len(found.comparison.options)
