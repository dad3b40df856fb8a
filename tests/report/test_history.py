"""Performance over time: earlier validations beside the one reported."""

from __future__ import annotations

from typing import Any

from poi_predict.report.history import build_history_section, plot_history


def entry(day: str, c: float | None, n: int = 180) -> dict[str, Any]:
    found = {"estimate": c, "ci_low": None if c is None else c - 0.08, "ci_high": None if c is None else c + 0.08}
    brier = {"estimate": 0.21, "ci_low": 0.19, "ci_high": 0.23}
    return {
        "day": day,
        "cohort_sha256": "0123456789abcdef",
        "n": n,
        "events": 60,
        "metrics": {"c_statistic": found, "brier": brier},
    }


def test_every_validation_has_its_line_and_what_is_missing_is_said() -> None:
    section = build_history_section([entry("2026-11-22", 0.66), entry("2027-11-20", None), entry("2028-11-18", 0.61)])
    table = section.tables[0].frame
    assert table["Validated on"].tolist() == ["2026-11-22", "2027-11-20", "2028-11-18"]
    assert table["c-statistic"].tolist() == ["0.66 (0.58–0.74)", "not estimable", "0.61 (0.53–0.69)"]
    assert set(table["Calibration-in-the-large"]) == {"not estimable"}
    assert set(table["Cohort"]) == {"01234567"}
    assert "2 earlier validations" in section.paragraphs[0]


def test_the_last_dot_is_this_report() -> None:
    panels = plot_history([entry("2026-11-22", 0.66), entry("2027-11-20", 0.61)]).axes
    dots = [line for line in panels[0].lines if line.get_marker() == "o"]
    assert [dot.get_ydata()[0] for dot in dots] == [0.66, 0.61]
    assert dots[0].get_color() != dots[1].get_color()
    assert [panel.get_title() for panel in panels] == ["c-statistic", "Calibration-in-the-large", "Brier score"]


def test_many_validations_keep_few_dates_and_the_last_of_them() -> None:
    axes = plot_history([entry(f"2026-{month:02d}-01", 0.6) for month in range(1, 13)] * 2).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) <= 6
    assert labels[-1] == "2026-12-01"
