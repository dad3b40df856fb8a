from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.endpoint import EndpointSettings
from poi_predict.cohort.population import InclusionRule, build_analysis_set, check_predictors
from poi_predict.errors import CohortError, StudyError

MENSES = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12)
NAN = np.nan


def cohort(**changes) -> SimpleNamespace:
    data = pd.DataFrame(
        {
            "patient_id": ["007", "7", "007", "b", "c", "d", "e", "f"],
            "centre": ["X", "X", "X", "Y", "Y", "Y", "Y", "Y"],
            "age": [25.0, 30.0, 26.0, 45.0, 33.0, NAN, 38.0, 36.0],
            "aetiology": [
                "idiopathic",
                "surgical",
                "idiopathic",
                "idiopathic",
                "autoimmune",
                None,
                "fmr1",
                "fmr1",
            ],
            "adjuvant": ["prp+hrt", "none", "prp", "none", "hrt", "none", None, "none"],
            "autologous": [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, NAN, 1.0],
            "menses_resumed": [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, NAN],
            "months_to_menses": [3.0, NAN, 9.0, 2.0, NAN, NAN, NAN, NAN],
            "follow_up_months": [12.0, 14.0, 12.0, 12.0, 6.0, 24.0, 13.0, 24.0],
        }
    ).assign(**changes)
    return SimpleNamespace(codebook=read_codebook(), data=data, row_number=np.arange(1, len(data) + 1))


def some_rows(positions: list[int]) -> SimpleNamespace:
    whole = cohort()
    data = whole.data.iloc[positions].reset_index(drop=True)
    return SimpleNamespace(codebook=whole.codebook, data=data, row_number=whole.row_number[positions])


TWO_RESPONDERS = {"patient_id": ["007", "7", "a", "b", "c", "d", "e", "f"]}


def test_rows_are_lost_step_by_step_and_counted():
    rules = [InclusionRule("age", max=40), InclusionRule("aetiology", missing="exclude")]
    analysis = build_analysis_set(cohort(**TWO_RESPONDERS), rules, MENSES)
    columns = ["step", "excluded_rows", "remaining_rows", "remaining_patients", "remaining_events"]
    assert analysis.attrition[columns].to_numpy().tolist() == [
        ["in the cohort", 0, 8, 8, 3],
        ["Age at most 40 years", 1, 7, 7, 2],
        ["Aetiology, known", 1, 6, 6, 2],
        ["outcome known", 1, 5, 5, 2],
        ["event, or followed for 12 months", 1, 4, 4, 2],
    ]
    assert "inverse-probability" in analysis.attrition["note"].iloc[-1]
    assert analysis.n_censored == 1
    assert analysis.y_true.tolist() == [1, 0, 1, 0]
    assert analysis.weight.mean() == pytest.approx(1)
    assert analysis.centre.tolist() == ["X", "X", "X", "Y"]
    assert analysis.data.index.tolist() == [0, 1, 2, 3]


def test_excluding_the_censored_is_said_aloud():
    settings = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12, censoring="exclude")
    analysis = build_analysis_set(cohort(**TWO_RESPONDERS), [], settings)
    assert "favours the therapy" in analysis.attrition["note"].iloc[-1]
    assert set(analysis.weight) == {1.0}


def test_rows_of_one_woman_share_her_pseudonym_and_ids_stay_text():
    data = cohort(menses_resumed=[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, NAN])
    analysis = build_analysis_set(data, [], MENSES)
    assert analysis.patient.tolist() == [0, 1, 0, 2, 3, 4]
    assert analysis.pseudonym.tolist() == ["W001", "W002", "W001", "W003", "W004", "W005"]
    assert analysis.attrition["remaining_patients"].iloc[0] == 7


def test_a_woman_without_an_identifier_is_a_woman_of_her_own():
    missing = ["007", None, "007", None, "c", "d", "e", "f"]
    analysis = build_analysis_set(cohort(patient_id=missing), [], MENSES)
    assert analysis.patient.tolist() == [0, 1, 0, 2, 3, 4]


def test_the_censoring_distribution_is_that_of_the_women_included():
    everyone = build_analysis_set(cohort(**TWO_RESPONDERS), [], MENSES)
    without = build_analysis_set(cohort(**TWO_RESPONDERS), [InclusionRule("age", max=32)], MENSES)
    assert everyone.weight.std() > 0
    assert without.n_censored == 0
    assert without.weight.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (InclusionRule("age", min=26, max=38), [0, 1, 1, 0, 1, 1, 1, 1]),
        (InclusionRule("age", min=26, max=38, missing="exclude"), [0, 1, 1, 0, 1, 0, 1, 1]),
        (InclusionRule("aetiology", levels=("idiopathic", "fmr1")), [1, 0, 1, 1, 0, 1, 1, 1]),
        (InclusionRule("adjuvant", levels=("prp",)), [1, 0, 1, 0, 0, 0, 1, 0]),
        (InclusionRule("adjuvant", levels=("none", "hrt"), missing="exclude"), [1, 1, 0, 1, 1, 1, 0, 1]),
        (InclusionRule("autologous", levels=("yes",)), [1, 0, 1, 1, 0, 0, 1, 1]),
        (InclusionRule("age", missing="exclude"), [1, 1, 1, 1, 1, 0, 1, 1]),
    ],
)
def test_a_rule_keeps_what_it_says(rule, kept):
    assert rule.keeps(cohort().data).astype(int).tolist() == kept


def test_rules_that_do_not_fit_are_refused():
    with pytest.raises(StudyError, match=r'did you mean "aetiology"'):
        InclusionRule("etiology", levels=("fmr1",)).keeps(cohort().data)
    with pytest.raises(StudyError, match="the variable holds categories"):
        InclusionRule("aetiology", min=1).keeps(cohort().data)
    for parts in (
        {},
        {"min": 2.0, "max": 1.0},
        {"min": 1.0, "levels": ("a",)},
        {"max": 1.0, "missing": "keep"},
    ):
        with pytest.raises(StudyError, match="The inclusion rule on age"):
            InclusionRule("age", **parts)


def test_one_class_only_is_one_clear_sentence():
    few = some_rows([1, 5, 6])
    with pytest.raises(CohortError, match="0 with and 3 without are left") as raised:
        build_analysis_set(few, [], MENSES)
    assert "\n" not in str(raised.value)


def test_two_courses_of_one_woman_are_one_woman_with_the_event():
    only_her = some_rows([0, 1, 2, 5])
    with pytest.raises(CohortError, match="1 with and 2 without"):
        build_analysis_set(only_her, [], MENSES)


def test_rules_that_leave_nobody_are_refused():
    with pytest.raises(CohortError, match="0 of 8 rows are left"):
        build_analysis_set(cohort(), [InclusionRule("age", min=50, missing="exclude")], MENSES)


def test_inconsistent_rows_outside_the_inclusion_do_not_stop_the_study():
    changed = cohort(**TWO_RESPONDERS, months_to_menses=[3.0, NAN, 9.0, 20.0, NAN, NAN, NAN, NAN])
    analysis = build_analysis_set(changed, [InclusionRule("age", max=40)], MENSES)
    assert len(analysis.data) == 5
    with pytest.raises(CohortError, match="follow_up_months must not be shorter"):
        build_analysis_set(changed, [], MENSES)
    lenient = EndpointSettings("menses_resumed", "months_to_menses", "follow_up_months", 12, inconsistent="exclude")
    steps = build_analysis_set(changed, [], lenient).attrition.set_index("step")["excluded_rows"]
    assert steps["months consistent"] == 1


def test_no_identifier_appears_in_what_may_be_shown():
    analysis = build_analysis_set(cohort(**TWO_RESPONDERS), [InclusionRule("age", max=40)], MENSES)
    shown = analysis.attrition.to_csv() + " ".join(analysis.pseudonym)
    assert "007" not in shown


def outcomes(rows: list[tuple[float, float, float]]) -> SimpleNamespace:
    data = pd.DataFrame(rows, columns=["menses_resumed", "months_to_menses", "follow_up_months"], dtype=float)
    return SimpleNamespace(codebook=read_codebook(), data=data, row_number=np.arange(1, len(data) + 1))


def test_women_without_follow_up_are_lost_aloud():
    # 8 of 24 respond; 8 of the 16 others have no follow-up: 8 of 16 are left, a response of 50 in place of 33 of 100.
    analysis = build_analysis_set(outcomes([(1, 2, 14)] * 8 + [(0, NAN, NAN)] * 8 + [(0, NAN, 14)] * 8), [], MENSES)
    found = {finding.rule: finding for finding in analysis.findings}
    assert found["no_follow_up"].rows == tuple(range(9, 17))
    assert (
        "50 of 100 respond; with them as followed to the horizon it would be 33 of 100" in found["no_follow_up"].message
    )
    step = analysis.attrition.set_index("step").loc["follow-up stated"]
    assert step["excluded_rows"] == 8
    assert analysis.n_unfollowed == 8
    assert "No woman was censored" not in analysis.describe_follow_up()
    assert "8 rows without an event have no follow-up" in analysis.describe_follow_up()


def test_a_year_of_365_days_is_counted_and_said():
    analysis = build_analysis_set(outcomes([(1, 2, 14)] * 3 + [(0, NAN, 365 / 30.4375)] * 4), [], MENSES)
    (finding,) = analysis.findings
    assert (finding.rule, finding.count) == ("horizon_tolerance", 4)
    assert "11.93 to 12.07 months is the horizon; 4 of 7 rows are taken so" in finding.message
    assert analysis.y_true.mean() == pytest.approx(3 / 7)
    assert analysis.describe_follow_up() == "No woman was censored before the horizon."


def test_a_year_of_360_days_is_censored_and_said():
    analysis = build_analysis_set(
        outcomes([(1, 2, 14)] * 3 + [(0, NAN, 360 / 30.4375)] * 4 + [(0, NAN, 12)] * 2), [], MENSES
    )
    assert [(finding.rule, finding.count) for finding in analysis.findings] == [("nearly_followed", 4)]
    assert analysis.n_censored == 4


def test_undated_events_are_said_with_what_they_may_change():
    rows = [(1, NAN, 24)] * 4 + [(1, NAN, 12)] * 4 + [(0, NAN, 24)] * 12
    analysis = build_analysis_set(outcomes(rows), [], MENSES)
    (finding,) = analysis.findings
    assert (finding.rule, finding.rows) == ("undated_event", (1, 2, 3, 4))
    # 4 of 16 are left; with the four 4 of 20 if late, 8 of 20 if early.
    assert "25 of 100 respond without them; it would be 20 if none" in finding.message
    assert "40 if all had" in finding.message
    assert analysis.attrition.set_index("step").loc["month of the event stated", "excluded_rows"] == 4


def test_a_missing_outcome_is_said_with_what_it_may_change():
    analysis = build_analysis_set(outcomes([(1, 2, 14)] * 4 + [(0, NAN, 14)] * 12 + [(NAN, NAN, 14)] * 4), [], MENSES)
    (finding,) = analysis.findings
    assert (finding.rule, finding.rows) == ("no_outcome", (17, 18, 19, 20))
    assert "25 of 100 respond without them; it would be 20 if none of them had the event by" in finding.message


def test_too_few_of_a_kind_says_what_was_lost():
    with pytest.raises(CohortError, match=r"6 were followed for less than the horizon.*360 days"):
        build_analysis_set(outcomes([(1, 2, 14)] * 4 + [(0, NAN, 11.83)] * 6), [], MENSES)


def test_a_complete_outcome_is_without_a_finding():
    assert not build_analysis_set(outcomes([(1, 2, 14)] * 3 + [(0, NAN, 14)] * 3), [], MENSES).findings


def test_rows_that_teach_nothing_are_refused():
    analysis = build_analysis_set(cohort(**TWO_RESPONDERS, age=[NAN] * 8), [], MENSES)
    check_predictors(analysis, ["aetiology"])
    with pytest.raises(CohortError, match=r"age is of none of the 6\. Fill the column, or take it out"):
        check_predictors(analysis, ["age", "aetiology"])
    with pytest.raises(CohortError, match="none of the 6 holds any"):
        check_predictors(analysis, ["age", "fsh"])
