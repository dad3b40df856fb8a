"""The drift page: what it says in every state, and what it never says."""

from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from poi_predict.report.drift import build_drift_content, render_drift_report
from poi_predict.report.drift_figures import plot_differences, scale_of
from poi_predict.report.drift_words import HEADINGS, describe_flag, format_difference


def load_data() -> ModuleType:
    path = Path(__file__).with_name("drift_data.py")
    spec = importlib.util.spec_from_file_location("drift_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DATA = load_data()
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    return render_drift_report(DATA.DRIFT, DATA.ABOUT)


def in_words(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_the_page_is_whole_and_alone(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert ">nan<" not in page.casefold()
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_the_status_comes_first_and_synthetic_before_it(page: str) -> None:
    words = in_words(page)
    assert words.index("SYNTHETIC") < words.index("These women are not like those of training")
    assert words.index("most of all in FSH") < words.index("What 1 243 rows can show")
    assert "Rows needed to show a shift of half a standard deviation 64" in words


def test_every_comparison_stands_with_both_sides_and_its_interval(page: str) -> None:
    words = in_words(page)
    assert "FSH: mean 71.0 IU/L 88.0 IU/L +17.0 (+11.0 to +23.0) +0.62 yes" in words
    assert re.search(r"AMH: not known 8.% 19.% \+11 points \(\+4 to \+18\) yes", words)
    assert "c-statistic 0.68 (0.63–0.72)" in words
    assert "4 of 12 comparisons show a difference" in words


def test_predictions_and_applicability_are_told(page: str) -> None:
    words = in_words(page)
    assert "33 % in training, 28 % here; difference −5.0 points (−8.0 to −2.0)" in words
    assert "Population stability index: 0.091; about 0.045 is expected without any drift" in words
    assert "FSH: outside the central 95 % of the model's women" in words.replace("&#39;", "'")
    assert "fewer than 5 women" in words


def test_the_rows_add_up_and_their_origin_is_named(page: str) -> None:
    content = build_drift_content(DATA.DRIFT, DATA.ABOUT)
    assert [width for _, _, width in content.rows] == [100.0, 99.4, 0.6]
    assert content.provenance["Cohort"] == "1\N{NARROW NO-BREAK SPACE}250 rows in 2 tables"
    assert "da" * 32 in page


def test_the_same_findings_give_the_same_bytes(page: str) -> None:
    assert render_drift_report(DATA.make_drift(), DATA.ABOUT) == page


@pytest.mark.parametrize("status", list(HEADINGS))
def test_every_status_has_its_page(status: str) -> None:
    page = render_drift_report(DATA.make_drift(status=status, aspects=[], bins={}), DATA.ABOUT)
    assert HEADINGS[status][0] in in_words(page)
    assert f'class="verdict {HEADINGS[status][1]}"' in page


def test_a_model_without_women_of_training_says_so_and_no_more() -> None:
    brands = ("from published aggregates; not for counselling",)
    about = DATA.ABOUT | {"synthetic": False, "brands": brands}
    words = in_words(render_drift_report(DATA.NOTHING, about))
    assert "nothing can be compared" in words
    assert "not for counselling" in words
    assert "No row bears a flag" in words
    assert "SYNTHETIC" not in words
    assert "Where these women differ" not in words


def test_a_real_cohort_scored_by_a_synthetic_model_is_synthetic() -> None:
    page = render_drift_report(DATA.make_drift(synthetic=True), DATA.ABOUT | {"synthetic": False})
    assert "<title>SYNTHETIC" in page


def test_names_are_escaped() -> None:
    about = DATA.ABOUT | {"study": "<b>x</b>", "labels": {"fsh": "<i>FSH</i>"}}
    page = render_drift_report(DATA.DRIFT, about)
    assert "<b>x</b>" not in page
    assert "<i>FSH</i>" not in page
    assert "&lt;i&gt;FSH&lt;/i&gt;: mean" in page


def test_an_empty_scored_cohort_has_a_page() -> None:
    rows = {"read": 0, "scored": 0, "rejected": 0}
    cohort = {"sha256": "da" * 32, "rows": 0, "tables": ["a.csv"]}
    drift = DATA.NOTHING | {"applicability": {"rows_flagged": 0, "share": None, "flags": {}}, "n_rows": 0}
    page = render_drift_report(drift, DATA.ABOUT | {"rows": rows, "cohort": cohort})
    assert "0 rows in 1 table" in page
    assert "a.csv" not in page


def test_only_the_leading_comparisons_are_drawn_and_the_rest_is_counted() -> None:
    many = [DATA.aspect(f"v{i}", "missing", 0.1, 0.1 + i / 1000, 0.2) for i in range(30)]
    words = in_words(render_drift_report(DATA.make_drift(aspects=many), DATA.ABOUT))
    assert "V29: not known" in words
    assert "V0: not known" not in words
    assert "6 smaller comparisons stand in the summary file" in words


@pytest.mark.parametrize(
    ("change", "scale"),
    [({}, 0.1), ({"sd_units": None}, None), ({"difference": 0.0}, None), ({"aspect": "level"}, 100.0)],
)
def test_a_mean_is_drawn_in_standard_deviations_and_a_share_in_points(change: dict, scale: float | None) -> None:
    each = {"aspect": "location", "difference": 5.0, "sd_units": 0.5} | change
    assert scale_of(each) == scale


def test_a_difference_is_drawn_where_its_interval_lies() -> None:
    each = DATA.aspect("fsh", "location", 70.0, 80.0, 4.0, sd_units=0.5)
    axes = plot_differences([each], {}).axes[0]
    line = next(line for line in axes.lines if line.get_xdata()[0] == pytest.approx(0.3))
    assert line.get_xdata()[1] == pytest.approx(0.7)
    low, high = axes.get_xlim()
    assert low < 0.3
    assert high > 0.7


def test_what_cannot_be_estimated_is_said() -> None:
    each = {"aspect": "missing", "difference": float("nan")}
    assert format_difference(each) == "not estimable"
    assert format_difference({"aspect": "missing", "difference": 0.1, "ci_low": None}) == "+10 points"
    assert describe_flag("something_new:x", {}) == "something_new:x"
