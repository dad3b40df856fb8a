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
    assert findings == []


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
    [("amh", []), ("AMH", []), ("Serum AMH", ["unit_assumed"]), ("Age at treatment", []), ("Serum FSH", [])],
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
