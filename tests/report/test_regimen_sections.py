"""Regimens in the report of a training: what was given, who was alike, contrasts, the value of the rule."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from poi_predict.report.page import render_report
from poi_predict.report.regimen_cohort_figures import plot_balance, plot_contrasts, plot_gains, plot_positivity
from poi_predict.report.regimen_effects import build_effect_section, build_value_section
from poi_predict.report.regimen_sections import build_regimen_sections


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DATA = load("regimen_data")
TITLES = [
    "Which regimens were given",
    "Were women with different regimens alike?",
    "Regimens compared as if every woman had had each",
    "Is choosing by the model worth it?",
]
GIVEN = ("options", "excluded", "women", "rule")
ALIKE = ("overlap", "confounded", "randomised")


def build(*keys, **changes):
    """Build the sections of some parts alone: the others' figures take their time."""
    regimens = DATA.make_regimens(**changes)
    return build_regimen_sections({"regimens": {key: regimens[key] for key in keys}})


def words(section):
    cells = [str(cell) for table in section.tables for cell in table.frame.to_numpy().ravel()]
    return " ".join([*map(str, section.paragraphs), *cells, *(table.note for table in section.tables)])


def make_estimate(estimate, ci_low=None, ci_high=None, reason=None):
    return {"estimate": estimate, "ci_low": ci_low, "ci_high": ci_high, "method": "", "reason": reason, "level": 0.95}


def make_contrast(**changes):
    contrast = {
        "option": "bone_marrow",
        "reference": "adipose",
        "difference": make_estimate(0.10, 0.02, 0.18),
        "simultaneous": make_estimate(0.10, 0.01, 0.19),
        "naive": make_estimate(0.25, 0.15, 0.35),
        "risk_ratio": make_estimate(1.5, 1.1, 2.05),
        "evalue": {"point": 2.37, "limit": 1.43, "risk_ratio": 1.5, "ci_low": 1.1, "ci_high": 2.05, "sentence": ""},
        "distinguishable": True,
        "sentence": "bone_marrow against adipose: +10.0 points (+2.0 to +18.0), they differ; +25.0 before adjusting.",
    }
    return contrast | changes


def make_effects(*contrasts):
    values = [
        {"option": "adipose", "n": 40, "estimate": make_estimate(0.2, 0.1, 0.3), "naive": make_estimate(0.2, 0, 1)}
    ]
    return {"values": values, "contrasts": list(contrasts), "notes": ["Left out: placenta."]}


def test_sections_come_in_reading_order_on_a_page_of_their_own_words(report):
    sections = build_regimen_sections({"regimens": DATA.make_regimens()})
    assert [section.title for section in sections] == TITLES
    assert [section.after for section in sections] == ["data", "data", "explanation", "explanation"]
    page = render_report(report(extra_sections=sections))
    assert all(title in page for title in TITLES)
    assert not re.search(r"\b(?:nan|NaN|None(?! of her values)|inf)\b", page)
    body = re.sub(r"<svg.*?</svg>", "", page[page.index("Which regimens were given") :], flags=re.DOTALL)
    assert "ovarian_artery" not in body


def test_no_regimens_no_section():
    assert build_regimen_sections({"skill": "none"}) == ()
    assert build_regimen_sections({"regimens": {}}) == ()


def test_the_fixture_is_the_schema_of_the_docstring():
    import poi_predict.report.regimen_sections as module  # noqa: PLC0415

    regimens = DATA.make_regimens()
    assert json.loads(json.dumps(regimens, allow_nan=False)) == regimens
    assert all(f'"{key}"' in module.__doc__ for key in regimens)
    for part in ("overlap", "effects", "value"):
        assert all(f'"{key}"' in module.__doc__ for key in regimens[part])
    for row in (regimens["options"][0], regimens["confounded"][0], regimens["overlap"]["balance"][0]):
        assert all(f'"{key}"' in module.__doc__ for key in row)


def test_options_are_listed_with_who_had_them_and_what_was_left_out():
    (section,) = build(*GIVEN)
    frame = section.tables[0].frame
    assert frame["Regimen"].tolist() == ["no cell therapy", "bone marrow", "adipose", "fat, into a vein"]
    assert frame["Women of published arms"].tolist() == ["669 in 2", "10 in 1", "9 in 1", "—"]
    assert frame["Data"].tolist() == ["enough", "enough", "few", "none"]
    assert section.tables[1].frame.iloc[0].tolist() == ["her own cord", "It is not at hand. (A09)"]
    said = words(section)
    assert "For none of the 120 women of this cohort could the regimens be distinguished." in said
    assert "at least 95 % of the draws" in said


def test_women_for_whom_something_was_told_apart_are_counted():
    women = {"n": 50, "kinds": {"better": 30, "not distinguishable": 20}, "best": {"A": 30}, "worse": {"B": 4, "C": 9}}
    said = words(build(*GIVEN, women=women)[0])
    assert "For 20 of the 50 women of this cohort the regimens cannot be distinguished" in said
    assert "Called better than every other: A (of 30 women)." in said
    assert "Called worse than it: C (of 9 women); B (of 4 women)." in said


def test_many_options_are_cut_short_with_a_word():
    options = [dict(DATA.make_regimens()["options"][1], label=f"regimen {i}") for i in range(30)]
    (section,) = build(*GIVEN, options=options)
    assert len(section.tables[0].frame) == 12
    assert section.tables[0].note == "18 more regimens that fewer women had are left out here."


def test_confounding_balance_and_positivity_are_said_shown_and_tabulated():
    (section,) = build(*ALIKE)
    said = words(section)
    assert section.paragraphs[0].startswith("Regimens were not randomised.")
    assert "Route cannot be distinguished from centre: within each centre, it was always the same." in said
    assert "Cell source “adipose” cannot be distinguished from centre" in said
    assert re.search(r"in \d of 5 covariates, and still in \d once weighted", said)
    assert "of the women lie where all regimens were in use." in said
    assert "Not compared, because fewer than 10 women had it: placenta." in said
    assert "FSH: missing" in said
    assert len(section.figures) == 2
    largest = section.tables[0].frame.iloc[0]
    assert largest["Covariate"] == "Age"
    assert abs(float(largest["Before"].replace("−", "-"))) > abs(float(largest["After"].replace("−", "-")))


def test_what_cannot_be_modelled_says_why_and_keeps_the_confounding():
    (section,) = build(*ALIKE, overlap={"reason": "all women had the same regimen"}, randomised=True)
    assert section.paragraphs[0].startswith("Regimens were randomised")
    assert section.paragraphs[-1] == "Who had which regimen could not be modelled. All women had the same regimen."
    assert "cannot be distinguished from centre" in words(section)
    assert section.figures == ()


@pytest.mark.parametrize("part", ["effects", "value"])
def test_a_part_that_is_not_estimable_says_why(part):
    (section,) = build_regimen_sections({"regimens": {part: {"reason": "too few women"}}})
    assert section.paragraphs == ("Not estimable. Too few women.",)


def test_contrasts_stand_beside_the_plain_ones_with_their_e_values():
    section = build_effect_section({"effects": make_effects(make_contrast())})
    row = section.tables[0].frame.iloc[0]
    assert row.to_dict() == {
        "Contrast": "bone marrow against adipose",
        "Adjusted": "+10.0 (+2.0 to +18.0)",
        "All together": "+1.0 to +19.0",
        "Before adjusting": "+25.0 (+15.0 to +35.0)",
        "Risk ratio": "1.50 (1.10–2.05)",
        "E-value": "2.37 (1.43)",
        "Distinguishable": "yes",
    }
    assert "One contrast leaves out 0, all taken together: bone marrow against adipose" in words(section)
    assert "10.7326/M16-2607" in section.tables[0].note
    assert "Left out: placenta." in section.paragraphs


def test_a_contrast_that_no_centre_can_make_has_no_number():
    blank = make_estimate(None, reason="no centre used both")
    contrast = make_contrast(
        difference=blank, simultaneous=blank, risk_ratio=blank, evalue=None, distinguishable=False, sentence="x."
    )
    section = build_effect_section({"effects": make_effects(contrast)})
    row = section.tables[0].frame.iloc[0]
    assert row["Adjusted"] == "not estimable: no centre used both"
    assert (row["All together"], row["E-value"], row["Distinguishable"]) == ("—", "—", "no")
    assert "No two regimens can be distinguished, all contrasts taken together." in section.paragraphs
    assert section.tables[0].note == ""
    texts = [text.get_text() for text in section.figures[0].figure.axes[0].texts]
    assert texts == ["not estimable"]


def test_of_many_contrasts_those_with_the_reference_come_first():
    others = [make_contrast(option=f"a{i}", reference="b", distinguishable=False) for i in range(20)]
    wanted = make_contrast(option="z", reference="no cell therapy", distinguishable=False)
    regimens = {
        "reference": "none",
        "options": [{"name": "none", "label": "no cell therapy"}],
        "effects": make_effects(*others, wanted),
    }
    section = build_effect_section(regimens)
    assert section.tables[0].frame.loc[0, "Contrast"] == "z against no cell therapy"
    assert len(section.tables[0].frame) == 15
    assert "15 of 21 contrasts are shown." in words(section)


def test_the_value_of_the_rule_is_said_first_and_set_against_every_other_way():
    (section,) = build("value")
    value = DATA.make_regimens()["value"]
    assert section.paragraphs[0].startswith("The personalised rule is not supported")
    assert not value["supported"]
    ways = section.tables[0].frame["Way of treating"].tolist()
    assert ways == ["everyone gets adipose", "everyone gets bone marrow", "as it was done"]
    shares = section.tables[0].frame["Chosen by the rule"].tolist()
    assert shares[-1] == "—"
    assert sum(int(share.split()[0]) for share in shares[:-1]) == 100
    assert "−" in words(section)
    assert not re.search(r"[ (]-\d", words(section))


def test_a_rule_without_an_interval_says_why():
    value = DATA.make_regimens()["value"]
    few = make_estimate(0.1, reason="only 2 of the women who had adipose are with the event")
    gains = [gain | {"gain": few, "value": few} for gain in value["gains"]]
    section = build_value_section({"value": value | {"gains": gains}})
    assert section.tables[0].frame.loc[0, "Gain of the rule, points"].startswith("+10.0, no interval: only 2")


def test_a_rule_whose_worth_is_withheld_is_said_so_without_an_empty_figure():
    value = DATA.make_regimens()["value"]
    withheld = make_estimate(None, reason="fewer than 5 of the 19 women given adipose had the event")
    gains = [gain | {"gain": withheld} for gain in value["gains"]]
    section = build_value_section({"value": value | {"value": withheld, "gains": gains}})
    assert section.figures == ()
    assert "judged on: what it is worth cannot be given here. It chooses" in words(section)
    assert set(section.tables[0].frame["Gain of the rule, points"]) == {f"not estimable: {withheld['reason']}"}


def test_figures_draw_what_is_wholly_apart_at_the_edge_and_what_is_missing_not_at_all():
    balance = pd.DataFrame({"label": ["Centre", "Age"], "before": [float("inf"), 0.4], "after": [float("inf"), 0.1]})
    gains = pd.DataFrame({"label": ["a", "b"], "gain": [0.1, None], "ci_low": [None, None], "ci_high": [None, None]})
    positivity = pd.DataFrame(
        {"arm": ["a", "a", "b", "b"], "option": ["a", "b"] * 2, "n": [4, 4, 9, 9], "below": [0, 0.9, 0.2, 0]}
    )
    contrasts = pd.DataFrame([dict.fromkeys(("difference", "ci_low", "ci_high", "together_low", "together_high"))])
    contrasts = contrasts.assign(label="a against b", naive=0.2)
    for figure in (plot_balance(balance), plot_gains(gains), plot_contrasts(contrasts), plot_positivity(positivity)):
        FigureCanvasAgg(figure).draw()
    drawn = plot_balance(balance).axes[0]
    assert drawn.get_xlim()[1] < 2.1
    assert any(line.get_marker() == ">" for line in drawn.lines)
    cells = {text.get_text(): text.get_color() for text in plot_positivity(positivity).axes[0].texts}
    assert cells["90 %"] == "white"
    assert cells["20 %"] != "white"
