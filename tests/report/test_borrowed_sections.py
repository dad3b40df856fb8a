"""The evidence model on a page: what was borrowed, what the women changed, and with therapy against without."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from poi_predict.cohort import read_codebook
from poi_predict.report import build_patient_content
from poi_predict.report.borrowed_changes import build_change_section
from poi_predict.report.borrowed_checks import build_computation_section, build_conflict_section
from poi_predict.report.borrowed_figures import (
    choose_effects,
    plot_learning_curve,
    plot_prior_to_posterior,
    plot_published_arms,
    plot_with_and_without,
)
from poi_predict.report.borrowed_sections import build_borrowed_sections, computation_banner, conflict_banner
from poi_predict.report.borrowed_words import NOT_FOR_COUNSELLING, brand_banners, describe_contrast, name_effect
from poi_predict.report.page import render_model_card, render_patient_page, render_report
from poi_predict.report.style import svg_markup
from poi_predict.report.training import ALONE, COMPARED, _banners, _limits


def load_data():
    path = Path(__file__).with_name("borrowed_data.py")
    spec = importlib.util.spec_from_file_location("borrowed_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DATA = load_data()
BOOK = read_codebook()
TITLES = [
    "What was borrowed",
    "With and without the therapy",
    "What the women of this cohort changed",
    "Do the women contradict the evidence?",
    "Was the evidence model computed well?",
]


PARTS = {
    TITLES[0]: lambda evidence: build_borrowed_sections({"evidence": {k: evidence[k] for k in ("arms", "tau")}})[0],
    TITLES[1]: lambda evidence: build_borrowed_sections({"evidence": {"contrast": evidence["contrast"]}})[1],
    TITLES[2]: lambda evidence: build_change_section(evidence, BOOK),
    TITLES[3]: lambda evidence: build_conflict_section(evidence, BOOK),
    TITLES[4]: build_computation_section,
}


def find(title, **changes):
    """Build one section alone: the others' figures take their time."""
    section = PARTS[title](DATA.make_evidence(**changes))
    assert section.title == title
    return section


def plain(text):
    return str(text).replace("\u00a0", " ").replace("\u2060", "")


def words(section):
    cells = [plain(cell) for table in section.tables for cell in table.frame.to_numpy().ravel()]
    return " ".join([*map(plain, section.paragraphs), *cells, *(table.note for table in section.tables)])


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def make_effects(n_more=0):
    numbers = (0.0, 0.5, -0.2, 0.5, 0.1, 0.1, 0.5)
    more = [(f"aetiology__{i}", f"Aetiology: a level whose name goes on, {i}", *numbers, "") for i in range(n_more)]
    return [DATA.make_effect(each) for each in [*DATA.EFFECTS, *more]]


def make_effect_frame(n_more=0):
    frame = pd.DataFrame(make_effects(n_more))
    frame = frame[frame["parameter"] != "intercept"]
    return frame.assign(group=np.where(frame["parameter"].str.contains("age|fsh"), "Hers", "Protocol"), flagged=False)


def make_arm_frame():
    return pd.DataFrame([DATA.make_arm(arm) for arm in DATA.ARMS])


def test_sections_come_in_reading_order_and_only_with_an_evidence_model():
    sections = build_borrowed_sections(DATA.make_details())
    assert [section.title for section in sections] == TITLES
    assert [section.after for section in sections] == ["data", *["explanation"] * 3, "end"]
    assert build_borrowed_sections({"skill": "none"}) == ()
    assert build_borrowed_sections({"evidence": None}) == ()


def make_planted():
    """Add to every part what no one asked for."""
    planted = {"patient_id": "PLANTED-0042", "note": "PLANTED-0042"}
    evidence = DATA.make_evidence(
        arms=[DATA.make_arm(arm) | planted for arm in DATA.ARMS],
        effects=[each | planted for each in make_effects()],
        learning_curve=[each | planted for each in DATA.make_curve()],
    )
    return {"evidence": evidence | planted}


def test_all_of_it_stands_on_a_page_without_what_no_one_asked_for(report):
    content = report(extra_sections=build_borrowed_sections(make_planted()))
    page = render_report(content)
    assert all(f'<a href="#x{i}">{title}</a>' in page for i, title in enumerate(TITLES))
    assert not re.search(r"\b(?:nan|NaN|None(?! of her values)|inf)\b", page)
    assert "PLANTED" not in page
    assert "PLANTED" not in render_model_card(content)
    assert len(page) < 400_000


def test_the_same_evidence_gives_the_same_pictures():
    first, again = ([svg_markup(each.figure, "f", each.alt) for each in find(TITLES[1]).figures] for _ in range(2))
    assert first == again


def test_borrowed_counts_women_and_says_what_arms_do_not_say():
    section = find(TITLES[0])
    said = words(section)
    assert "4 arms (20 of 60 women) with cell therapy, and 2 arms (165 of 669 women) without" in said
    assert "SD of 0.31 (0.04–0.81)" in said
    silent = section.tables[1].frame.set_index("Variable")
    assert silent.loc["FSH"].tolist() == ["4 of 6", "Z01, Z02, Z09, Z16"]
    assert silent.loc["Body-mass index", "Silent arms"] == "2 of 6"
    assert "ovarian function" in said
    assert "†" in section.figures[0].how_to_read


def test_arms_that_count_the_same_need_no_dagger_and_no_silence_no_table():
    arms = [DATA.make_arm(arm) | {"definition": "", "silent": []} for arm in DATA.ARMS]
    section = find(TITLES[0], arms=arms)
    assert "†" not in section.figures[0].how_to_read
    assert len(section.tables) == 1
    assert "Clopper" in section.tables[0].note


def test_without_arms_or_spread_it_says_so():
    section = find(TITLES[0], arms=[], tau={"mean": None})
    assert section.figures == section.tables == ()
    assert "No published arm entered" in words(section)
    assert "SD of" not in words(section)


def test_forest_plot_groups_arms_and_sizes_squares_by_women():
    figure = plot_published_arms(make_arm_frame())
    said = texts(figure)
    assert said.index("With cell therapy") < said.index("13/35") < said.index("Without") < said.index("117/507")
    assert "37 % (21–56)" in said
    area = [float(dots.get_sizes()[0]) for dots in figure.axes[1].collections]
    assert max(area) == area[4]
    assert area[4] / area[5] == pytest.approx(507 / 162)


def test_an_arm_that_the_model_cannot_place_is_shown_as_it_was_published():
    frame = make_arm_frame().assign(fitted=np.nan, fitted_low=np.nan, fitted_high=np.nan, ci_low=np.nan)
    assert texts(plot_published_arms(frame)).count("—") == len(frame)
    arms = [DATA.make_arm(arm) | {"fitted": None, "fitted_low": None, "ci_low": None} for arm in DATA.ARMS]
    frame = find(TITLES[0], arms=arms).tables[0].frame
    assert set(frame["By the model"]) == {"not estimable"}
    assert plain(frame["Observed"].iloc[0]) == "44 %"


def test_effects_near_zero_that_nothing_moved_stand_in_the_table_only():
    frame = make_effect_frame()
    left_out = set(frame["parameter"]) - set(choose_effects(frame)["parameter"])
    assert left_out == {"treated:fsh__log", "previous_births__count"}
    section = find(TITLES[2])
    assert "Previous births" not in texts(section.figures[1].figure)
    assert "2 effects that lie near zero" in section.figures[1].how_to_read
    table = section.tables[0].frame
    assert "Previous births, one more" in set(table["Effect"])
    assert len(table) == len(DATA.EFFECTS) - 1  # the starting level is no effect


def test_effect_table_gives_odds_ratios_before_and_now():
    table = find(TITLES[2]).tables[0].frame.set_index("Effect")
    fsh = [plain(cell) for cell in table.loc["FSH, 2.7 times as much"]]
    assert fsh == ["0.41 (0.15–1.08)", "0.82 (0.43–1.56)", "43 / 1 / 56 %", "PF12, widened"]


def test_groups_keep_their_order_and_the_most_favourable_comes_first():
    said = texts(find(TITLES[2]).figures[1].figure)
    order = [
        "Therapy and protocol",
        "Cell therapy against none",
        "Route of administration: intravenous",
        "The woman before treatment",
    ]
    order += ["Follicles visible on ultrasound", "Age", "Time since last menses", "Outcome counted in another way"]
    assert [text for text in said if text in order] == order


def test_what_women_supplied_is_counted():
    said = words(find(TITLES[2]))
    assert "60 women were added" in said
    assert "For 4 of 14 effects they supplied more than half of what is known (Cell dose, Follicles" in said
    assert "for 6 less than one twentieth" in said
    assert "By the evidence alone, 33 (18 to 52) of 100 women like these" in said
    assert "with all 60 women, 29 (21 to 40) and 27 (21 to 33)" in said


def test_with_no_woman_nothing_changed():
    section = build_change_section(DATA.make_evidence(learning_curve=DATA.make_curve(n=0)), BOOK)
    assert section.title == "What the published arms changed"
    assert "No woman was added" in words(section)
    assert len(section.figures) == 1
    assert "For " not in section.paragraphs[0]


def test_nothing_known_of_effects_leaves_the_curve_or_nothing():
    assert len(find(TITLES[2], effects=[]).figures) == 1
    bare = build_borrowed_sections(
        DATA.make_details(effects=[], learning_curve=[], contrast={}, conflict={}, diagnostics={})
    )
    assert [section.title for section in bare] == ["What was borrowed"]


def test_shares_that_are_not_known_are_a_dash():
    effects = [each | {"share_prior": None, "share_arms": None, "share_patients": None} for each in make_effects()]
    section = find(TITLES[2], effects=effects)
    assert set(section.tables[0].frame["Assumed / arms / women"]) == {"—"}


def test_an_effect_beyond_the_panel_ends_in_an_arrow():
    frame = make_effect_frame().assign(ci_low=-9.0, ci_high=9.0)
    markers = {line.get_marker() for line in plot_prior_to_posterior(frame).axes[1].lines}
    assert {"<", ">"} <= markers


@pytest.mark.parametrize(
    "figure",
    [
        lambda: plot_prior_to_posterior(make_effect_frame(31)),
        lambda: plot_published_arms(make_arm_frame()),
    ],
)
def test_long_lists_stay_readable(figure):
    figure = figure()
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert len(boxes) >= 9
    assert all(not a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    edge = figure.axes[1].get_window_extent(renderer).x0
    assert max(box.x1 for box in boxes) <= edge + 1


def test_levels_stay_apart_when_their_variable_is_long():
    levels = ("intraovarian_laparoscopic", "intraovarian_transvaginal")
    numbers = (0.0, 0.5, 0.2, 0.5, 0.1, 0.1, 0.5, "")
    effects = [DATA.make_effect((f"route__{level}", "", *numbers)) for level in levels]
    said = texts(find(TITLES[2], effects=effects).figures[1].figure)
    assert [text.partition(": ")[2] for text in said[1:]] == [
        "intraovarian, laparoscopic",
        "intraovarian, transvaginal",
    ]


def test_figures_leave_their_frames_alone():
    for plot, frame in (
        (plot_published_arms, make_arm_frame()),
        (plot_prior_to_posterior, make_effect_frame()),
        (plot_learning_curve, pd.DataFrame(DATA.make_curve())),
    ):
        before = frame.copy(deep=True)
        plot(frame)
        pd.testing.assert_frame_equal(frame, before)


def test_learning_curve_names_lines_that_meet_apart():
    frame = pd.DataFrame(DATA.make_curve()).assign(p_without=0.29, p_with=0.29)
    axes = plot_learning_curve(frame).axes[0]
    with_, without = sorted((text.xy[1] for text in axes.texts), reverse=True)
    assert with_ - without > 0.08 * axes.get_ylim()[1]
    assert [text.get_text() for text in axes.texts] == ["with therapy 29 %", "without therapy 29 %"]


@pytest.mark.parametrize(
    ("changes", "starts"),
    [
        ({}, []),
        ({"p_patients": None, "p_arms": None}, []),
        ({"p_patients": 0.012}, ["THE WOMEN CONTRADICT THE EVIDENCE: what happened to them is unlikely"]),
        ({"flagged": ["fsh__log"]}, ["THE WOMEN CONTRADICT THE EVIDENCE: what happened to them does not fit"]),
        ({"p_arms": 0.004}, ["THE PUBLISHED ARMS CONTRADICT THE PRIORS"]),
    ],
)
def test_conflict_is_a_banner_with_advice(changes, starts):
    details = DATA.make_details(conflict=DATA.make_conflict(**changes))
    banners = [plain(banner) for banner in conflict_banner(details)]
    assert len(banners) == len(starts)
    said = words(find(TITLES[3], conflict=details["evidence"]["conflict"]))
    for banner, start in zip(banners, starts, strict=True):
        assert banner.startswith(start)
        assert '[evidence] tail = "t"' in banner
        assert banner in said


def test_conflict_names_effects_by_their_labels():
    conflict = DATA.make_conflict(flagged=["fsh__log", "unheard_of"], p_patients=0.2)
    assert "(FSH, unheard_of), overall p = 0.20." in plain(conflict_banner(DATA.make_details(conflict=conflict))[0])


def test_without_women_the_arms_are_asked():
    conflict = DATA.make_conflict(p_patients=None, p_arms=0.2, flagged=["fsh__log"])
    evidence = DATA.make_evidence(conflict=conflict, learning_curve=DATA.make_curve(n=0))
    (banner,) = conflict_banner({"evidence": evidence})
    assert plain(banner).startswith("THE PUBLISHED ARMS CONTRADICT THE PRIORS: what they report does not fit")
    section = build_conflict_section(evidence, BOOK)
    assert section.title == "Do the published arms fit the priors?"
    assert "these women" not in words(section)


def test_a_probit_has_no_odds_ratios():
    section = build_change_section(DATA.make_evidence() | {"link": "probit"}, BOOK)
    table = section.tables[0].frame.set_index("Effect")
    assert plain(table.loc["FSH, 2.7 times as much", "Effect (probit) now"]) == "−0.20 (−0.85 to 0.45)"
    axes = section.figures[1].figure.axes[1]
    assert "probit scale" in axes.get_xlabel()
    assert axes.child_axes == []


def test_heavier_tails_are_not_advised_twice():
    details = DATA.make_details(conflict=DATA.make_conflict(p_patients=0.01, tail="t"))
    assert "already have heavier tails" in conflict_banner(details)[0]
    assert "tail =" not in conflict_banner(details)[0]


def test_conflict_table_shows_the_smallest_and_every_flagged_one():
    effects = [each | {"conflict_p": 0.2 + i / 100} for i, each in enumerate(make_effects(20))]
    last = effects[-1]["parameter"]
    section = find(TITLES[3], effects=effects, conflict=DATA.make_conflict(flagged=[last], p_patients=0.03))
    table = section.tables[0].frame
    assert len(table) == 11
    assert list(table.loc[table["Contradicts"] == "yes", "Effect"]) == [name_effect(effects[-1], BOOK)]
    assert f"{len(effects) - 11} effects with a larger p are not shown" in section.tables[0].note
    assert plain(section.paragraphs[1]).startswith("Overall: these women against the evidence, p = 0.030")


@pytest.mark.parametrize(
    ("k", "word", "warned"),
    [(0.2, "good", 0), (0.5, "fair", 0), (0.7, "fair", 0), (0.71, "not to be trusted", 1), (None, "not checked", 0)],
)
def test_computation_is_judged_by_its_pareto_k(k, word, warned):
    diagnostics = {"pareto_k": k, "effective_draws": 900.0, "corrected": k is not None}
    section = find(TITLES[4], diagnostics=diagnostics)
    assert section.tables[0].frame["Meaning"].iloc[0] == word
    assert len(computation_banner(DATA.make_details(diagnostics=diagnostics))) == warned
    assert ("NOT TO BE TRUSTED" in words(section)) == bool(warned)


def test_with_and_without_says_whether_they_can_be_told_apart():
    section = find(TITLES[1])
    assert (
        "For the women of this cohort, on average: with the therapy, about 33 of 100 women would have"
        in section.paragraphs[0]
    )
    assert "The difference of about 8 (−9 to +24) is compatible with no difference." in section.paragraphs[0]
    assert "The therapy was not randomised" in section.paragraphs[1]
    cells = list(section.tables[0].frame["Estimate (95 % interval)"])
    assert cells == [
        "32.7 (22.1 to 45.8)", "24.9 (18.3 to 33.1)", "+7.8 (−8.9 to +24.1)", "1.46 (0.71–2.98)", "not distinguishable",
    ]  # fmt: skip
    assert "+8 of 100 (−9 to +24)" in texts(section.figures[0].figure)


@pytest.mark.parametrize(("sign", "said"), [(1, "in favour of the therapy"), (-1, "speaks against the therapy")])
def test_a_difference_that_can_be_told_from_none_has_a_direction(sign, said):
    hers = DATA.make_hers(difference=0.15 * sign, distinguishable=True)
    assert said in describe_contrast(hers)[0]
    assert "no difference" not in describe_contrast(hers)[0]
    assert "distinguishable" in words(find(TITLES[1], contrast=DATA.make_contrast(distinguishable=True)))


def test_a_contrast_that_is_not_estimable_says_so_and_draws_nothing():
    nothing = dict.fromkeys(("estimate", "ci_low", "ci_high"))
    section = find(TITLES[1], contrast=DATA.make_contrast(difference=nothing))
    assert "not estimable" in section.paragraphs[0]
    assert section.figures == section.tables == ()


def test_with_and_without_draws_both_and_their_difference():
    frame = pd.DataFrame(
        {
            "quantity": ["with", "without", "difference"],
            "estimate": [0.9, 0.2, 0.7],
            "ci_low": [0.8, 0.1, 0.5],
            "ci_high": [0.99, 0.3, 0.8],
        }
    )
    left, right = plot_with_and_without(frame).axes
    assert left.get_xlim() == (0.0, 1.0)
    assert right.get_xlim()[0] < 0 < right.get_xlim()[1]
    assert [text.get_text() for text in left.texts] == ["90 %", "20 %"]


def make_woman(contrast=None, **facts):
    model = {
        "assessment": {"primary": "ridge", "n": 40, "events": 12, "candidates": {"ridge": {}}, "champion": None},
        "study": "menses_12m",
        "question": "Who menstruates again?",
        "endpoint": "Menses within 12 months",
        "synthetic": False,
        "provenance": {"Seed": "7"},
    } | facts
    explanation = SimpleNamespace(
        variables=("age",),
        attributions=np.array([[0.2]]),
        probability_share=np.array([[0.04]]),
        baseline_probability=0.3,
    )
    score = {"p_response": 0.34, "ci_low": 0.2, "ci_high": 0.5, "flags": ""}
    return build_patient_content("0042-KX", pd.Series({"age": 33.0}), score, explanation, BOOK, model, *contrast or ())


def test_her_page_says_with_and_without_in_words():
    content = make_woman([DATA.make_hers()])
    page = render_patient_page(content)
    assert "about 33 of 100 women like her would have this outcome (22 to 46); without it, about 25 (18 to 33)" in page
    assert "The difference of about 8 (−9 to +24) is compatible with no difference." in page
    assert "women without it are known from other studies only" in content.limits[0]
    assert "developed on 40 women of whom 12 responded" in page


def test_her_page_without_a_contrast_is_as_it_was():
    content = make_woman()
    assert content.extra_sections == content.banners == ()
    assert "women who were not treated are not in this model" in content.limits[0]
    assert "With and without" not in render_patient_page(content)


def test_a_model_from_aggregates_says_that_it_is_not_for_counselling(report):
    nobody = {"primary": "prevalence", "n": 0, "events": 0, "candidates": {}, "champion": None}
    content = make_woman([DATA.make_hers()], assessment=nobody, brands=("SYNTHETIC", NOT_FOR_COUNSELLING))
    page = render_patient_page(content)
    assert len(content.banners) == 1
    assert "From published aggregates; not for counselling." in page
    assert "made from published evidence alone. It was never tried on women" in page
    assert "The starting point of the explanation, with average values of all variables: 30 of 100." in page
    card = render_model_card(report(banners=brand_banners((NOT_FOR_COUNSELLING,))))
    assert "> **Please note.** From published aggregates; not for counselling." in card


def test_a_brand_that_is_not_known_is_shown_as_it_is():
    assert brand_banners(("for teaching only.", "")) == ("For teaching only.",)


def test_a_training_shows_its_conflicts_and_the_right_limit():
    details = DATA.make_details(
        conflict=DATA.make_conflict(p_patients=0.01),
        diagnostics={"pareto_k": 0.9, "effective_draws": 40.0, "corrected": True},
    )
    found = SimpleNamespace(details=details, synthetic=True, events=12)
    kinds = [banner.partition(":")[0] for banner in _banners(found, BOOK)]
    assert kinds == ["SYNTHETIC", "THE WOMEN CONTRADICT THE EVIDENCE", "NOT TO BE TRUSTED"]
    cohort = SimpleNamespace(codebook=BOOK, data=pd.DataFrame({"cell_source": ["adipose"]}))
    assert _limits(found, cohort)[0] == COMPARED
    without = SimpleNamespace(details={"skill": "none"}, synthetic=False, events=12)
    assert _banners(without, BOOK) == ()
    assert _limits(without, cohort)[0] == ALONE
