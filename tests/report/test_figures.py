"""Figures: the right axes, honest marks, no global state."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from poi_predict.cohort import read_codebook
from poi_predict.explain import Explanation
from poi_predict.report.content import empty_frame
from poi_predict.report.explanation_figures import (
    compute_icon_counts,
    plot_attribution_summary,
    plot_icon_array,
    plot_waterfall,
)
from poi_predict.report.figures import count_predictions, plot_attrition, plot_calibration, plot_performance
from poi_predict.report.instability_figures import plot_instability
from poi_predict.report.style import svg_markup
from poi_predict.report.training import _attribution_points
from poi_predict.validation import compute_calibration_curve


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_performance_has_a_panel_per_headline_metric(frames):
    figure = plot_performance(frames["performance"](), primary="ridge")
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == ["c-statistic", "Brier score", "Calibration slope"]
    labels = figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["Prevalence", "Firth", "Ridge"]
    assert [label.get_fontweight() for label in labels] == ["normal", "normal", "bold"]
    assert figure.axes[0].yaxis_inverted()


def test_performance_says_not_estimable_in_the_panel(frames):
    figure = plot_performance(frames["performance"]())
    assert [texts(axes) for axes in figure.axes] == [[], [], ["not estimable"]]


def test_an_interval_beyond_the_panel_ends_in_an_arrow(frames):
    frame = frames["performance"](("ridge",))
    slope = frame["metric"] == "calibration_slope"
    frame.loc[slope, ["ci_low", "ci_high"]] = [-20.0, 50.0]
    panel = plot_performance(frame).axes[-1]
    low, high = panel.get_xlim()
    assert low > -2
    assert high < 4
    assert {"<", ">"} <= {line.get_marker() for line in panel.lines}


def test_the_reference_of_the_brier_score_is_no_model(frames):
    panel = plot_performance(frames["performance"]()).axes[1]
    assert 0.2 in [line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == "--"]


def test_calibration_axes(frames):
    made = frames["calibration"]()
    figure = plot_calibration(made["calibration"], made["calibration_groups"], made["predictions"], primary="ridge")
    upper, lower = figure.axes
    assert upper.get_ylabel() == "Observed share of women"
    assert lower.get_xlabel() == "Predicted chance (out of sample)"
    assert upper.get_xlim() == upper.get_ylim() == lower.get_xlim()
    assert upper.get_position().width * 5.2 == pytest.approx(upper.get_position().height * 6.1)


def test_calibration_without_a_curve_says_so(frames):
    made = frames["calibration"]()
    figure = plot_calibration(
        empty_frame("calibration"), made["calibration_groups"], made["predictions"], primary="ridge"
    )
    assert "curve not estimable" in texts(figure.axes[0])


def test_calibration_ticks_are_whole_percentages_of_rare_events():
    curve = pd.DataFrame(
        {"candidate": "m", "p": [0.01, 0.12], "observed": [0.02, 0.1], "low": [0, 0.0], "high": [0.1, 0.2]}
    )
    figure = plot_calibration(curve, empty_frame("calibration_groups"), empty_frame("predictions"), primary="m")
    figure.canvas.draw()
    ticks = 100 * figure.axes[0].get_yticks()
    np.testing.assert_allclose(ticks, np.round(ticks), atol=1e-9)


def test_attribution_shows_the_largest_first_and_at_most_fifteen(frames):
    figure = plot_attribution_summary(frames["attribution"](40), frames["points"](30, 40))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [f"Variable {i}" for i in range(15)]
    assert "attribution (log-odds)" in figure.axes[0].get_xlabel()


def test_attribution_draws_every_group_of_women_once(frames):
    figure = plot_attribution_summary(frames["attribution"](2), frames["points"](24, 2))
    assert sum(len(dots.get_offsets()) for dots in figure.axes[0].collections) == 48


def test_waterfall_leads_from_the_baseline_to_her_output(frames):
    figure = plot_waterfall(frames["factors"](30), baseline_probability=0.33)
    bars = figure.axes[0].patches
    last = bars[-1]
    output = np.log(0.33 / 0.67) + frames["factors"](30)["log_odds"].sum()
    assert len(bars) == 9
    assert last.get_x() + last.get_width() == pytest.approx(output)
    assert figure.axes[0].get_xlabel() == "Log-odds of response"


@pytest.mark.parametrize("baseline", [0.0, 0.33, 1.0])
def test_waterfall_of_a_model_without_variables(frames, baseline):
    figure = plot_waterfall(empty_frame("factors"), baseline_probability=baseline)
    assert "this woman" in texts(figure.axes[0])


@settings(max_examples=60, deadline=None)
@given(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)))
def test_icons_are_always_a_hundred_women(three):
    low, p, high = sorted(three)
    counts = compute_icon_counts(p, low, high).set_index("kind")["count"]
    assert counts.sum() == 100
    assert (counts >= 0).all()
    assert counts["surely"] + counts["expected"] == round(100 * p)


def test_icon_array_draws_a_hundred(frames):
    figure = plot_icon_array(compute_icon_counts(0.31, None, None))
    assert sum(len(women.get_offsets()) for women in figure.axes[0].collections) == 100


def test_attrition_has_a_bar_per_step(report):
    figure = plot_attrition(report().attrition)
    assert figure.axes[0].get_xlabel() == "Rows that remain"
    assert texts(figure.axes[0]) == ["30", "25  (−5)"]


def test_figures_leave_matplotlib_as_it_was(frames):
    before = dict(mpl.rcParams)
    svg_markup(plot_performance(frames["performance"]()), "x", "alt")
    assert dict(mpl.rcParams) == before


def test_svg_has_unique_ids_escaped_alt_and_no_outside_reference(frames):
    svg = svg_markup(plot_performance(frames["performance"]()), "forest", 'a "quoted" <alt>')
    assert 'aria-label="a &#34;quoted&#34; &lt;alt&gt;"' in svg
    assert "http" not in svg
    assert "DejaVu" not in svg


def test_matplotlib_is_loaded_only_when_a_figure_is_drawn():
    code = (
        "import sys, poi_predict.report.page;assert not any(name.split('.')[0] == 'matplotlib' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_figure_of_a_cohort_draws_a_single_woman():
    """Every mark is the mean of five women or more, and no curve ends at a woman's own prediction."""
    rng = np.random.default_rng(4)
    p = np.sort(rng.random(43))
    women = pd.DataFrame({"p_response": p, "ci_low": p / 2, "ci_high": (1 + p) / 2, "mean_absolute_error": p / 10})
    panel = plot_instability(women).axes[1]
    drawn = panel.lines[0].get_xdata()
    assert len(drawn) == 8
    np.testing.assert_allclose(drawn, [part.mean() for part in np.array_split(p, 8)])
    counts = count_predictions((rng.random(43) < p).astype(int), p, np.ones(43))
    shown = counts[["responders", "non_responders"]].to_numpy()
    assert ((shown % 5 == 0) | (shown == 2)).all()
    curve = compute_calibration_curve((rng.random(43) < p).astype(int), p).frame
    assert curve["predicted"].min() > p[1]
    assert curve["predicted"].max() < p[-2]


def test_attributions_are_shown_of_groups_of_women_alone():
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"age": rng.normal(33, 4, 43), "route": ["iv"] * 25 + ["ovary"] * 15 + ["tube"] * 3})
    data.loc[:6, "age"] = np.nan
    values = rng.normal(size=(43, 2))
    explanation = Explanation(("age", "route"), values, 0.0, values.sum(axis=1))
    points = _attribution_points(explanation, data, read_codebook())
    assert (points["n"] >= 5).all()
    age = points[points["variable"] == "age"]
    assert age["n"].sum() == 43
    assert np.isnan(age["value_rank"]).sum() == 1  # seven whose age is not known
    assert points.loc[points["variable"] == "route", "n"].tolist() == [25, 15]  # three make no group
