"""Which column is which variable, in which unit."""

from __future__ import annotations

import pytest

from poi_predict.cohort.codebook import read_codebook
from poi_predict.cohort.findings import Finding
from poi_predict.cohort.headers import ColumnPlan, plan_columns
from poi_predict.cohort.mapping import ColumnMapping, ReadingSettings

CODEBOOK = read_codebook()


def plan(
    *headers: str,
    columns: tuple[ColumnMapping, ...] = (),
    required: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
) -> tuple[dict[str, ColumnPlan], list[Finding]]:
    plans, findings = plan_columns(headers, CODEBOOK, ReadingSettings(columns=columns, ignore=ignore), required)
    return {item.variable.name: item for item in plans}, findings


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


@pytest.mark.parametrize(
    ("header", "variable", "one_unit"),
    [
        ("FSH (mIU/mL)", "fsh", 1.0),
        (" fsh\n( IU / L ) ", "fsh", 1.0),
        ("AMH [pmol/L]", "amh", 1 / 7.14),
        ("AMH, pg/mL", "amh", 0.001),
        ("amh_ng_ml", "amh", 1.0),
        ("Anti-Müllerian hormone (µg/L)", "amh", 1.0),
        ("E2, pmol/l", "estradiol", 1 / 3.671),
        ("Amenorrhoea duration (years)", "amenorrhea_months", 12.0),
        ("Age (y)", "age", 1.0),
        ("年龄（岁）", "age", 1.0),
        ("Dose (×10⁶ cells)", "dose_cells", 1e6),
        ("Follow-up [weeks]", "follow_up_months", 7 / 30.4375),
        ("AMH (Roche) [ng/mL]", "amh", 1.0),
        ("FSH (baseline)", "fsh", 1.0),
    ],
)
def test_headers_are_matched_with_their_unit(header: str, variable: str, one_unit: float) -> None:
    plans, findings = plan(header)
    assert list(plans) == [variable]
    assert plans[variable].factor == pytest.approx(one_unit)
    assert [finding for finding in findings if finding.severity == "error"] == []


def test_every_name_and_alias_is_matched() -> None:
    for variable in CODEBOOK.values():
        for name in (
            variable.name,
            variable.name.upper(),
            variable.name.replace("_", " "),
            *variable.aliases,
        ):
            plans, _ = plan(name)
            assert list(plans) == [variable.name]


def test_a_mapped_column_is_found_in_spite_of_spaces_case_and_unit() -> None:
    mapping = ColumnMapping("fsh", "Day 3 gonadotropin")
    for header in (
        "Day 3 gonadotropin",
        " day 3\nGonadotropin",
        "Day_3_gonadotropin",
        "Day 3 gonadotropin (U/L)",
    ):
        assert list(plan(header, columns=(mapping,))[0]) == ["fsh"]


def test_the_strictest_comparison_decides() -> None:
    plans, _ = plan("e2", "E2", columns=(ColumnMapping("estradiol", "E2", unit="pg/mL"),))
    assert plans["estradiol"].position == 1


def test_a_mapped_column_is_not_matched_by_name_as_well() -> None:
    plans, findings = plan("age", columns=(ColumnMapping("qol_before", "age", unit="points"),))
    assert list(plans) == ["qol_before"]
    assert findings == []


def test_the_canonical_name_beats_an_alias() -> None:
    plans, findings = plan("serum fsh", "fsh")
    assert plans["fsh"].position == 1
    assert rules(findings) == ["other_column"]


def test_an_ignored_column_is_not_read() -> None:
    assert plan("Route", "age", ignore=("route",))[0].keys() == {"age"}


@pytest.mark.parametrize(
    ("headers", "rule"),
    [(("age", "age"), "duplicated_header"), (("age at treatment", "patient age"), "ambiguous_column")],
)
def test_two_columns_for_one_variable_are_an_error(headers: tuple[str, str], rule: str) -> None:
    plans, findings = plan(*headers)
    assert not plans
    assert rules(findings) == [rule]


@pytest.mark.parametrize(
    ("header", "unit", "rule"),
    [
        ("FSH (ng/mL)", None, "refused_unit"),
        ("FSH (IU/mL)", None, "refused_unit"),
        ("FSH", "ng/mL", "refused_unit"),
        ("AMH (AU)", None, "unknown_unit"),
        ("AMH [arb/mL]", None, "unknown_unit"),
        ("AMH [arb/mL]", "ng/mL", "unknown_unit"),
        ("AMH", "ng per spoon", "unknown_unit"),
        ("AMH (pmol/L)", "ng/mL", "contradicting_unit"),
        ("amenorrhea_months", "years", "contradicting_unit"),
    ],
)
def test_a_unit_at_fault_is_an_error_and_its_column_is_not_read(header: str, unit: str | None, rule: str) -> None:
    name = "amenorrhea_months" if header.startswith("amen") else header[:3].lower()
    plans, findings = plan(header, columns=(ColumnMapping(name, header, unit=unit),))
    assert not plans
    assert rules(findings) == [rule]


@pytest.mark.parametrize(
    ("header", "unit"), [("FSH (mIU/mL)", "IU/L"), ("AMH (Roche)", "pmol/L"), ("AMH (ng/mL)", "µg/L")]
)
def test_a_declared_unit_agrees_with_the_header(header: str, unit: str) -> None:
    plans, findings = plan(header, columns=(ColumnMapping(header[:3].lower(), header[:3], unit=unit),))
    assert len(plans) == 1
    assert findings == []


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("amh", ["unit_assumed"]),
        ("AMH", ["unit_assumed"]),
        ("Serum AMH", ["unit_assumed"]),
        ("Age at treatment", []),
        ("Serum FSH", []),
        ("months_to_menses", []),
        ("dose_cells", []),
        ("AMH (ng/mL)", []),
    ],
)
def test_an_assumed_unit_is_a_warning_where_it_may_be_another(header: str, found: list[str]) -> None:
    assert rules(plan(header)[1]) == found


def test_a_missing_column_is_an_error_with_the_nearest_header() -> None:
    _, findings = plan("agee", "E-2", required=("age", "afc"), columns=(ColumnMapping("estradiol", "E22"),))
    found = {finding.column: finding for finding in findings}
    assert '(is it "agee"?)' in found["age"].message
    assert "is it" not in found["afc"].message
    assert (found["afc"].severity, found["estradiol"].severity) == ("error", "warning")
    assert '(is it "E-2"?)' in found["estradiol"].message


def test_levels_mapped_to_nothing_are_an_error() -> None:
    mapping = ColumnMapping("route", "route", levels={"1": "laparoscopic", "2": "by mouth"})
    (finding,) = plan("route", columns=(mapping,))[1]
    assert finding.rule == "unknown_mapped_level"
    assert "1 of its targets is none" in finding.message


OTHER_THINGS = {
    "fsh": (
        *("FSH (6 months)", "FSH 6m", "FSH_6m", "FSH, 6 months", "FSH (6 ay)", "FSH (nach 6 Monaten)", "FSH（治疗后）"),
        *(
            "FSH_1",
            "FSH_2",
            "FSH1",
            "FSH.1",
            "FSH T1",
            "fsh_v2",
            "FSH (visit 2)",
            "FSH (IU/L) 6 months",
            "FSH (day 21)",
        ),
        *("FSH (IU/L, month 6)", "FSH 3", "√FSH", "∆FSH", "FSH %", "FSH*", "FSH (partner)", "max FSH", "FSH (max)"),
        *("FSH, mIU/mL (6 months)", "FSH after stimulation", "FSH (6/12)", "FSH (شش ماه)", "FSH (через 6 мес)"),
    ),
    "age": (
        *(
            "Age (partner)",
            "Age at menarche",
            "Age at diagnosis",
            "partner age",
            "Age (husband)",
            "Age_2",
            "Age (at POI)",
        ),
        *("Alter (Age) Partner", "年龄（配偶）", "Mother's age", "Age (last visit)", "Age of onset"),
    ),
    "afc": ("AFC (left)", "AFC_left", "AFC L", "AFC (right ovary)", "AFC-R", "AFC (month 3)", "AFC (stimulated)"),
    "dose_cells": ("Dose (per ovary)", "Dose per kg", "dose_1", "Dose (2nd)", "Dose planned"),
    "menses_resumed": (
        *("Menses resumed (before treatment)", "Menses before", "Menses (HRT)", "Menses resumed (partner study)"),
        *("Menses resumed 6m", "Menses (baseline)"),
    ),
    "clinical_pregnancy": ("Pregnancy (previous)", "Previous pregnancy", "Pregnancy before", "pregnant (partner)"),
    "follow_up_months": ("Follow-up (visit 2)", "Follow up 6 months", "Follow-up 2"),
    "amh": ("AMH (3 mo post)", "AMH_m6", "AMH (mother)", "AMH percentile"),
}


@pytest.mark.parametrize(("variable", "header"), [(name, text) for name, all_ in OTHER_THINGS.items() for text in all_])
def test_a_header_that_says_more_is_not_the_variable(variable: str, header: str) -> None:
    plans, findings = plan(header, required=(variable,))
    assert variable not in plans
    found = [finding for finding in findings if finding.column == variable]
    assert rules(found) in (["possible_column_needed"], ["missing_column"], ["unknown_unit"])
    assert found[0].severity == "error"


@pytest.mark.parametrize("header", ["FSH (6 months)", "FSH_post2", "FSH T1"])
def test_a_header_that_says_more_is_read_where_the_study_names_it(header: str) -> None:
    assert list(plan(header, columns=(ColumnMapping("fsh", header),))[0]) == ["fsh"]


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("FSH (baseline)", "fsh"),
        ("FSH basal", "fsh"),
        ("Basal FSH (mUI/mL)", "fsh"),
        ("Day 3 FSH", "fsh"),
        ("FSH D3", "fsh"),
        ("FSH (day 2-5)", "fsh"),
        ("FSH (治疗前)", "fsh"),
        ("FSH (vor Therapie)", "fsh"),
        ("E2 (serum) [pmol/L]", "estradiol"),
        ("AFC (total)", "afc"),
        ("Age (patient)", "age"),
        ("FSH (post)", "fsh_after"),
        ("FSH_post", "fsh_after"),
        ("AMH follow-up", "amh_after"),
        ("Menses resumed?", "menses_resumed"),
        ("Menses resumed (yes/no)", "menses_resumed"),
        ("Menses resumed (after treatment)", "menses_resumed"),
        ("Follow-up (days)", "follow_up_months"),
        ("Follow-up [ay]", "follow_up_months"),
        ("months amenorrhea", "amenorrhea_months"),
    ],
)
def test_units_and_words_that_change_nothing_are_passed_over(header: str, variable: str) -> None:
    assert list(plan(header)[0]) == [variable]


def test_a_remark_on_the_unit_does_not_hide_one_on_the_time() -> None:
    assert "amh" not in plan("AMH (6 months) [ng/mL]")[0]


def test_an_empty_name_leaves_a_variable_out() -> None:
    assert plan("LH", columns=(ColumnMapping("lh", ""),)) == ({}, [])
    findings = plan("LH", columns=(ColumnMapping("lh", ""),), required=("lh",))[1]
    assert rules(findings) == ["left_out_column"]


def test_another_hormone_is_never_offered_in_the_place_of_one() -> None:
    for headers in (("FSH", "Serum FSH"), ("Baseline FSH (IU/L)",), ("LH",), ("afp",)):
        _, findings = plan(*headers, required=("amh",))
        assert "is it" not in next(finding.message for finding in findings if finding.column == "amh")
    _, findings = plan("Amenorhoea month", required=("amenorrhea_months",))
    assert '(is it "Amenorhoea month"?)' in findings[0].message


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        *(
            (h, 0.14)
            for h in ("AMH pmol/l baseline", "AMH_pmol_L_baseline", "AMH (Elecsys, pmol/L)", "AMH (basal pmol/L)")
        ),
        ("AMH (ng/mL, basal)", 1.0),
        *(
            (h, None)
            for h in ("AMH (pmol/L 6 months)", "AMH (pmol/L, post)", "AMH (ng/mL or pmol/L)", "AMH (pmol/L ng/mL)")
        ),
    ],
)
def test_a_unit_counts_beside_words_that_change_nothing_and_beside_no_others(header: str, factor: float | None) -> None:
    plans, findings = plan_columns((header,), CODEBOOK, ReadingSettings(), ())
    assert [round(plan.factor, 3) for plan in plans] == ([] if factor is None else [factor])
    assert "unit_assumed" not in {finding.rule for finding in findings}


def test_a_dose_per_weight_and_a_mean_of_two_ovaries_are_not_read() -> None:
    headers = ("dose (10^6 cells per kg)", "AFC (mean)")
    assert plan_columns(headers, CODEBOOK, ReadingSettings(), ())[0] == []
