"""Evidence sections: say what was found, say why where nothing was, and hold on a page."""

from __future__ import annotations

import importlib.util
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poi_predict.report.evidence_sections import (
    build_calibration_error_section,
    build_decision_curve_section,
    build_evidence_sections,
    build_instability_section,
    build_internal_external_section,
    build_ladder_section,
    build_leakage_section,
    build_null_section,
    build_sample_size_section,
    build_subgroup_section,
    describe_skill,
    ladder_banner,
)
from poi_predict.report.forest_figures import ForestRow, plot_forest
from poi_predict.report.instability_figures import compute_calibration_instability
from poi_predict.report.page import render_report
from poi_predict.report.performance_sections import describe_gain


def load_evidence():
    path = Path(__file__).with_name("evidence_data.py")
    spec = importlib.util.spec_from_file_location("evidence_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EVIDENCE = load_evidence()
ASSESSMENT = EVIDENCE.make_assessment()


def words(section):
    cells = [str(cell) for table in section.tables for cell in table.frame.to_numpy().ravel()]
    return " ".join([*map(str, section.paragraphs), *cells, *(table.note for table in section.tables)])


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize(
    ("skill", "p", "start"),
    [
        ("shown", 0.005, "Skill shown: Ridge predicts better"),
        ("weak", 0.03, "Weak evidence of skill: Ridge"),
        ("none", 0.4, "No skill shown: with these 180 women"),
        ("none", 0.02, "No skill shown: with these 180 women (58 events) Ridge predicts no better"),
        ("none", None, "No skill shown: there is no model to test."),
    ],
)
def test_verdict_says_skill_with_its_p_value(skill, p, start):
    test = ASSESSMENT["skill_test"] | {"p_value": p, "note": "fewer than 10 events"}
    said = describe_skill(ASSESSMENT | {"skill": skill, "skill_test": test}, "Ridge")
    assert said.startswith(start)
    if p is None:
        assert "Fewer than 10 events." in said
    else:
        assert f"in {round(p * 201) - 1} of 200 runs" in said


def test_what_was_not_tested_is_not_judged():
    test = ASSESSMENT["skill_test"] | {"p_value": 0.05, "note": "too few permutations to say: 19 are made"}
    said = describe_skill(ASSESSMENT | {"skill": "not_assessed", "skill_test": test}, "Ridge")
    assert said == "Not tested against chance. Too few permutations to say: 19 are made. Nothing is said of skill."


def test_a_model_that_says_the_same_of_all_has_no_skill():
    figures = {"ridge": {"c_statistic": {"estimate": 0.5, "reason": "the predictions are constant within folds"}}}
    test = ASSESSMENT["skill_test"] | {"p_value": 1.0}
    facts = {"skill": "none", "skill_test": test, "primary": "ridge", "candidates": figures}
    assert "the same chance" in describe_skill(ASSESSMENT | facts, "Ridge")
    null = {"c_statistic": {"observed": 0.5, "mean": 0.5, "q05": 0.5, "q95": 0.5, "p_value": 1.0}}
    draws = {"c_statistic": 0.5 + np.arange(40) * 1e-17, "brier": 0.2 + np.arange(40) % 2 * 1e-16}
    section = build_null_section(null | {"brier": null["c_statistic"] | {"observed": 0.2}}, test, draws)
    section.figures[0].figure.savefig(io.BytesIO())


def test_an_overridden_ladder_is_a_banner_and_said_in_its_section():
    ladder = ASSESSMENT["ladder"] | {"overridden": True}
    assert ladder_banner({"ladder": ladder})[0].startswith("LADDER OVERRIDDEN")
    assert "LADDER OVERRIDDEN" in words(build_ladder_section(ladder, 180))
    assert ladder_banner(ASSESSMENT) == ()


def test_ladder_names_rung_reason_and_the_next():
    section = build_ladder_section(ASSESSMENT["ladder"], 180)
    assert "“Penalised regression”" in section.paragraphs[0]
    assert "about 1430 women" in words(section)
    assert "this cohort: 180" in texts(section.figures[0].figure)
    assert "needs 112: stands here" in texts(section.figures[0].figure)


def test_ladder_without_rungs_or_numbers_still_stands():
    ladder = {"rung": "prevalence", "reason": "", "next_n": None, "rungs": []}
    assert build_ladder_section(ladder).figures == ()
    bare = [{"rung": "prevalence", "supported": True, "needs": "", "n": None}]
    assert build_ladder_section(ladder | {"rungs": bare}).figures


def test_sample_size_compares_and_flattens_groups():
    section = build_sample_size_section(ASSESSMENT["sample_size"])
    assert "The criteria ask for 892 women; there are 180." in words(section)
    assert "9.4 points of chance" in words(section)
    enough = build_sample_size_section({"n": 900, "required": 892, "surprise_metric": 0.5})
    assert "as many as the criteria ask for" in words(enough)
    assert "Surprise metric" in words(enough)


def test_null_draws_histograms_or_bars_and_marks_what_was_observed():
    null, draws = EVIDENCE.make_null()
    for given in (draws, None):
        section = build_null_section(null, ASSESSMENT["skill_test"], given)
        figure = section.figures[0].figure
        assert "observed 0.71" in texts(figure)
        assert len(figure.axes) == 4
        assert all("p = " in axes.get_xlabel() for axes in figure.axes)
    assert "200 times" in words(section)


def test_null_says_by_which_folds_the_real_outcome_was_measured():
    test = ASSESSMENT["skill_test"] | {"folds": 5, "repeats": 2}
    assert "by 5 folds and 2 repeats" in words(build_null_section(ASSESSMENT["null"], test))


def test_ranges_of_gain_are_listed_one_by_one():
    gain = {"strategy": "model_minus_best_default", "threshold": [0.05, 0.10, 0.15, 0.20, 0.25]}
    curve = pd.DataFrame({**gain, "net_benefit": 0.01, "ci_low": [0.01, 0.01, -0.005, np.nan, 0.01]})
    assert "at thresholds of 5 % to 10 %; 25 %, of those from 5 % to 25 %" in describe_gain(curve)
    assert describe_gain(curve.assign(ci_low=-0.1)).startswith("At no threshold")


def test_null_that_was_not_run_or_not_estimable_says_so():
    assert "Not tested. No model" in words(build_null_section({}, {"note": "no model at this rung"}))
    nothing = dict.fromkeys(("observed", "mean", "q05", "q95", "p_value"))
    section = build_null_section({"c_statistic": nothing}, {})
    assert "not estimable" in words(section)
    assert "not estimable" in texts(section.figures[0].figure)
    assert "nan" not in words(section).lower()


def test_instability_reports_the_error_it_draws():
    y, p, refits = EVIDENCE.make_predictions(n=60, n_refits=15)
    refits[:, 3] = np.nan
    found = {"mean_absolute_error": 0.07, "largest_absolute_error": 0.12, "n_refits": 14, "n_failed": 1}
    section = build_instability_section(found, p, refits, {"y_true": y})
    assert "7.0 points" in section.paragraphs[0]
    assert "1 more failed" in section.paragraphs[0]
    assert len(section.figures[0].figure.axes) == 3
    assert len(build_instability_section(found, p, refits).figures[0].figure.axes) == 2
    assert build_instability_section(found).figures == ()


def test_instability_without_refits_says_why():
    found = {"mean_absolute_error": None, "reason": "none of the 20 refits could be used"}
    assert "Not estimable. None of the 20 refits could be used." in words(build_instability_section(found))


def test_calibration_instability_has_the_original_and_the_usable_refits():
    y, p, refits = EVIDENCE.make_predictions(n=80, n_refits=6)
    refits[0, 2] = np.nan
    curves = compute_calibration_instability(y, p, refits)
    assert set(curves["refit"]) <= {-1, 0, 1, 3, 4, 5}
    assert -1 in set(curves["refit"])


def test_suppressed_groups_are_named_and_not_judged():
    section = build_subgroup_section(ASSESSMENT["subgroups"])
    assert "not shown: fewer than 20 women" in words(section)
    frame = section.tables[0].frame
    assert frame.loc[frame["Group"].str.contains("radiotherapy"), "Calibration-in-the-large"].item() == ""
    assert "fewer than 20 women" in texts(section.figures[0].figure)
    assert build_subgroup_section([]).figures == ()


def test_centres_show_pooled_and_a_new_centre():
    section = build_internal_external_section(ASSESSMENT["internal_external"])
    assert "Pooled c-statistic: 0.71 (0.64–0.78); in a new centre between 0.57 and 0.85." in section.paragraphs
    assert "not estimable: only one woman responded" in words(section)
    assert list(section.tables[0].frame["Centre"])[-2:] == ["Pooled", "New centre: 95 % prediction"]


def test_pooled_without_estimate_says_why():
    pooled = {"c_statistic": {"estimate": None, "reason": "one centre has an interval", "method": "REML"}}
    section = build_internal_external_section(ASSESSMENT["internal_external"] | {"pooled": pooled})
    assert "c-statistic could not be pooled: one centre has an interval." in words(section)


def test_one_centre_says_why_there_is_nothing():
    assert "one centre only." in words(build_internal_external_section({"reason": "one centre only"}))


def test_decision_curve_says_where_the_model_helps_and_where_not():
    curve = EVIDENCE.make_arrays()["decision_curve"]
    assert "lies above zero at thresholds of" in words(build_decision_curve_section(curve))
    worse = curve.assign(ci_low=-1.0)
    assert "At no threshold" in words(build_decision_curve_section(worse))
    no_interval = curve.assign(ci_low=np.nan, ci_high=np.nan)
    assert "At no threshold" in words(build_decision_curve_section(no_interval))


def test_calibration_errors_are_in_points_with_reasons():
    said = words(build_calibration_error_section(ASSESSMENT["calibration_errors"]))
    assert "3.1 (1.1–5.1)" in said
    assert "not estimable: the calibration model did not converge" in said


def test_leakage_is_asked_and_answered():
    section = build_leakage_section(ASSESSMENT["leakage"])
    assert list(section.tables[0].frame["Answer"]) == ["no", "no", "no", "yes", "unclear"]
    assert "1 of 5 answers are unclear" in words(section)
    assert build_leakage_section({}).tables == ()


def test_an_interval_beyond_the_panel_ends_in_an_arrow():
    found = {"calibration_slope": {"estimate": 1.0, "ci_low": -9.0, "ci_high": 9.0}}
    figure = plot_forest([ForestRow("C1", 10, 4, found)], ["calibration_slope"])
    markers = [line.get_marker() for line in figure.axes[1].lines]
    assert {"<", ">"} <= set(markers)


def test_all_sections_stand_on_a_page_and_are_the_same_each_time(report):
    def render():
        sections = build_evidence_sections(ASSESSMENT, EVIDENCE.make_arrays())
        return render_report(report(extra_sections=sections, skill="shown"))

    page = render()
    assert page == render()
    assert page.count("<figure") >= 8
    assert not re.search(r"\bnan\b", page, flags=re.IGNORECASE)
    assert len(page) < 1_500_000


def test_an_assessment_without_evidence_adds_nothing():
    assert build_evidence_sections({"n": 10, "n_patients": 10}) == ()


def test_evidence_comes_in_reading_order_with_what_there_is():
    titles = [
        s.title for s in build_evidence_sections({**ASSESSMENT, "subgroups": []}, {"decision_curve": pd.DataFrame()})
    ]
    assert titles[0] == "Could this be chance?"
    assert titles[-1] == "Did anything leak?"
    assert "Would decisions be better?" not in titles
