from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort import ReadingSettings, VisitSettings, check_cohort, read_codebook, read_cohort
from poi_predict.cohort.mapping import reading_as_dict, reading_from_dict
from poi_predict.cohort.streaming import read_block, survey_cohort
from poi_predict.errors import CohortError

CODEBOOK = read_codebook()
REQUIRED = ("age", "fsh", "menses_resumed", "follow_up_months")
HEADER = "patient_id,{visit},age,fsh,cell_source,menses_resumed,months_to_menses,follow_up_months"


def write(folder: Path, rows: list[str], visit: str = "redcap_event_name") -> Path:
    file = folder / "clinic.csv"
    file.write_text("\n".join([HEADER.format(visit=visit), *rows]) + "\n")
    return file


def rules(file: Path, settings: ReadingSettings | None = None) -> dict[str, tuple[int, ...]]:
    found = check_cohort(file, CODEBOOK, settings or ReadingSettings(), required=REQUIRED)
    return {finding.rule: finding.rows for finding in getattr(found, "findings", found)}


TWO_WOMEN = [
    "A,baseline_arm_1,30,80,adipose,,,",
    "A,followup_12m_arm_1,,20,,yes,2,14",
    "B,baseline_arm_1,33,90,adipose,,,",
    "B,followup_12m_arm_1,,,,no,,12",
]


@pytest.mark.parametrize("visit", ["redcap_event_name", "Event Name", "Visit", "time_point"])
def test_visits_become_one_row_a_woman(tmp_path, visit):
    cohort = read_cohort(write(tmp_path, TWO_WOMEN, visit), CODEBOOK, ReadingSettings(), required=REQUIRED)
    assert cohort.n_rows == cohort.n_patients == 2
    columns = ["patient_id", "age", "fsh", "menses_resumed", "months_to_menses", "follow_up_months"]
    np.testing.assert_array_equal(cohort.row_number, [1, 3])
    assert cohort.data[columns].fillna(-1).to_numpy().tolist() == [["A", 30, 80, 1, 2, 14], ["B", 33, 90, 0, -1, 12]]
    assert "visits_joined" in {finding.rule for finding in cohort.findings}
    assert "repeated_patient_id" not in {finding.rule for finding in cohort.findings}
    assert "visit" not in cohort.data


def test_a_hormone_of_follow_up_never_stands_for_the_one_before_treatment(tmp_path):
    rows = ["A,baseline,30,,adipose,,,", "A,12 months,,20,,yes,2,14", *TWO_WOMEN[2:]]
    cohort = read_cohort(write(tmp_path, rows), CODEBOOK, ReadingSettings(), required=REQUIRED)
    assert np.isnan(cohort.data["fsh"].iloc[0])


def test_an_event_at_any_visit_and_the_longest_follow_up_count(tmp_path):
    rows = ["A,0,30,80,adipose,,,", "A,3,,,,no,,3", "A,6,,,,yes,5,6", "A,12,,,,no,,12", "B,0,31,70,adipose,no,,12"]
    cohort = read_cohort(write(tmp_path, rows), CODEBOOK, ReadingSettings(), required=REQUIRED)
    assert cohort.data[["menses_resumed", "months_to_menses", "follow_up_months"]].fillna(-1).to_numpy().tolist() == [
        [1, 5, 12],
        [0, -1, 12],
    ]


def test_the_protocol_may_stand_in_the_row_of_the_treatment(tmp_path):
    rows = ["A,baseline,30,80,,,,", "A,transplantation,,,bone marrow,,,", "A,follow-up,,,,yes,2,14", *TWO_WOMEN[2:]]
    cohort = read_cohort(write(tmp_path, rows), CODEBOOK, ReadingSettings(), required=REQUIRED)
    assert cohort.data["cell_source"].tolist() == ["bone_marrow", "adipose"]


def test_a_declared_column_with_names_of_its_own_is_joined(tmp_path):
    rows = ["A,vorher,30,80,adipose,,,", "A,nachher,,,,yes,2,14", "B,nachher,,,,no,,12", "B,vorher,33,90,adipose,,,"]
    file = write(tmp_path, rows, "Zeitpunkt")
    assert rules(file)["divided_woman"] == (2, 3)
    settings = ReadingSettings(visits=VisitSettings("Zeitpunkt", "vorher"))
    assert read_cohort(file, CODEBOOK, settings, required=REQUIRED).data["age"].tolist() == [30, 33]
    assert reading_from_dict(reading_as_dict(settings)) == settings
    wrong = ReadingSettings(visits=VisitSettings("Zeit", "vorher"))
    assert {"no_visit_column", "divided_woman"} <= set(rules(file, wrong))


def test_without_a_visit_column_divided_women_are_refused(tmp_path):
    file = write(tmp_path, TWO_WOMEN, "remark")
    assert rules(file)["divided_woman"] == (2, 4)
    with pytest.raises(CohortError, match="Predictors and outcome of a woman must stand in one row"):
        read_cohort(file, CODEBOOK, ReadingSettings(), required=REQUIRED)


def test_rows_without_an_identifier_are_women_of_their_own(tmp_path):
    rows = [*TWO_WOMEN, ",baseline_arm_1,31,70,adipose,,,", ",followup_12m_arm_1,,,,no,,12"]
    for visit in ("remark", "redcap_event_name"):
        found = rules(write(tmp_path, rows, visit))
        assert found["empty_patient_id"] == (5, 6)
    assert found["no_baseline_visit"] == (6,)
    assert rules(write(tmp_path, rows, "remark"))["divided_woman"] == (2, 4)


def test_two_treatments_of_one_woman_are_not_divided(tmp_path):
    rows = ["A,first,30,80,adipose,no,,12", "A,second,31,85,adipose,yes,2,14"]
    found = rules(write(tmp_path, rows, "course"))
    assert "divided_woman" not in found
    assert "repeated_patient_id" in found


@pytest.mark.parametrize(
    ("row", "rule", "broken"),
    [
        ("A,baseline_arm_1,31,70,adipose,,,", "several_baseline_visits", (5,)),
        ("C,followup_12m_arm_1,,,,no,,12", "no_baseline_visit", (5,)),
        ("A,month_24_arm_1,,,,yes,3,24", "visits_disagree", (1,)),
    ],
)
def test_visits_that_cannot_be_joined_are_refused(tmp_path, row, rule, broken):
    assert rules(write(tmp_path, [*TWO_WOMEN, row]))[rule] == broken


@pytest.mark.parametrize("labels", [("visit 1", "visit 2"), ("baseline", "relapse"), ("2024-01-02", "2024-12-30")])
def test_names_that_leave_a_doubt_join_nothing(tmp_path, labels):
    first, second = labels
    rows = [row.replace("baseline_arm_1", first).replace("followup_12m_arm_1", second) for row in TWO_WOMEN]
    found = rules(write(tmp_path, rows))
    assert "visits_joined" not in found
    assert found["divided_woman"] == (2, 4)


def test_a_table_of_one_row_a_woman_is_left_as_it_is(tmp_path):
    rows = ["A,baseline,30,80,adipose,yes,2,14", "B,baseline,33,90,adipose,no,,12"]
    assert rules(write(tmp_path, rows)) == {}


SCORED = ("age", "fsh", "cell_source")


def scored_faults(file: Path) -> tuple[list[list[object]], dict[str, list[int]]]:
    plan = survey_cohort(file, CODEBOOK.subset(["patient_id", *SCORED]), ReadingSettings(), required=SCORED)
    block = read_block(plan, plan.blocks[0])
    return block.data.columns.tolist(), {fault.rule: fault.rows.tolist() for fault in block.faults}


def test_rows_of_follow_up_are_not_scored_as_women(tmp_path):
    columns, faults = scored_faults(write(tmp_path, TWO_WOMEN))
    assert faults == {"follow_up_visit": [1, 3]}
    assert "visit" not in columns
    assert scored_faults(write(tmp_path, TWO_WOMEN, "remark"))[1] == {"row_without_predictor": [3]}


def test_a_whole_table_and_its_blocks_reject_the_same_empty_rows(tmp_path):
    file = write(tmp_path, ["A,x,30,80,adipose,,,", "B,x,,,,no,,12", "C,x,,70,,,,"], "remark")
    codebook = CODEBOOK.subset(["patient_id", *SCORED])
    cohort = read_cohort(file, codebook, ReadingSettings(), required=SCORED, permit_row_errors=True)
    assert [(finding.rule, finding.rows) for finding in cohort.findings.errors] == [("row_without_predictor", (2,))]
    assert scored_faults(file)[1] == {"row_without_predictor": [1]}


def test_the_longitudinal_table_of_women_keeps_everyone(tmp_path):
    rows = [row for i in range(12) for row in (f"P{i},baseline,3{i % 9},80,adipose,,,", f"P{i},month 12,,,,no,,12")]
    assert len(pd.unique(read_cohort(write(tmp_path, rows), CODEBOOK, ReadingSettings()).patient_id)) == 12
